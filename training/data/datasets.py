"""Data sets of 28×28 grayscale images with their class names, by the name that `--dataset` takes."""

import hashlib
from dataclasses import dataclass

import torch

from training.errors import DataError
from training.data.splits import FileSplit, Split

__all__ = ["Dataset", "check", "is_text"]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    name: str
    labels: tuple[str, ...]  # class names, in the order of class_id
    train: Split | FileSplit
    test: Split | FileSplit

    def fingerprint(self) -> str:
        """SHA-256 over the training and test pixels and class ids."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            for pixels, _ in split.blocks():
                digest.update(pixels.numpy().data)
            digest.update(split.class_ids.numpy().data)
        return digest.hexdigest()


def is_text(name: str) -> bool:
    """Whether a name, of a file perhaps, can be written as UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def check(dataset: Dataset, source: str) -> Dataset:
    """Return the data set when it can be trained on.

    Raises:
        DataError: class ids out of range, a class without a training image, no test images, or a name that is no text.
    """
    count = len(dataset.labels)
    for name in (dataset.name, *dataset.labels):
        if not is_text(name):
            raise DataError(f"{source} has the name {name!r}, which is not UTF-8.")
    if count < 2:
        raise DataError(f"{source} has {count} class; softmax regression needs at least 2.")
    for part, split in (("training", dataset.train), ("test", dataset.test)):
        if not len(split):
            raise DataError(f"{source} has no {part} images.")
        low, high = (int(bound) for bound in split.class_ids.aminmax())
        if low < 0 or high >= count:
            wrong = low if low < 0 else high
            raise DataError(f"{source} has the {part} label {wrong}, but its {count} classes are 0 to {count - 1}.")
    counts = torch.bincount(dataset.train.class_ids, minlength=count).tolist()
    for label, images in zip(dataset.labels, counts, strict=True):
        if not images:
            raise DataError(f"{source}: the class {label!r} has no training images; add some or leave the class out.")
    return dataset
