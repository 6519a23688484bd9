"""Data sets of 28×28 grayscale images with their class names, by the name that `--dataset` takes."""

import hashlib
from dataclasses import dataclass, field

import torch
from torch import Tensor

from app.classifier.preparation import Preparation
from training.data.splits import FileSplit, Split
from training.errors import DataError
from training.names import apart, counted, visible

__all__ = ["Dataset", "LeftOut", "check", "check_class_ids", "digests", "is_text"]


_NAMED = 3  # files of one class and reason that are named where people read it


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Files that were not used."""

    label: str
    reason: str
    files: tuple[str, ...]  # their names, as a terminal may show them

    @property
    def count(self) -> int:
        return len(self.files)

    def named(self) -> str:
        """The names of the files, or of the first of many."""
        more = [f"{self.count - _NAMED:,} more"] if self.count > _NAMED else []
        return ", ".join([*self.files[:_NAMED], *more])


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    name: str
    labels: tuple[str, ...]  # class names, in the order of class_id
    train: Split | FileSplit
    test: Split | FileSplit
    left_out: tuple[LeftOut, ...] = ()
    preparation: Preparation = field(default_factory=Preparation)  # what was done to its image files
    notes: tuple[str, ...] = ()  # what reading it found, a sentence each

    def fingerprint(self) -> str:
        """SHA-256 over the training and test pixels and class ids."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            for pixels, _ in split.blocks():
                digest.update(pixels.numpy().data)
            digest.update(split.class_ids.numpy().data)
        return digest.hexdigest()

    def warnings(self) -> list[str]:
        """What its owner should know before it is trained on, a sentence each."""
        found = list(self.notes)
        names = dict(zip(self.labels, apart(self.labels), strict=True))
        alike = [shown for label, shown in names.items() if shown != visible(label)]
        if alike:
            found.append(f"Class names look alike: {', '.join(alike)}.")
        if self._highest_pixel() == 1:
            found.append("All pixels are 0 or 1, nearly black; multiply them by 255 if they are to be black and white.")
        count = sum(one.count for one in self.left_out)
        if count:
            total = count + len(self.train) + len(self.test)
            share = f", {count / total:.0%} of all" if count > total / 10 else ""
            shown = "; ".join(
                f"{one.count} of {names[one.label]!r}: {one.reason} ({one.named()})" for one in self.left_out
            )
            found.append(f"Left out: {count} of {counted(total, 'file')}{share}: {shown}.")
        return found

    def _highest_pixel(self) -> int:
        return max((int(pixels.max()) for pixels, _ in self.train.blocks() if len(pixels)), default=0)


def digests(split: Split | FileSplit) -> Tensor:
    """The first 8 bytes of each image's SHA-256, int64 [N]: by them it is known again."""
    shorts = b"".join(hashlib.sha256(row).digest()[:8] for pixels, _ in split.blocks() for row in pixels.numpy())
    return torch.frombuffer(bytearray(shorts), dtype=torch.int64) if shorts else torch.empty(0, dtype=torch.int64)


def is_text(name: str) -> bool:
    """Whether a name, of a file perhaps, can be written as UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def check_class_ids(dataset: Dataset, source: str) -> None:
    """Raises DataError: a class id for which there is no class."""
    count = len(dataset.labels)
    for part, split in (("training", dataset.train), ("test", dataset.test)):
        if len(split):
            low, high = (int(bound) for bound in split.class_ids.aminmax())
            if low < 0 or high >= count:
                wrong = low if low < 0 else high
                raise DataError(f"{source} has the {part} label {wrong}, but its {count} classes are 0 to {count - 1}.")


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
        found = "1 class" if count == 1 else "no classes"
        raise DataError(f"{source} has {found}; softmax regression needs at least 2.")
    for part, split in (("training", dataset.train), ("test", dataset.test)):
        if not len(split):
            raise DataError(f"{source} has no {part} images.")
    check_class_ids(dataset, source)
    counts = torch.bincount(dataset.train.class_ids, minlength=count).tolist()
    for label, images in zip(dataset.labels, counts, strict=True):
        if not images:
            raise DataError(f"{source}: the class {label!r} has no training images; add some or leave the class out.")
    return dataset
