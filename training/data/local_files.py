"""Data sets of one's own: a folder of image files per class, or NumPy arrays.

folder:PATH    PATH/<class>/<any image that the service accepts>
npy:DIR        DIR/images.npy uint8 [N, 28, 28], DIR/labels.npy, optional DIR/classes.json (a list of names)

Either may lie in two sub-folders, `train` and `test`; else a test set is split off.
"""

import json
import stat
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from zipfile import is_zipfile

import numpy as np
import torch
from numpy.lib import format as npy_format

from app.classifier.errors import (
    DamagedImageError,
    ImageError,
    NotAnImageError,
    SeveralFramesError,
    TooManyPixelsError,
    UnsupportedModeError,
    WrongSizeError,
)
from app.classifier.images import stack
from app.classifier.preparation import Preparation
from app.classifier.softmax import PIXELS, SIDE
from training.data.datasets import Dataset, LeftOut
from training.data.splits import FileSplit, Split, split_off
from training.errors import DataError
from training.failures import sentence_of
from training.names import apart, visible

__all__ = ["load_folder", "load_npy"]

_Array = np.ndarray[tuple[int, ...], np.dtype[np.generic]]

_MAX_CLASSES = 20_000  # as many as a model file may have
_MAX_BYTES = 2**28  # of an image file: twice what the most pixels that are decoded take, unpacked
_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval", "evaluation"}
_REASONS: dict[type[Exception], str] = {
    NotAnImageError: "not an image",
    DamagedImageError: "damaged",
    WrongSizeError: "not 28×28",
    TooManyPixelsError: "too large",
    SeveralFramesError: "several frames",
    UnsupportedModeError: "pixels of a kind that is not read",
}


def load_folder(path: Path, test_size: float | None, preparation: Preparation, *, skip_unreadable: bool) -> Dataset:
    """Read image files as the service does.

    Args:
        path: a folder with a sub-folder for each class, or with two such folders, `train` and `test`.
        test_size: the share that is split off for testing, where there is no `test`; None: all is for testing.
        preparation: what is done to each image.
        skip_unreadable: leave out files that can't be used.

    Raises:
        DataError: there are no classes, or files can't be classified and are not to be skipped.
    """
    if path.is_file():
        raise DataError(f"folder:{path} is a file, not a folder; an archive is to be unpacked first.")
    try:
        parts = _parts(path)
        labels = _classes(parts[0])
        further = set(_classes(parts[-1])) - set(labels)
    except OSError as error:
        raise DataError(f"folder:{path} can't be read: {error.strerror}.") from error
    if not labels:
        raise DataError(f"{parts[0]} has no sub-folders; put the images of each class into a folder of its own.")
    for unknown in further:
        shown, *_ = apart([unknown, *labels])
        raise DataError(f"{parts[-1]} has images of {shown!r}, of which there are no training images.")
    read = [_read_images(part, labels, preparation, skip_unreadable=skip_unreadable) for part in parts]
    dataset = _with_test(path, labels, [split for split, _ in read], test_size)
    left_out = tuple(one for _, left_out in read for one in left_out)
    return replace(dataset, left_out=left_out, preparation=preparation, notes=_others(path, parts))


def load_npy(path: Path, test_size: float | None, *, stream: bool) -> Dataset:
    """Map NumPy arrays; with `stream`, the training pixels are only ever read pool by pool.

    Raises:
        DataError: a file is missing, unreadable or of another shape or type.
    """
    parts = _parts(path)
    splits = [_map_arrays(part, stream=stream) for part in parts]
    count = max((int(split.class_ids.max()) + 1 for split in splits if len(split)), default=0)
    labels = _class_names(parts[0], path) or tuple(map(str, range(count)))
    return _with_test(path, labels, splits, test_size)


def _parts(path: Path) -> list[Path]:
    """The folder itself, or its `train` and `test`.

    Raises:
        DataError: its sub-folders look like parts of a data set, but have other names.
    """
    inner = [path / "train", path / "test"]
    if all(part.is_dir() for part in inner):
        return inner
    entries = _entries(path) if path.is_dir() else []
    named = [entry for entry in entries if entry.name.lower() in _PARTS and entry.is_dir()]
    likely = [one.name for one in named if any(map(Path.is_dir, _entries(one))) or (one / "images.npy").exists()]
    if likely:
        names = " and ".join(map(repr, likely))
        advice = (
            f"if that is all, name the folder itself: {path / likely[0]}"
            if len(likely) == 1
            else "name the folder with the training images 'train' and the one with the test images 'test'"
        )
        raise DataError(f"{path} has {names}, which look like parts of a data set and not like classes; {advice}.")
    return [path]


def _with_test(
    path: Path,
    labels: tuple[str, ...],
    splits: list[Split] | list[FileSplit] | list[Split | FileSplit],
    test_size: float | None,
) -> Dataset:
    name = path.resolve().name
    if len(splits) == 2:
        return Dataset(name, labels, *splits)
    if test_size is None:
        nothing = Split(torch.empty(0, PIXELS, dtype=torch.uint8), torch.empty(0, dtype=torch.int64))
        return Dataset(name, labels, nothing, splits[0])
    return Dataset(name, labels, *split_off(splits[0], test_size, labels, option="--test-size"))


