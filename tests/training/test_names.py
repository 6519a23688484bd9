"""Names are any text, and are read as what they are."""

import html
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from training.names import apart, at_home, in_markdown, in_shell, shortened, visible

ODD = [
    "Ba$$in",
    "a|b",
    "*x*",
    "_x_",
    "<b>",
    ":smile:",
    "a\nb",
    " a ",
    "[x](y)",
    "back\\",
    "`c`",
    "水",
    "#1",
    "null",
    "é",
]


@pytest.mark.parametrize("name", ODD)
def test_a_browser_shows_a_name_in_a_card_as_it_is(name: str) -> None:
    written = in_markdown(name)

    assert html.unescape(written) == name
    assert not set(written.replace("&#", "").replace(";", "")) & set("|*_<>$`[]:\n\\#")


def test_a_usual_name_stays_readable_in_the_source_of_a_card() -> None:
    assert in_markdown("T-shirt/top") == "T-shirt/top"
    assert in_markdown("7") == "7"


def test_what_a_terminal_would_obey_is_shown() -> None:
    assert visible("a\x1b[31m\n\u202eb\udcff") == "a\\x1b[31m\\n\\u202eb\\udcff"
    assert visible("水 é 👩‍🔧") == "水 é 👩‍🔧"


def test_names_that_look_alike_get_their_numbers() -> None:
    assert apart(["\xe9", "e\u0301", "x"]) == ["\xe9 ('\\xe9')", "e\u0301 ('e\\u0301')", "x"]


def test_the_home_of_a_user_who_is_not_there_stays_as_a_shell_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")

    assert at_home(Path("~/data")) == Path("/home/me/data")
    assert at_home(Path("~nobody-of-this-name/data")) == Path("~nobody-of-this-name/data")


def test_a_long_name_ends_in_dots() -> None:
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_a_shell_reads_the_arguments_that_were_given(arguments: list[str]) -> None:
    command = in_shell(arguments)

    if "$'" not in command:
        assert shlex.split(command) == arguments
    assert not set(command) & set(map(chr, range(32)))


def test_a_shell_reads_what_is_not_utf8() -> None:
    arguments = ["fit", "\udcffdata'", "a\nb", "c\\d"]

    found = subprocess.run(
        ["/bin/bash", "-c", f"printf '%s\\0' {in_shell(arguments)}"], capture_output=True, check=True
    )

    assert found.stdout.split(b"\0")[:-1] == [one.encode(errors="surrogateescape") for one in arguments]


@pytest.mark.parametrize("name", ODD)
def test_yaml_keeps_a_name(name: str) -> None:
    assert yaml.safe_load(yaml.safe_dump({"name": name}, allow_unicode=True)) == {"name": name}
