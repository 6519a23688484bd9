"""A finished fit as a model folder: the model file, the report and the card."""

import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import torch

from app.classifier import artifact
from app.classifier.conformal import ConformalScores
from app.classifier.metadata import Evaluation, Metadata
from app.classifier.pixel_statistics import PixelStatistics
from app.classifier.softmax import SoftmaxRegression
from training.data.datasets import Dataset
from training.fitting.recipes import Recipe
from training.fitting.scores import EpochScores
from training.results.card import write_card
from training.results.report import write_report

__all__ = ["publish"]


def publish(
    folder: Path,
    model: SoftmaxRegression,
    *,
    dataset: Dataset,
    recipe: Recipe,
    validation: float,
    history: Sequence[EpochScores],
    evaluation: Evaluation,
    pixel_statistics: PixelStatistics,
    conformal: ConformalScores | None,
    seed_accuracies: tuple[float, ...],
    fingerprint: str,
    command: str,
    device: str,
) -> str:
    """Write `folder` and return the model's version.

    Raises:
        OSError: something can't be written; an existing model file stays whole.
    """
    hyperparameters = asdict(recipe) | {"validation": validation}
    metadata = Metadata(
        name=folder.resolve().name,
        labels=dataset.labels,
        dataset=dataset.name,
        dataset_fingerprint=fingerprint,
        seed=hyperparameters.pop("seed"),
        hyperparameters={key: value for key, value in hyperparameters.items() if value is not None},
        library_versions={
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "torchvision": importlib.metadata.version("torchvision"),
        },
        created_at=datetime.now(UTC),
        evaluation=evaluation,
        seed_accuracies=seed_accuracies,
    )
    version = artifact.save(folder / artifact.FILE_NAME, model, metadata, pixel_statistics, conformal)
    write_report(folder / "report", model, history, evaluation, dataset.test)
    write_card(folder, metadata, command=command, device=device, seconds=sum(scores.seconds for scores in history))
    return version
