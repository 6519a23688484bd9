"""API keys: what is taken for one, and the file that may change."""

import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.engine.keys import Keys, read_keys

FIRST, SECOND, THIRD = (f"{name}-key-of-32-characters-000" for name in ("first", "second", "third"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# of the shop\n{FIRST}\n\n  {SECOND}  \n")
    return path


def replace(path: Path, text: str) -> None:
    """As one atomic rename, as a secret that is mounted changes."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


@contextmanager
def no_files_to_open() -> Iterator[None]:
    """As when the process has as many open as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_holds_a_key_a_line_and_comments(file: Path) -> None:
    assert read_keys(file) == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no key"),
        (b"# nothing\n", "no key"),
        (f"{FIRST}\nshort\n".encode(), "Key 2 is not 16 or more"),
        (b"with a blank in the middle", "Key 1 is not 16 or more"),
        ("schlüssel-mit-umlaut".encode(), "not ASCII"),
    ],
)
def test_a_file_without_good_keys_is_refused_and_says_no_key(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=reason) as caught:
        read_keys(path)

    assert not any(word in str(caught.value) for word in (FIRST, "short", "blank", "umlaut"))


def test_a_missing_file_is_refused_with_the_systems_reason(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file or directory"):
        read_keys(tmp_path / "keys")


def test_the_keys_of_the_settings_and_of_the_file_are_accepted_and_no_others(file: Path) -> None:
    accepted = Keys([THIRD], file)

    assert all(accepted.accept(key.encode()) for key in (FIRST, SECOND, THIRD))
    assert not any(accepted.accept(key) for key in (b"", FIRST[:-1].encode(), f"{FIRST} ".encode(), b"\xff" * 32))


def test_a_changed_file_is_read_again(file: Path) -> None:
    accepted = Keys([], file)

    replace(file, f"{THIRD}\n")
    accepted.refresh()

    assert accepted.accept(THIRD.encode())
    assert not accepted.accept(FIRST.encode())


@pytest.mark.parametrize("damage", ["emptied", "removed"])
def test_a_file_that_goes_bad_leaves_the_keys_and_is_told_once(
    file: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    accepted = Keys([], file)

    if damage == "emptied":
        file.write_text("")
    else:
        file.unlink()
    accepted.refresh()
    accepted.refresh()

    assert accepted.accept(FIRST.encode())
    assert accepted.accept(SECOND.encode())
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert str(file) in caplog.text
    assert FIRST not in caplog.text


def test_a_file_that_cannot_be_read_for_now_is_tried_again_at_every_look_and_told_once(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    accepted = Keys([], file)
    replace(file, f"{THIRD}\n")

    with no_files_to_open():
        accepted.refresh()
        accepted.refresh()
        assert accepted.accept(FIRST.encode())
    accepted.refresh()

    assert accepted.accept(THIRD.encode())
    assert not accepted.accept(FIRST.encode())
    assert caplog.text.count("The file can't be read: Too many open files.") == 1


def test_an_unchanged_file_is_not_read_again(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    accepted = Keys([], file)

    accepted.refresh()
    assert not caplog.records

    replace(file, f"{THIRD}\n")
    accepted.refresh()
    accepted.refresh()
    assert len(caplog.records) == 1


def test_a_file_that_only_its_rights_tell_apart_is_read_again(file: Path) -> None:
    accepted = Keys([], file)
    assert accepted.accept(FIRST.encode())

    seen = file.stat()
    with file.open("r+") as opened:
        opened.write(f"{THIRD}\n".ljust(seen.st_size, "\n"))
    file.chmod(0o600)
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    accepted.refresh()

    assert accepted.accept(THIRD.encode())
    assert not accepted.accept(FIRST.encode())


def test_a_pipe_in_the_place_of_the_file_is_refused_at_once_and_what_comes_after_it_is_read(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    accepted = Keys([], file)
    file.unlink()
    os.mkfifo(file)

    accepted.refresh()

    assert accepted.accept(FIRST.encode())
    assert "it is not a file. The keys read before stay." in caplog.text
    file.unlink()
    file.write_text(f"{THIRD}\n")
    accepted.refresh()
    assert accepted.accept(THIRD.encode())
    assert not accepted.accept(FIRST.encode())


def test_a_file_that_is_far_too_long_is_not_read_to_its_end(file: Path) -> None:
    os.truncate(file, 2**40)

    with pytest.raises(ValueError, match="larger than 1,048,576 bytes"):
        read_keys(file)
