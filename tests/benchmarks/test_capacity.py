"""docs/scaling.md says what follows from the figures that were measured."""

import json
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.capacity import TRAINING, scaling_page
from tests.conftest import REPOSITORY


def run(*arguments: str) -> str:
    command = [sys.executable, "-m", "benchmarks.capacity", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout


def test_the_tables_are_those_of_the_last_measurement() -> None:
    page = (REPOSITORY / "docs" / "scaling.md").read_text()
    results = json.loads((REPOSITORY / "benchmarks" / "serving" / "results.json").read_text())

    assert scaling_page(page, results) == page, "Run `python -m benchmarks.capacity`."


def test_the_command_writes_the_page_that_it_is_given(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    written = (REPOSITORY / "docs" / "scaling.md").read_text()
    page.write_text(re.sub(r"^\|.*\n", "", written, flags=re.MULTILINE))

    run("--page", str(page))

    assert "| a million images a second |" in page.read_text()


def test_its_help_writes_nothing() -> None:
    before = (REPOSITORY / "docs" / "scaling.md").stat()

    shown = run("--help")

    assert "--page" in shown
    assert (REPOSITORY / "docs" / "scaling.md").stat().st_mtime_ns == before.st_mtime_ns


def test_the_figures_of_training_are_those_of_its_benchmark() -> None:
    readme = (REPOSITORY / "benchmarks" / "README.md").read_text()

    assert f"**{TRAINING.streamed_rate:,} images a second**" in readme
    assert f"{TRAINING.sweep_epoch_seconds} s per epoch where one takes {TRAINING.epoch_seconds} s" in readme
