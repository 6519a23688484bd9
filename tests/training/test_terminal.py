"""Lines, tables and JSON."""

import json

import pytest

from training.terminal import note, print_json, show_rows


def test_names_are_neither_markup_nor_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    show_rows(("class",), [["[b]x"], [":smile:"], ["a\x1b[31mb\n"]])
    note("[red]:smile: a\nb")

    captured = capsys.readouterr()
    assert [name in captured.out for name in ("[b]x", ":smile:", "a\\x1b[31mb\\n")] == [True] * 3
    assert captured.err == "[red]:smile: a\\nb\n"


def test_json_has_null_for_what_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    print_json("x", {"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": (float("-inf"),)}})

    assert json.loads(capsys.readouterr().out) == {"event": "x", "a": None, "b": [None, 1.5], "c": {"d": [None]}}