def _others(path: Path, parts: list[Path]) -> tuple[str, ...]:
    others = [entry.name for entry in _entries(path) if entry.is_dir() and entry not in parts]
    found = others and len(parts) > 1
    return (f"Beside 'train' and 'test', {path} has {others}, which are not used.",) if found else ()


def _classes(folder: Path) -> tuple[str, ...]:
    """The sub-folders' names.

    Raises:
        DataError: a link leads nowhere, perhaps to the folder of a class on a disk that is not there.
    """
    entries = _entries(folder)
    for entry in entries:
        if entry.is_symlink() and not entry.exists():
            raise DataError(f"{visible(str(entry))} is a link that leads nowhere; mend it, or remove it.")
    return tuple(entry.name for entry in entries if entry.is_dir())


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _read_images(
    folder: Path, labels: tuple[str, ...], preparation: Preparation, *, skip_unreadable: bool
) -> tuple[Split, list[LeftOut]]:
    images: list[bytes] = []
    class_ids: list[int] = []
    names: list[str] = []
    failures: dict[tuple[str, str], list[str]] = defaultdict(list)
    first = ""
    for class_id, label in enumerate(labels):
        for file in _entries(folder / label) if (folder / label).is_dir() else []:
            try:
                images.append(preparation.read(_content(file), visible(str(file))))
                class_ids.append(class_id)
                names.append(file.name)
            except (ImageError, OSError) as error:
                reason = "a folder" if file.is_dir() else _REASONS.get(type(error), "can't be read")
                failures[label, reason].append(visible(file.name))
                first = first or str(sentence_of(error))
    if failures and not skip_unreadable:
        count = sum(map(len, failures.values()))
        sizes = sum(len(files) for (_, reason), files in failures.items() if reason == _REASONS[WrongSizeError])
        advice = f"--resize fits those of another size ({sizes}) into 28×28; " if sizes else ""
        raise DataError(
            f"{count} of {count + len(images)} files can't be used; {advice}"
            f"--skip-unreadable leaves files out. The first: {first}"
        )
    if not images:
        raise DataError(f"{folder} has no images that can be used.")
    left_out = [LeftOut(label, reason, tuple(files)) for (label, reason), files in sorted(failures.items())]
    return Split(stack(images).view(-1, PIXELS), torch.tensor(class_ids, dtype=torch.int64), tuple(names)), left_out


def _content(file: Path) -> bytes:
    """A file's bytes.

    Raises:
        OSError: it can't be read, or it is none: a named pipe would be waited for, for ever.
    """
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder; images lie right in their class's folder" if file.is_dir() else "no file"
        raise OSError(f"{visible(str(file))} is {kind}.")
    if found.st_size > _MAX_BYTES:
        raise OSError(f"{visible(str(file))} is larger than {_MAX_BYTES:,} bytes.")
    return file.read_bytes()


def _map_arrays(folder: Path, *, stream: bool) -> Split | FileSplit:
    # Only what is not streamed has to be writable for torch, and so must fit into memory.
    images = _map(folder / "images.npy", writable=not stream)
    labels = _map(folder / "labels.npy")
    if (
        images.dtype != np.uint8
        or images.ndim != 3
        or images.shape[1:] != (SIDE, SIDE)
        or not images.flags.c_contiguous
    ):
        found = f"{images.dtype} {list(images.shape)} in {'C' if images.flags.c_contiguous else 'Fortran'} order"
        raise DataError(f"{folder / 'images.npy'} must be uint8 [N, 28, 28] in C order, not {found}.")
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        found = f"{labels.dtype} {list(labels.shape)}"
        raise DataError(f"{folder / 'labels.npy'} must be whole numbers [{len(images)}], one per image, not {found}.")
    class_ids = torch.from_numpy(labels.astype(np.int64))
    wrong = labels[((class_ids < 0) | (class_ids >= _MAX_CLASSES)).numpy()]
    if len(wrong):
        raise DataError(
            f"{folder / 'labels.npy'} has the label {wrong[0]}; labels are 0 to at most {_MAX_CLASSES - 1}."
        )
    if stream:
        path = folder / "images.npy"
        return FileSplit(path, _offset(path), torch.arange(len(images)), class_ids)
    return Split(torch.from_numpy(images).view(-1, PIXELS), class_ids)


def _map(path: Path, *, writable: bool = True) -> _Array:
    if path.exists() and not path.is_file():  # a named pipe would be waited for
        raise DataError(f"{path} is no file.")
    if is_zipfile(path):
        raise DataError(f"{path} is an archive of NumPy arrays (.npz), not one of them.")
    try:
        array: _Array = npy_format.open_memmap(path, mode="c" if writable else "r")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DataError(f"{path} does not exist; npy:DIR needs images.npy and labels.npy in DIR.") from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}.") from error
    except MemoryError:
        raise
    except Exception as error:  # numpy raises whatever its reader of headers raises
        raise DataError(f"{path} is not a NumPy array: {str(error).partition(chr(10))[0].rstrip('.')}.") from error
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
            if not path.is_file():
                raise DataError(f"{path} is no file.")
            try:
                names = json.loads(path.read_text(encoding="utf-8-sig"))
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path} is not JSON: {error}.") from error
            if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
                raise DataError(f"{path} must be a JSON list of class names.")
            if len(set(names)) != len(names):
                raise DataError(f"{path} names a class twice.")
            return tuple(names)
    return None
