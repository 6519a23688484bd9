"""What the terminal shows."""

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


def test_of_very_many_classes_the_most_frequent_confusions_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    count = 300
    matrix = [[10 if row == column else 0 for column in range(count)] for row in range(count)]
    for number in range(30):
        matrix[number][number + 1] = number + 1
    evaluation = evaluation_of(count).model_copy(update={"confusion_matrix": matrix})

    display.show_evaluation(evaluation, 0, as_json=False)

    shown, said = capsys.readouterr()
    assert "20 of 30 confusions" in shown
    assert said == "The whole confusion matrix, of 300 classes, is in what --json prints.\n"
    pairs = re.findall(r"│ (\d+) class \d+ +│ (\d+) class \d+ +│ (\d+) +│", shown)
    assert [tuple(map(int, pair)) for pair in pairs] == [(n, n + 1, n + 1) for n in range(29, 9, -1)]


def test_the_confusion_matrix_is_whole_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = evaluation_of(47)

    display.show_evaluation(evaluation, 0, as_json=False)

    [row] = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("│ 7 class 7") and "0.9" not in line
    ]
    assert row.count("│") == 49
