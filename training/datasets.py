"""Data sets of 28×28 grayscale images with their class names."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.datasets import FashionMNIST

from app.classifier.softmax import PIXELS
from training.errors import DataError

__all__ = ["Dataset", "Split", "load_dataset"]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images and their classes.

    Attributes:
        pixels: uint8 [N, 784], row-major, 0-255.
        class_ids: int64 [N], 0 to C - 1.
    """

    pixels: Tensor
    class_ids: Tensor

    def __len__(self) -> int:
        return len(self.class_ids)


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    name: str
    labels: tuple[str, ...]  # class names, in the order of class_id
    train: Split
    test: Split

    def fingerprint(self) -> str:
        """SHA-256 over the training and test pixels and class ids."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            for tensor in (split.pixels, split.class_ids):
                digest.update(tensor.numpy().data)
        return digest.hexdigest()


def load_dataset(name: str, folder: Path) -> Dataset:
    """Read a data set, downloading into `folder` what is not there yet; each file's MD5 is checked.

    Raises:
        DataError: there is no such data set, or its files are neither there nor to be had.
    """
    if name != "fashion-mnist":
        raise DataError(f"--dataset {name}: there is no such data set; there is fashion-mnist.")
    try:
        train, test = (FashionMNIST(folder, train=train, download=True) for train in (True, False))
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise DataError(f"{name} is not in {folder} and can't be downloaded: {reason}") from error
    return Dataset(name, tuple(train.classes), _split(train), _split(test))


def _split(dataset: FashionMNIST) -> Split:
    return Split(dataset.data.reshape(-1, PIXELS).contiguous(), dataset.targets.to(torch.int64))
