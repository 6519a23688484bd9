"""What `--dataset` takes, and how it is read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from training.data.datasets import Dataset, check
from training.errors import DataError
from training.data.local_files import load_folder, load_npy
from training.data.mnist_family import FAMILY, load_mnist

__all__ = ["DataOptions", "entries", "load_dataset"]


def entries() -> Iterator[tuple[str, str]]:
    """Each data set's name and what it is."""
    for name, member in FAMILY.items():
        yield name, member.summary
    yield "folder:PATH", "image files, one sub-folder per class"
    yield "npy:DIR", "images.npy uint8 [N, 28, 28], labels.npy, optional classes.json"


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Which data set, and how it is read."""

    name: str  # one of `entries`
    folder: Path  # where downloaded data sets lie
    test_size: float  # the share that becomes the test set where folder: and npy: bring none
    skip_unreadable: bool = False  # leave out image files that can't be read
    stream: bool = False  # read an npy: data set's pixels from its file, block by block


def load_dataset(options: DataOptions) -> Dataset:
    """Read a data set.

    Raises:
        DataError: there is no such data set, it can't be had, or it can't be trained on.
    """
    kind, _, path = options.name.partition(":")
    if options.stream and kind != "npy":
        raise DataError(f"--stream reads npy: data sets, not {options.name}.")
    if path and kind == "folder":
        images = load_folder(Path(path), options.test_size, skip_unreadable=options.skip_unreadable)
        return check(images, options.name)
    if path and kind == "npy":
        return check(load_npy(Path(path), options.test_size, stream=options.stream), options.name)
    if options.name not in FAMILY:
        known = ", ".join(entry for entry, _ in entries())
        raise DataError(f"--dataset {options.name}: there is no such data set; there are {known}.")
    return check(load_mnist(options.name, options.folder), options.name)
