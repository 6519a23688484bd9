"""The data sets that torchvision knows in MNIST's format: downloaded once, each download's MD5 checked."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.classifier.softmax import PIXELS, SIDE
from training.data.datasets import Dataset
from training.data.splits import Split
from training.errors import DataError

__all__ = ["FAMILY", "load_mnist"]

_DIGITS = tuple("0123456789")
_KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
_GARMENTS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


@dataclass(frozen=True, slots=True)
class _Member:
    type_name: str  # of torchvision's class
    summary: str
    split: str | None = None  # of EMNIST
    labels: tuple[str, ...] | None = None  # None: those that torchvision knows
    transposed: bool = False
    first_class: int = 0  # torchvision's number of our class 0


def _emnist(split: str, summary: str, first_class: int = 0) -> _Member:
    # EMNIST's files keep each image column by column (Cohen et al. 2017, section II).
    return _Member("EMNIST", summary, split, transposed=True, first_class=first_class)


FAMILY = {
    "fashion-mnist": _Member("FashionMNIST", "10 kinds of garments, 60,000 + 10,000 images", labels=_GARMENTS),
    "mnist": _Member("MNIST", "handwritten digits, 60,000 + 10,000 images", labels=_DIGITS),
    "kmnist": _Member("KMNIST", "10 cursive Japanese characters, 60,000 + 10,000 images", labels=_KANA),
    "qmnist": _Member("QMNIST", "MNIST with its whole test set, 60,000 + 60,000 images", labels=_DIGITS),
    "emnist-byclass": _emnist("byclass", "digits, upper- and lower-case letters, 697,932 + 116,323 images"),
    "emnist-bymerge": _emnist("bymerge", "the same, look-alike cases merged into 47 classes"),
    "emnist-balanced": _emnist("balanced", "47 classes, equally frequent, 112,800 + 18,800 images"),
    "emnist-letters": _emnist("letters", "26 letters, cases merged, 124,800 + 20,800 images", first_class=1),
    "emnist-digits": _emnist("digits", "digits, 240,000 + 40,000 images"),
    "emnist-mnist": _emnist("mnist", "digits in MNIST's number, 60,000 + 10,000 images"),
}


def load_mnist(name: str, folder: Path) -> Dataset:
    """Read one of FAMILY, downloading into `folder` what is not there yet.

    Raises:
        DataError: its files are neither there nor to be had, or they are damaged.
    """
    member = FAMILY[name]
    unpacked = _unpacked(name, member, folder / member.type_name / "raw")
    if unpacked:
        return unpacked
    try:
        train, test = (_open(member, folder, train=train) for train in (True, False))
    except ModuleNotFoundError:
        raise  # torchvision is missing
    except Exception as error:  # torchvision raises whatever its parsers, archives and the network raise
        raw = folder / member.type_name / "raw"
        reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
        raise DataError(
            f"{name} can't be read from {raw} or downloaded there ({reason}); on a machine with a network, run "
            f"`python -m training fit --dataset {name} --data-dir {folder}` and copy {raw} from there, or delete "
            "damaged files in it."
        ) from error
    labels = member.labels or tuple(train.classes[member.first_class :])
    for part in (train, test):
        if part.data.shape != (len(part.targets), SIDE, SIDE):
            raise DataError(
                f"{name}'s files in {folder / member.type_name / 'raw'} are not of one data set: images "
                f"{list(part.data.shape)}, {len(part.targets)} labels."
            )
    return Dataset(name, labels, _split(member, train.data, train.targets), _split(member, test.data, test.targets))


def _unpacked(name: str, member: _Member, raw: Path) -> Dataset | None:
    """The plainest case, without torchvision, whose import takes longer than all else: files that it has unpacked."""
    if member.labels is None or member.split is not None or member.type_name == "QMNIST":
        return None
    kinds = ("images-idx3", "labels-idx1")
    parts = [[_idx(raw / f"{part}-{kind}-ubyte") for kind in kinds] for part in ("train", "t10k")]
    splits = [
        Split(images.view(-1, PIXELS), labels.long())
        for images, labels in parts
        if images is not None and labels is not None and images.shape == (len(labels), SIDE, SIDE)
    ]
    return Dataset(name, member.labels, splits[0], splits[1]) if len(splits) == 2 else None


def _idx(path: Path) -> Tensor | None:
    """A whole uint8 file in MNIST's format: 0, 0, 8, dimensions, their sizes, the bytes; None: it is not one."""
    content = path.read_bytes() if path.is_file() else b""
    dimensions = content[3] if content[:3] == b"\x00\x00\x08" and len(content) > 3 else 0
    sizes = [int.from_bytes(content[4 + 4 * number : 8 + 4 * number], "big") for number in range(dimensions)]
    data = memoryview(bytearray(content))[4 + 4 * dimensions :]
    return torch.frombuffer(data, dtype=torch.uint8).view(sizes) if data and math.prod(sizes) == len(data) else None


def _open(member: _Member, folder: Path, *, train: bool) -> Any:
    from torchvision import datasets  # noqa: PLC0415 - takes seconds, and not every command reads these data

    options = {} if member.split is None else {"split": member.split}
    return getattr(datasets, member.type_name)(folder, train=train, download=True, **options)


def _split(member: _Member, images: Tensor, targets: Tensor) -> Split:
    if member.transposed:
        images = images.transpose(1, 2)
    if targets.ndim == 2:  # QMNIST tells the writer and more beside the class
        targets = targets[:, 0]
    return Split(images.reshape(-1, PIXELS).contiguous(), targets.long() - member.first_class)
