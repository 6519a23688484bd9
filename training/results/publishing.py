"""A finished fit as a model folder: the model file, the report and the card."""

import errno
import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import safetensors
import torch
from PIL import Image, UnidentifiedImageError

from app.classifier import artifact
from app.classifier.metadata import Learned, Metadata
from training.data.datasets import Dataset, digests
from training.errors import TrainingError
from training.fitting import checkpoints
from training.fitting.recipes import Recipe
from training.results import card
from training.results.measured import Measured
from training.results.report import MISTAKES, PICTURES, WRITER, render_report

__all__ = ["CHALLENGER", "Origin", "claim", "model_name", "publish"]

CHALLENGER = "challenger"  # folder in a model's folder, of the one that is to prove itself
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
    artifact.replace_files(
        {folder / "report" / name: picture for name, picture in report.items()}
        | {folder / card.FILE_NAME: text.encode(errors="backslashreplace")}
        | {folder / artifact.FILE_NAME: content}
    )
    return artifact.version_of(content)


def model_name(folder: Path) -> str:
    """The folder's name; a challenger has that of the model it challenges."""
    place = folder.resolve()
    return place.parent.name if place.name == CHALLENGER else place.name


def claim(folder: Path) -> None:
    """Make sure that publishing into this folder would replace nothing but our own files.

    Raises:
        TrainingError: there is a file of someone else in its place.
        OSError: the folder can't be made or written.
    """
    there = next(place for place in (folder.resolve(), *folder.resolve().parents) if place.exists())
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    if not os.access(there, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(there))
    has_model = _mentions(folder / artifact.FILE_NAME, "softmax_serving")
    foreign = [folder / "report"] if (folder / "report").exists() and not (folder / "report").is_dir() else []
    if (folder / artifact.FILE_NAME).exists() and not has_model:
        foreign.append(folder / artifact.FILE_NAME)
    if (folder / card.FILE_NAME).exists() and not _is_card(folder / card.FILE_NAME):
        foreign.append(folder / card.FILE_NAME)
    checkpoint = folder / checkpoints.FILE_NAME
    if checkpoint.exists() and not _mentions(checkpoint, "purpose"):
        foreign.append(checkpoint)
    pictures = [folder / "report" / name for name in (*PICTURES, MISTAKES)]
    foreign += [picture for picture in pictures if picture.exists() and not (has_model or _is_picture(picture))]
    if foreign:
        raise TrainingError(
            f"{foreign[0]} was not written by a fit and would be replaced; choose another folder with --out, or "
            "move the file away."
        )


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


def _mentions(path: Path, key: str) -> bool:
    """Whether a file is one of safetensors whose metadata have a key."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return key in (file.metadata() or {})
    except (safetensors.SafetensorError, OSError):
        return False


def _is_card(path: Path) -> bool:
    if not path.is_file():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return text.startswith("---\n") and card.MARK in text.partition("\n---\n")[0]


def _is_picture(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return picture.info.get("Software") == WRITER
    except (OSError, UnidentifiedImageError):
        return False
