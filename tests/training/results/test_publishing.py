"""What is saved is whole."""

import re
from pathlib import Path

import pytest
import torch

from app.classifier import artifact
from app.classifier.softmax import to_inputs
from tests.training.conftest import make_split
from training.data.datasets import Dataset, digests
from training.fitting.fit import Fit
from training.fitting.recipes import Recipe
from training.results.measured import Measured
from training.results.publishing import Origin, publish

ORIGIN = Origin(Recipe(epochs=1), 0.1, "0" * 64, "python -m training fit", {"device": "cpu", "cpu": "x"})


def fitted(labels: tuple[str, ...] = ("ex", "why", "zed")) -> tuple[Measured, Dataset]:
    count = len(labels)
    data = Dataset("parts", labels, make_split(60, count), make_split(30, count, seed=1))
    fit = Fit(Recipe(epochs=1), data.train, make_split(30, count, seed=2), count, torch.device("cpu"))
    fit.finish()
    return Measured.of(fit, data, make_split(30, count, seed=2)), data


def test_a_model_of_any_names_gets_its_card_and_pictures(tmp_path: Path) -> None:
    measured, data = fitted(("Ba$$in", "水", "a\nb", "\U0001f642", "x" * 300))

    version = publish(tmp_path / "$a$_{b}", measured, data, ORIGIN)

    saved = artifact.load(tmp_path / "$a$_{b}" / artifact.FILE_NAME)
    assert (saved.version, saved.metadata.labels) == (version, data.labels)
    assert len(list((tmp_path / "$a$_{b}" / "report").iterdir())) == 5


def test_a_file_that_cannot_be_written_leaves_all_as_they_were(tmp_path: Path) -> None:
    measured, data = fitted()
    publish(tmp_path, measured, data, ORIGIN)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / "README.md").unlink()
    (tmp_path / "README.md").mkdir()  # the last but one that is replaced

    with pytest.raises(OSError, match=r"README\.md"):
        publish(tmp_path, *fitted(), ORIGIN)

    assert (tmp_path / artifact.FILE_NAME).read_bytes() == before[tmp_path / artifact.FILE_NAME]
    assert not list(tmp_path.rglob(".*"))


def test_the_model_knows_what_it_was_trained_on_and_where(tmp_path: Path) -> None:
    measured, data = fitted()

    publish(tmp_path, measured, data, ORIGIN)

    saved = artifact.load(tmp_path / artifact.FILE_NAME)
    assert saved.trained_on is not None
    assert torch.isin(digests(data.train), saved.trained_on).all()
    assert not torch.isin(digests(data.test), saved.trained_on).any()
    assert saved.metadata.machine == {"device": "cpu", "cpu": "x"}


def test_the_cards_lines_give_the_models_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured, data = fitted()
    publish(tmp_path, measured, data, ORIGIN)
    [lines] = re.findall(r"```python\n(.*?)```", (tmp_path / "README.md").read_text(), re.DOTALL)
    pixels = make_split(5, 3).pixels.view(-1, 28, 28)
    names = {"torch": torch, "pixels": pixels}

    monkeypatch.chdir(tmp_path)
    exec(lines, names)  # noqa: S102 - our own card

    expected = artifact.load(tmp_path / artifact.FILE_NAME).model.probabilities(to_inputs(pixels))
    torch.testing.assert_close(names["probabilities"], expected)
