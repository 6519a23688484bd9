"""What the README says is so."""

import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.classifier import artifact
from app.classifier.images import FORMAT_NAMES
from tests import drawings
from tests.conftest import REPOSITORY, running_server

README = (REPOSITORY / "README.md").read_text()


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def test_it_is_short() -> None:
    assert README.count("\n") <= 150


def test_every_linked_file_exists() -> None:
    targets = re.findall(r"\]\((?!http)([^)#]+)", README)

    assert [target for target in targets if not (REPOSITORY / target).exists()] == []


def test_every_line_of_the_tree_is_true_and_has_a_purpose() -> None:
    [tree] = [block for block in blocks("") if block.startswith("app/")]
    folders: list[str] = []

    for line in tree.splitlines():
        indent, name, purpose = re.fullmatch(r"( *)(\S+) +(\S.*)", line).groups()  # type: ignore[union-attr]
        folders[len(indent) // 2 :] = [name.replace("<name>", "fashion-mnist")]
        assert (REPOSITORY / Path(*folders)).exists(), line
        assert purpose


def test_the_tree_has_every_room() -> None:
    [tree] = [block for block in blocks("") if block.startswith("app/")]
    within = re.search(r"^app/.*\n((?:  .*\n)*)training/.*\n((?:  .*\n)*)", tree, re.MULTILINE)
    assert within is not None

    for package, lines, alone in (("app", within[1], r"\w+\.py"), ("training", within[2], "$^")):
        listed = set(re.findall(rf"^  (\w+(?=/)|{alone})", lines, re.MULTILINE))
        folder = REPOSITORY / package
        rooms = {path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("__")}
        modules = {path.name for path in folder.glob("*.py")} - {"__init__.py"} if package == "app" else set()
        assert listed == rooms | modules


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make ([a-z]+)", README))))
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)


def test_the_boot_is_the_one_that_the_tests_draw() -> None:
    assert (REPOSITORY / "docs" / "boot.png").read_bytes() == drawings.png()


def test_the_examples_give_the_answers_that_are_shown() -> None:
    [example] = blocks("python")
    [console] = blocks("console")
    shown = re.search(r'"label":"(.*?)","class_id":(\d+),"confidence":([\d.]+)', console)
    assert shown is not None

    with running_server(REPOSITORY / "models") as url:
        answer = httpx.post(f"{url}/predict", files={"file": (REPOSITORY / "docs" / "boot.png").read_bytes()}).json()
        printed = subprocess.run(
            [sys.executable, "-c", example.replace("http://localhost:8000", url)],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert answer["label"] == shown[1]
    assert answer["class_id"] == int(shown[2])
    assert answer["confidence"] == pytest.approx(float(shown[3]), abs=0.005)
    assert printed.split() == ["Ankle", "boot", str(answer["confidence"])]


@pytest.mark.parametrize("document", ["README.md", "SECURITY.md", "docs/your-own-classes.md"])
def test_formats_are_those_that_are_read(document: str) -> None:
    assert FORMAT_NAMES in (REPOSITORY / document).read_text()


def test_the_accuracy_is_the_models() -> None:
    evaluation = artifact.load(REPOSITORY / "models" / "fashion-mnist" / artifact.FILE_NAME).metadata.evaluation

    low, high = evaluation.accuracy_interval
    assert f"**{evaluation.accuracy}** (95 % interval {low:.4f} to {high:.4f})" in README
