"""The data sets that torchvision knows in MNIST's format: downloaded once, each download's MD5 checked."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.classifier.softmax import PIXELS, SIDE
from training.data.datasets import Dataset
from training.data.known import FAMILY, Member
from training.data.splits import Split
from training.errors import DataError

__all__ = ["load_mnist"]


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
        damaged = [path.name for path in sorted(raw.glob("*-ubyte")) if path.is_file() and _idx(path) is None]
        reason = (
            f"{damaged[0]} is damaged" if damaged else (str(error).strip() or type(error).__name__).splitlines()[-1]
        )
        raise DataError(
            f"{name} can't be read from {raw} or downloaded there ({reason}); on a machine with a network, run "
            f"`python -m training fit --dataset {name} --data-dir {folder}` and copy {raw} from there, or delete "
            "damaged files in it."
        ) from error
    labels = member.labels or tuple(train.classes[member.first_class :])
    for part in (train, test):
        if part.data.shape != (len(part.targets), SIDE, SIDE):
            raise DataError(
                f"{name}'s files in {folder / member.type_name / 'raw'} are not of one data set of 28×28 images: "
                f"images {list(part.data.shape)}, {len(part.targets)} labels."
            )
    return Dataset(name, labels, _split(member, train.data, train.targets), _split(member, test.data, test.targets))


def _unpacked(name: str, member: Member, raw: Path) -> Dataset | None:
    """The plainest case, without torchvision, whose import takes longer than all else: files that it has unpacked."""
    if member.labels is None or member.split is not None or member.type_name == "QMNIST":
        return None
    kinds = ("images-idx3", "labels-idx1")
    parts = [[_idx(raw / f"{part}-{kind}-ubyte") for kind in kinds] for part in ("train", "t10k")]
    splits = [
        Split(images.view(-1, PIXELS), labels.long())
        for images, labels in parts
        if images is not None and labels is not None and labels.ndim == 1 and images.shape == (len(labels), SIDE, SIDE)
    ]
    return Dataset(name, member.labels, splits[0], splits[1]) if len(splits) == 2 else None


def _idx(path: Path) -> Tensor | None:
    """A whole uint8 file in MNIST's format: 0, 0, 8, dimensions, their sizes, the bytes; None: it is not one."""
    content = path.read_bytes() if path.is_file() else b""
    dimensions = content[3] if content[:3] == b"\x00\x00\x08" and len(content) > 3 else 0
    sizes = [int.from_bytes(content[4 + 4 * number : 8 + 4 * number], "big") for number in range(dimensions)]
    data = memoryview(bytearray(content))[4 + 4 * dimensions :]
    if not 1 <= dimensions <= 3 or math.prod(sizes) != len(data):
        return None
    return torch.frombuffer(data, dtype=torch.uint8).view(sizes) if data else torch.empty(sizes, dtype=torch.uint8)


def _open(member: Member, folder: Path, *, train: bool) -> Any:
    from torchvision import datasets  # noqa: PLC0415 - takes seconds, and not every command reads these data

    options = {} if member.split is None else {"split": member.split}
    return getattr(datasets, member.type_name)(folder, train=train, download=True, **options)


def _split(member: Member, images: Tensor, targets: Tensor) -> Split:
    if member.transposed:
        images = images.transpose(1, 2)
    if targets.ndim == 2:  # QMNIST tells the writer and more beside the class
        targets = targets[:, 0]
    return Split(images.reshape(-1, PIXELS).contiguous(), targets.long() - member.first_class)
