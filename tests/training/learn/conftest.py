"""A model that serves, and real records of what it answered and what people told."""

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch

from app.classifier import artifact
from app.records.answer import Answer, ChallengerAnswer
from app.records.records import Records
from app.serving.answer_ids import new_answer_id
from app.serving.live_model import LiveModel
from benchmarks.loop.images import drawn
from tests.app.records.conftest import Clock, label
from tests.training.conftest import CommandLine, write_fashion_mnist
from training.data.catalog import DataOptions, load_dataset
from training.data.splits import Split, split_off
from training.fitting.fit import Fit
from training.fitting.recipes import Recipe
from training.results.measured import Measured
from training.results.publishing import Origin, publish

NAME = "fashion-mnist"
Learn = Callable[..., dict[str, Any]]


@pytest.fixture(scope="package")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set, and a model that was fitted to it."""
    folder = tmp_path_factory.mktemp("fitted")
    write_fashion_mnist(folder / "data", drawn(2000, 0), drawn(1000, 1))
    recipe = Recipe(epochs=6)
    data = load_dataset(DataOptions("fashion-mnist", folder / "data", None))
    train, validation = split_off(data.train, 0.05, data.labels)
    fit = Fit(recipe, train, validation, 10, torch.device("cpu"))
    fit.finish()
    place = folder / "models" / NAME
    publish(place, Measured.of(fit, data, validation), data, Origin(recipe, 0.05, data.fingerprint(), "fit"))
    return folder


@pytest.fixture
def models(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder of one's own, with that model."""
    folder = tmp_path / "models"
    monkeypatch.setenv("SOFTMAX_MODELS_DIR", str(folder))
    shutil.copytree(fitted / "models", folder)
    return folder


@pytest.fixture
def learn(training: CommandLine, fitted: Path, models: Path) -> Learn:
    """`python -m training learn` with a window of 300; the look that it tells of."""

    def learn(*options: str) -> dict[str, Any]:
        data = ("--data-dir", fitted / "data", "--window", "300")
        done = training("learn", NAME, *data, "--json", *options)
        assert done.exit_code == 0, done.stderr
        assert models.exists()
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return learn


class Recorder:
    """Records what the champion answers, the latest last, and what sources tell of it."""

    def __init__(self, models: Path, url: str) -> None:
        self._model = models / NAME / artifact.FILE_NAME
        self._url = url
        self.clock = Clock()

    def __call__(self, told: Split, source: str = "returns") -> None:
        champion = LiveModel(NAME, artifact.load(self._model))
        images = [bytes(row.tolist()) for row in told.pixels]
        rows, _ = champion.rows(images)
        answers = [Answer(new_answer_id(), row.index(max(row)), max(row), row) for row in rows]
        answers = self._beside(answers, images)
        labels = champion.metadata.labels
        with closing(Records(self._url, "images", clock=self.clock)) as records:
            for answer, image in zip(answers, images, strict=True):
                self.clock.now += 1
                records.answered(champion, [answer], [image], checked=True)
            records.writer.write()
            records.tell(
                [
                    label(answer.id, labels[class_id], source, self.clock.now)
                    for answer, class_id in zip(answers, told.class_ids.tolist(), strict=True)
                ],
                labels,
            )

    def _beside(self, answers: list[Answer], images: list[bytes]) -> list[Answer]:
        """The same with what the challenger would have answered, if there is one."""
        place = self._model.parent / "challenger" / artifact.FILE_NAME
        if not place.exists():
            return answers
        challenger = LiveModel(NAME, artifact.load(place))
        others = [
            ChallengerAnswer(challenger.version, row, "unusual" if is_unusual else None)
            for row, is_unusual in zip(*challenger.rows(images), strict=True)
        ]
        return [answer._replace(challenger=other) for answer, other in zip(answers, others, strict=True)]


@pytest.fixture
def record(models: Path, records_url: str) -> Recorder:
    return Recorder(models, records_url)
