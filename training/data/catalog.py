"""A data set, by what `--dataset` says."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from app.classifier.preparation import Preparation
from training.data.datasets import Dataset, check, check_class_ids
from training.data.known import FAMILY, entries
from training.data.local_files import load_folder, load_npy
from training.data.mnist_family import load_mnist
from training.data.splits import Split, check_share
from training.errors import DataError
from training.names import apart, at_home, in_shell

__all__ = ["DataOptions", "load_dataset", "load_for_testing"]


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Which data set, and how it is read."""

    name: str  # one of `entries`
    folder: Path  # where downloaded data sets lie
    test_size: float | None  # the share for testing where folder: and npy: bring no test set; None: all
    skip_unreadable: bool = False  # leave out image files that can't be read
    stream: bool = False  # read an npy: data set's pixels from its file, pool by pool
    preparation: Preparation = field(default_factory=Preparation)  # of folder:'s image files


def load_dataset(options: DataOptions) -> Dataset:
    """Read a data set to train on.

    Raises:
        DataError: there is no such data set, it can't be had, or it can't be trained on.
    """
    return check(_load(options), options.name)


def load_for_testing(options: DataOptions, labels: tuple[str, ...]) -> Dataset:
    """Read the images that a model of these classes can be tested on, with its class ids.

    Where the data set does not bring a test set, all its images are returned as one.

    Raises:
        DataError: there are no images, or some of other classes.
    """
    data = _load(options)
    check_class_ids(data, options.name)
    unknown = set(data.labels) - set(labels)
    if unknown:
        shown = ", ".join(apart(sorted(unknown)[:5]))
        raise DataError(f"{options.name} has the classes {shown}; the model's are others.")
    if not len(data.test):
        raise DataError(f"{options.name} has no test images.")
    return data if data.labels == labels else replace(_numbered_as(data, labels), labels=labels)


def _numbered_as(data: Dataset, labels: tuple[str, ...]) -> Dataset:
    class_ids = torch.tensor([labels.index(label) for label in data.labels])
    train, test = (
        Split(split.pixels, class_ids[split.class_ids]) if isinstance(split, Split) else split
        for split in (data.train, data.test)
    )
    return replace(data, train=train, test=test)


def _load(options: DataOptions) -> Dataset:
    kind, _, rest = options.name.partition(":")
    path = at_home(Path(rest))
    if options.test_size is not None:
        check_share(options.test_size, "--test-size")  # also where it is not needed: it may have been meant for it
    if options.stream and kind != "npy":
        raise DataError(f"--stream reads npy: data sets, not {options.name}.")
    if options.preparation != Preparation() and kind != "folder":
        raise DataError(
            f"--resize, --invert and --center are for folder: data sets; {options.name} has pixels as they are."
        )
    if rest and kind == "folder":
        return load_folder(path, options.test_size, options.preparation, skip_unreadable=options.skip_unreadable)
    if rest and kind == "npy":
        return load_npy(path, options.test_size, stream=options.stream)
    if options.name not in FAMILY:
        folder = at_home(Path(options.name))
        if options.name and folder.is_dir():
            raise DataError(
                f"--dataset {options.name}: for a folder of one's own, say {in_shell([f'folder:{folder}'])}."
            )
        known = ", ".join(entry for entry, _ in entries())
        raise DataError(f"--dataset {options.name}: there is no such data set; there are {known}.")
    return load_mnist(options.name, at_home(options.folder))
