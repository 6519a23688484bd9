"""The settings: what variables may hold, what is refused, and in which words."""

import os
from difflib import SequenceMatcher

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.settings import Settings, complaints, unknown_variables

KEY, OTHER = "a-key-for-the-tests", "another-key-for-the-tests"


def test_the_settings_never_show_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTMAX_API_KEYS", f"{KEY},{OTHER}")

    settings = Settings()

    assert KEY not in repr(settings)
    assert KEY not in settings.model_dump_json()


def test_a_short_key_is_refused_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTMAX_API_KEYS", f"{KEY},guessable")

    with pytest.raises(ValidationError, match="Key 2 is not 16 or more") as caught:
        Settings()

    assert "guessable" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "reach"),
    [
        ("127.0.0.1", "this machine"),
        ("127.8.8.8", "this machine"),
        ("::1", "this machine"),
        ("localhost", "this machine"),
        ("0.0.0.0", "all"),  # noqa: S104 - what must be refused
        ("::", "all"),
        ("10.0.0.7", "all"),
        ("example.org", "all"),
        ("", "this machine"),  # an empty variable counts as unset
    ],
)
def test_an_address_beyond_loopback_is_open_to_all_unless_there_are_keys(
    host: str, reach: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFTMAX_HOST", host)

    assert Settings().is_open_to_all is (reach == "all")
    assert not Settings(allow_anonymous=True).is_open_to_all
    monkeypatch.setenv("SOFTMAX_API_KEYS", KEY)
    assert not Settings().is_open_to_all


@pytest.mark.parametrize(
    "origin", ["https://pages.example/", "https://pages.example/path", "pages.example", "https://"]
)
def test_what_is_no_origin_ends_the_start(origin: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        Settings(cors_origins=(origin,))


@pytest.mark.parametrize("keys", ["0123456789abcdef-alice", "alice:short", ":0123456789abcdef", "a b:0123456789abcdef"])
def test_admin_keys_have_a_name_and_are_long_and_never_repeated(keys: str) -> None:
    with pytest.raises(ValueError, match=r"Write each as NAME:KEY|16 or more visible") as raised:
        Settings.model_validate({"admin_keys": keys})

    assert "0123456789abcdef" not in str(raised.value)


def complaints_of(**environment: str) -> list[str]:
    """What is wrong where these variables are set."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(f"SOFTMAX_{name}", value)
        with pytest.raises(ValidationError) as caught:
            Settings()
    return complaints(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("PORT", "70000", "=70000: Input should be less than or equal to 65535."),
        ("MAX_HEADER_BYTES", "0", "=0: Input should be greater than 0."),
        ("MAX_IMAGE_BYTES", "1 bite", "=1 bite: could not interpret byte unit: bite."),
        ("IDLE_SECONDS", "inf", "=inf: Input should be a finite number."),
        ("RECORD", "pixels", "=pixels: Input should be 'labels', 'answers' or 'images'."),
        ("MODELS_DIR", os.fsdecode(b"\xff"), "=\udcff: It is not UTF-8."),
        ("HOST", os.fsdecode(b"\xff"), "=\udcff: It is not UTF-8."),
        ("API_KEYS", ",", ": There is no key in it; unset it to let everybody ask."),
        ("CORS_ORIGINS", "*,pages.example", "'pages.example' is no origin"),
        ("ROOT_PATH", "garments", "=garments: String should match pattern"),
    ],
)
def test_what_is_refused_is_named_with_its_reason(name: str, value: str, complaint: str) -> None:
    [line] = complaints_of(**{name: value})

    assert line.startswith(f"SOFTMAX_{name}")
    assert complaint in line


def test_all_that_is_wrong_is_said_at_once_a_line_each() -> None:
    assert [line.partition(":")[0] for line in complaints_of(PORT="none", WORKERS="0", LOG_FORMAT="xml")] == [
        "SOFTMAX_PORT=none",
        "SOFTMAX_WORKERS=0",
        "SOFTMAX_LOG_FORMAT=xml",
    ]


@given(
    st.sampled_from(["API_KEYS", "ADMIN_KEYS"]),
    st.lists(st.text("aB3é: .-_{}'%", min_size=4, max_size=15), min_size=1),
)
def test_a_complaint_never_repeats_a_key(name: str, keys: list[str]) -> None:
    hard_to_guess = [f"{key.strip()}§{number}" for number, key in enumerate(keys)]  # no word of any complaint

    lines = complaints_of(**{name: ",".join(hard_to_guess)})

    assert lines
    assert not any(key in line for key in hard_to_guess for line in lines)


@pytest.mark.parametrize(
    ("value", "size"), [("1000", 1000), ("1MiB", 2**20), ("1 MB", 10**6), ("64kib", 2**16), ("0.5KiB", 512)]
)
def test_a_size_may_have_a_unit(value: str, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTMAX_MAX_BATCH_BYTES", value)

    assert Settings().max_batch_bytes == size


@pytest.mark.parametrize(
    ("value", "hosts"), [("a.example", ("a.example",)), (" a , b ,,", ("a", "b")), (",", ()), ("", ())]
)
def test_lists_are_comma_separated(value: str, hosts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOFTMAX_ALLOWED_HOSTS", value)

    assert Settings().allowed_hosts == hosts


def test_a_file_of_keys_that_cannot_be_read_is_refused_by_name() -> None:
    [line] = complaints_of(API_KEYS_FILE="/none/keys")

    assert line.startswith("SOFTMAX_API_KEYS_FILE=/none/keys: ")


KNOWN = sorted(f"SOFTMAX_{name.upper()}" for name in Settings.model_fields)


@pytest.mark.parametrize("names", [[], KNOWN, ["PATH", "softmax_port", "MY_SOFTMAX_PORT"]])
def test_settings_and_the_variables_of_others_are_known(names: list[str]) -> None:
    assert unknown_variables(names) == []


def test_unknown_settings_are_named_in_order_those_that_are_near_one_with_it() -> None:
    assert unknown_variables(["PATH", "SOFTMAX_ZZZ", "SOFTMAX_PORT", "SOFTMAX_WORKRES", "SOFTMAX_"]) == [
        "SOFTMAX_: there is no such setting.",
        "SOFTMAX_WORKRES: there is no such setting. Did you mean SOFTMAX_WORKERS?",
        "SOFTMAX_ZZZ: there is no such setting.",
    ]


@given(st.sampled_from(KNOWN), st.data())
def test_a_setting_with_a_slip_of_the_pen_is_refused_and_the_nearest_named(name: str, data: st.DataObject) -> None:
    start = len("SOFTMAX_")
    place = data.draw(st.integers(start, len(name) - 1))
    slips = (
        name[:place] + name[place + 1 :],
        name[:place] + name[place] + name[place:],
        name[:place] + "X" + name[place + 1 :],
        name[:place] + name[place + 1 : place + 2] + name[place] + name[place + 2 :],
    )
    wrong = data.draw(st.sampled_from(slips))
    assume(wrong not in KNOWN)

    [line] = unknown_variables([*KNOWN, wrong])

    refused, _, hint = line.partition(": there is no such setting. Did you mean ")
    assert (refused, hint[-1:]) == (wrong, "?")
    assert likeness(hint[:-1], wrong) >= likeness(name, wrong)
    assert hint[:-1] in KNOWN


def likeness(known: str, name: str) -> float:
    return SequenceMatcher(None, known.removeprefix("SOFTMAX_"), name.removeprefix("SOFTMAX_")).ratio()
