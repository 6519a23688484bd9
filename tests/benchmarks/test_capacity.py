"""docs/scaling.md says what follows from the figures that were measured."""

import json

from benchmarks.capacity import TRAINING, scaling_page
from tests.conftest import REPOSITORY


def test_the_tables_are_those_of_the_last_measurement() -> None:
    page = (REPOSITORY / "docs" / "scaling.md").read_text()
    results = json.loads((REPOSITORY / "benchmarks" / "serving" / "results.json").read_text())

    assert scaling_page(page, results) == page, "Run `python -m benchmarks.capacity`."


def test_the_figures_of_training_are_those_of_its_benchmark() -> None:
    readme = (REPOSITORY / "benchmarks" / "README.md").read_text()

    assert f"**{TRAINING.streamed_rate:,} images a second**" in readme
    assert f"{TRAINING.sweep_epoch_seconds} s per epoch where one takes {TRAINING.epoch_seconds} s" in readme
