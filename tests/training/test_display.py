"""What the terminal shows."""

import json
import re

import pytest

from app.classifier.metadata import Evaluation
from tests.conftest import make_metadata
from training import display


def evaluation_of(class_count: int) -> Evaluation:
    found = make_metadata(labels=tuple(f"class {number}" for number in range(class_count))).evaluation
    return found.model_copy(update={"top_2_accuracy": 0.95})


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_confusion_matrix_is_whole_on_any_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    count = 47
    evaluation = evaluation_of(count)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")

    display.show_evaluation(evaluation, 0, as_json=False)

    lines = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).splitlines()
    matrix = [line for line in lines if re.match(r"│ \d+ class", line)]
    numbers = [int(number) for line in matrix for number in re.findall(r"│ (\d+) +(?=│)", line)]
    assert len(numbers) == count * count
    assert sum(numbers) == 10 * count
    assert max(map(len, matrix)) <= width


def test_the_confusion_matrix_is_whole_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = evaluation_of(47)

    display.show_evaluation(evaluation, 0, as_json=False)

    [row] = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("│ 7 class 7") and "0.9" not in line
    ]
    assert row.count("│") == 49


def test_names_are_neither_markup_nor_emoji(capsys: pytest.CaptureFixture[str]) -> None:
    display.show_rows(("class",), [["[b]x"], [":smile:"], ["a\x1b[31mb\n"]])
    display.note("[red]:smile: a\nb")

    captured = capsys.readouterr()
    assert [name in captured.out for name in ("[b]x", ":smile:", "a\\x1b[31mb\\n")] == [True] * 3
    assert captured.err == "[red]:smile: a\\nb\n"


def test_json_has_null_for_what_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    display.print_json("x", {"a": float("nan"), "b": [float("inf"), 1.5], "c": {"d": (float("-inf"),)}})

    assert json.loads(capsys.readouterr().out) == {"event": "x", "a": None, "b": [None, 1.5], "c": {"d": [None]}}
