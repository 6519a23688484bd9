"""Files that others put in place: nothing that stands there can make their reader wait, or read for ever."""

import os
import socket
from pathlib import Path

import pytest

from app.regular_files import IrregularFileError, read_regular_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


@pytest.mark.parametrize("content", [b"", b"x", bytes(100)])
def test_a_file_within_the_limit_is_read(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    assert read_regular_file(path, 100) == content


def test_links_are_followed(path: Path) -> None:
    path.write_bytes(b"content")
    link = path.with_name("link")
    link.symlink_to(path)

    assert read_regular_file(link, 100) == b"content"


def test_a_larger_file_is_refused(path: Path) -> None:
    path.write_bytes(bytes(101))

    with pytest.raises(IrregularFileError, match="it is larger than 100 bytes"):
        read_regular_file(path, 100)


def test_a_file_that_says_it_is_empty_is_read_up_to_the_limit() -> None:
    with pytest.raises(IrregularFileError, match="it is larger than 100 bytes"):
        read_regular_file(Path("/proc/cpuinfo"), 100)


def test_a_pipe_that_nobody_writes_to_is_refused_at_once(path: Path) -> None:
    os.mkfifo(path)

    with pytest.raises(IrregularFileError, match="it is not a file"):
        read_regular_file(path, 100)


def test_a_pipe_that_somebody_writes_to_is_refused(path: Path) -> None:
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    os.write(writer, b"content")

    with pytest.raises(IrregularFileError, match="it is not a file"):
        read_regular_file(path, 100)

    os.close(writer)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/ptmx"])
def test_a_device_is_refused(device: str) -> None:
    with pytest.raises(IrregularFileError, match="it is not a file"):
        read_regular_file(Path(device), 100)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IrregularFileError, match="it is not a file"):
        read_regular_file(tmp_path, 100)


def test_what_can_not_be_opened_is_an_operating_systems_error(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular_file(path, 100)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        with pytest.raises(OSError, match="No such device"):
            read_regular_file(path, 100)


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    before = open_descriptors()

    for place in (tmp_path, pipe, Path("/dev/zero"), Path("/proc/cpuinfo")):
        with pytest.raises(IrregularFileError):
            read_regular_file(place, 10)

    assert open_descriptors() == before
