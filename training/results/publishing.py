"""A finished fit as a model folder: the model file, the report and the card."""

import importlib.metadata
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import torch

from app.classifier import artifact
from app.classifier.metadata import Learned, Metadata
from app.classifier.model_file import version_of
from training.data.datasets import Dataset, digests
from training.fitting.recipes import Recipe
from training.interruptions import held_back
from training.results import card
from training.results.measured import Measured
from training.results.model_folder import model_name
from training.results.report import render_report

__all__ = ["Origin", "publish"]

_MOST_KNOWN = 1_000_000  # training images that a model file knows each of: 8 MB


@dataclass(frozen=True, slots=True)
class Origin:
    """How a model was made."""

    recipe: Recipe
    validation: float  # share of the training data
    fingerprint: str  # of the data
    command: str  # what makes the model again
    machine: Mapping[str, str] = field(default_factory=dict)
    seed_accuracies: tuple[float, ...] = ()
    license: str | None = None
    created_at: datetime | None = None  # None: now
    learned: Learned | None = None


def publish(folder: Path, measured: Measured, data: Dataset, origin: Origin) -> str:
    """Write `folder` and return the model's version.

    All files are made before the first is replaced; the model file comes last, so that a new one has its card.

    Raises:
        OSError: something can't be written; existing files stay whole.
    """
    metadata = _metadata(model_name(folder), measured, data, origin)
    known = digests(data.train) if len(data.train) <= _MOST_KNOWN else None
    content = artifact.serialize(measured.model, metadata, measured.pixel_statistics, measured.conformal, known)
    report = render_report(measured.model, measured.history, measured.evaluation, data.test, measured.logits)
    text = card.render_card(metadata, data, command=origin.command, seconds=measured.seconds)
    (folder / "report").mkdir(parents=True, exist_ok=True)
    with held_back():
        artifact.replace_files(
            {folder / "report" / name: picture for name, picture in report.items()}
            | {folder / card.FILE_NAME: text.encode(errors="backslashreplace")}
            | {folder / artifact.FILE_NAME: content}
        )
    return version_of(content)


def _metadata(name: str, measured: Measured, data: Dataset, origin: Origin) -> Metadata:
    hyperparameters = asdict(origin.recipe) | {"validation": origin.validation}
    return Metadata(
        name=name,
        labels=data.labels,
        preparation=data.preparation,
        dataset=data.name,
        dataset_fingerprint=origin.fingerprint,
        seed=hyperparameters.pop("seed"),
        hyperparameters={key: value for key, value in hyperparameters.items() if value is not None},
        library_versions={
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "torchvision": importlib.metadata.version("torchvision"),
        },
        machine=dict(origin.machine),
        created_at=origin.created_at or datetime.now(UTC),
        license=origin.license,
        evaluation=measured.evaluation,
        seed_accuracies=origin.seed_accuracies,
        learned=origin.learned,
    )
