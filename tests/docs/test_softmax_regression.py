"""docs/softmax-regression.md quotes lines that are really in the code, and what it lets run runs."""

import re
from textwrap import indent

import pytest

from tests.conftest import REPOSITORY

LESSON = (REPOSITORY / "docs" / "softmax-regression.md").read_text()
# A block of code, and the file that the text before it names; none where the block is the reader's own.
QUOTES = re.findall(r"(?:\]\(\.\./([\w/]+\.py)\)[^`]*)?^```python\n(.*?)^```$", LESSON, re.MULTILINE | re.DOTALL)


def test_it_is_a_page_to_read() -> None:
    assert LESSON.count("\n") <= 100


def test_every_step_shows_its_lines() -> None:
    assert [path for path, _ in QUOTES if path] == [
        "app/classifier/softmax.py",
        "app/classifier/softmax.py",
        "training/fitting/scores.py",
        "training/fitting/sgd.py",
        "training/fitting/sgd.py",
        "training/results/evaluation.py",
    ]


@pytest.mark.parametrize(("path", "lines"), [quote for quote in QUOTES if quote[0]])
def test_what_it_quotes_stands_in_the_code(path: str, lines: str) -> None:
    code = (REPOSITORY / path).read_text()

    assert any(indent(lines, " " * depth) in code for depth in (0, 4, 8, 12))


def test_what_is_to_be_run_runs() -> None:
    [example] = [lines for path, lines in QUOTES if not path]

    assert "assert" in example
    exec(example, {})  # noqa: S102 - the document's own


def test_its_pictures_and_links_are_there() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)", LESSON)

    assert [target for target in targets if not (REPOSITORY / "docs" / target).exists()] == []
