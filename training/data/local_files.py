"""Data sets of one's own: a folder of image files per class, or NumPy arrays.

folder:PATH    PATH/<class>/<any image that the service accepts>
npy:DIR        DIR/images.npy uint8 [N, 28, 28], DIR/labels.npy, optional DIR/classes.json (a list of names)

Either may lie in two sub-folders, `train` and `test`; else a test set is split off.
"""

import json
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy_format

from app.classifier.errors import ImageError
from app.classifier.images import read_pixels, stack
from app.classifier.softmax import PIXELS, SIDE
from training.data.datasets import Dataset
from training.errors import DataError
from training.data.splits import FileSplit, Split, split_off

__all__ = ["load_folder", "load_npy"]

_MAX_CLASSES = 20_000  # as many as a model file may have


def load_folder(path: Path, test_size: float, *, skip_unreadable: bool) -> Dataset:
    """Read image files through the service's own preprocessing.

    Raises:
        DataError: there are no classes, or files can't be classified and are not to be skipped.
    """
    parts = _parts(path)
    try:
        labels = _classes(parts[0])
    except OSError as error:
        raise DataError(f"folder:{path} can't be read: {error.strerror}.") from error
    if not labels:
        raise DataError(f"{parts[0]} has no sub-folders; put the images of each class into a folder of its own.")
    for unknown in set(_classes(parts[-1])) - set(labels):
        raise DataError(f"{parts[-1]} has images of {unknown!r}, of which there are no training images.")
    splits = [_read_images(part, labels, skip_unreadable=skip_unreadable) for part in parts]
    return _with_test(path, labels, splits, test_size)


def load_npy(path: Path, test_size: float, *, stream: bool) -> Dataset:
    """Map NumPy arrays; with `stream`, the training pixels are only ever read block by block.

    Raises:
        DataError: a file is missing, unreadable or of another shape or type.
    """
    parts = _parts(path)
    splits = [_map_arrays(part, stream=stream) for part in parts]
    count = max((int(split.class_ids.max()) + 1 for split in splits if len(split)), default=0)
    labels = _class_names(parts[0], path) or tuple(map(str, range(count)))
    return _with_test(path, labels, splits, test_size)


def _parts(path: Path) -> list[Path]:
    inner = [path / "train", path / "test"]
    return inner if all(part.is_dir() for part in inner) else [path]


def _with_test(
    path: Path,
    labels: tuple[str, ...],
    splits: list[Split] | list[FileSplit] | list[Split | FileSplit],
    test_size: float,
) -> Dataset:
    name = path.resolve().name
    if len(splits) == 2:
        return Dataset(name, labels, *splits)
    return Dataset(name, labels, *split_off(splits[0], test_size, option="--test-size"))


def _classes(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in folder.iterdir() if _visible(entry) and entry.is_dir()))


def _visible(path: Path) -> bool:
    return not path.name.startswith(".")


def _read_images(folder: Path, labels: tuple[str, ...], *, skip_unreadable: bool) -> Split:
    images: list[bytes] = []
    class_ids: list[int] = []
    failures: list[str] = []
    for class_id, label in enumerate(labels):
        for file in sorted(filter(_visible, (folder / label).glob("*"))):
            try:
                images.append(read_pixels(file.read_bytes(), name=str(file)))
                class_ids.append(class_id)
            except (ImageError, OSError) as error:
                failures.append(str(error))
    if failures and not skip_unreadable:
        raise DataError(
            f"{len(failures)} of {len(failures) + len(images)} files can't be used; leave them out with "
            f"--skip-unreadable. The first: {failures[0]}"
        )
    if not images:
        raise DataError(f"{folder} has no images that can be used.")
    return Split(stack(images).view(-1, PIXELS), torch.tensor(class_ids, dtype=torch.int64))


def _map_arrays(folder: Path, *, stream: bool) -> Split | FileSplit:
    images, labels = (_map(folder / name) for name in ("images.npy", "labels.npy"))
    if (
        images.dtype != np.uint8
        or images.ndim != 3
        or images.shape[1:] != (SIDE, SIDE)
        or not images.flags.c_contiguous
    ):
        found = f"{images.dtype} {list(images.shape)}"
        raise DataError(f"{folder / 'images.npy'} must be uint8 [N, 28, 28] in C order, not {found}.")
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        found = f"{labels.dtype} {list(labels.shape)}"
        raise DataError(f"{folder / 'labels.npy'} must be whole numbers [{len(images)}], one per image, not {found}.")
    class_ids = torch.from_numpy(labels.astype(np.int64))
    wrong = class_ids[(class_ids < 0) | (class_ids >= _MAX_CLASSES)]
    if len(wrong):
        raise DataError(
            f"{folder / 'labels.npy'} has the label {wrong[0]}; labels are 0 to at most {_MAX_CLASSES - 1}."
        )
    if stream:
        kept = torch.ones(len(images), dtype=torch.bool)
        return FileSplit(folder / "images.npy", _offset(folder / "images.npy"), class_ids, kept)
    return Split(torch.from_numpy(images).view(-1, PIXELS), class_ids)


def _map(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    try:
        array: np.ndarray[tuple[int, ...], np.dtype[np.generic]] = np.load(path, mmap_mode="c", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; npy:DIR needs images.npy and labels.npy in DIR.") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is not a NumPy array: {str(error).splitlines()[0]}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{path} is an archive of NumPy arrays (.npz), not one of them.")
    return array


def _offset(path: Path) -> int:
    with path.open("rb") as file:
        version = npy_format.read_magic(file)
        read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        read(file)
        return file.tell()


def _class_names(*folders: Path) -> tuple[str, ...] | None:
    for path in (folder / "classes.json" for folder in folders):
        if path.exists():
            try:
                names = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise DataError(f"{path} is not JSON: {error}.") from error
            if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
                raise DataError(f"{path} must be a JSON list of class names.")
            if len(set(names)) != len(names):
                raise DataError(f"{path} names a class twice.")
            return tuple(names)
    return None
