"""On Fashion-MNIST: stray light costs the model half of its accuracy, and 2,000 labels bring it back."""

from pathlib import Path

import pytest

from app.classifier import artifact
from app.classifier.artifact import FILE_NAME
from app.classifier.softmax import SoftmaxRegression
from benchmarks.loop.images import fashion, lit
from tests.conftest import REPOSITORY
from tests.training.conftest import CommandLine, write_fashion_mnist
from tests.training.learn.conftest import NAME, Recorder
from training.data.splits import Split
from training.results.evaluation import logits_of

pytestmark = pytest.mark.slow

KNOWN = 50_000  # training images; the others are asked about


def accuracy(model: SoftmaxRegression, images: Split) -> float:
    return (logits_of(model, images).argmax(dim=1) == images.class_ids).double().mean().item()


def part(split: Split, start: int, end: int) -> Split:
    return Split(split.pixels[start:end], split.class_ids[start:end])


def test_with_2000_labels_half_of_what_was_lost_comes_back_and_the_old_test_set_stays(
    training: CommandLine, tmp_path: Path, records_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = fashion(REPOSITORY / "data")
    if found is None:
        pytest.skip("Fashion-MNIST is not in data/: `make train` fetches it.")
    train, test, _ = found
    models = tmp_path / "models"
    data = ("--data-dir", write_fashion_mnist(tmp_path / "data", part(train, 0, KNOWN), test))
    monkeypatch.setenv("SOFTMAX_MODELS_DIR", str(models))
    assert training("fit", *data, "--epochs", "8", "--out", models / NAME).exit_code == 0
    before = artifact.load(models / NAME / FILE_NAME)

    Recorder(models, records_url)(lit(part(train, KNOWN, KNOWN + 2000)))
    done = training("learn", NAME, *data)

    assert done.exit_code == 0, done.stderr
    after = artifact.load(models / NAME / "challenger" / FILE_NAME)
    unseen = part(train, KNOWN + 2000, 60_000)
    usual, fallen = accuracy(before.model, unseen), accuracy(before.model, lit(unseen))
    regained = accuracy(after.model, lit(unseen))
    assert usual - fallen > 0.2
    assert regained - fallen >= (usual - fallen) / 2
    assert after.metadata.evaluation.accuracy >= before.metadata.evaluation.accuracy - 0.005
    assert artifact.load(models / NAME / FILE_NAME).version == before.version
