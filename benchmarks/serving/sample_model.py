"""A made-up model for machines on which none has been trained: the same work, arbitrary answers."""

from datetime import UTC, datetime
from pathlib import Path

import torch

from app.classifier import artifact
from app.classifier.metadata import ClassScores, Evaluation, Metadata
from app.classifier.softmax import PIXELS, SoftmaxRegression

__all__ = ["save_sample_model"]

_LABELS = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def save_sample_model(folder: Path) -> Path:
    """Save softmax regression with random weights under `folder`.

    Returns:
        The model file, `<folder>/models/fashion-mnist/model.safetensors`.
    """
    generator = torch.Generator().manual_seed(0)
    model = SoftmaxRegression(torch.randn(len(_LABELS), PIXELS, generator=generator) / 28, torch.zeros(len(_LABELS)))
    path = folder / "models" / "fashion-mnist" / artifact.FILE_NAME
    artifact.save(path, model, _metadata())
    return path


def _metadata() -> Metadata:
    count = len(_LABELS)
    evaluation = Evaluation(
        sample_count=count,
        accuracy=1 / count,
        accuracy_interval=(0, 1),
        loss=1,
        calibration_error=0,
        classes=tuple(ClassScores(label=label, precision=0, recall=0, f1=0, sample_count=1) for label in _LABELS),
        confusion_matrix=tuple(tuple(int(column == 0) for column in range(count)) for _ in range(count)),
    )
    return Metadata(
        name="fashion-mnist",
        labels=_LABELS,
        dataset="none",
        dataset_fingerprint="none",
        hyperparameters={},
        seed=0,
        library_versions={"torch": torch.__version__},
        created_at=datetime.now(UTC),
        evaluation=evaluation,
    )
