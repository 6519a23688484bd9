"""Whose a model folder is: one fit at a time writes into it, and replaces nothing but files of fits."""

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import safetensors
from PIL import Image, UnidentifiedImageError

from app.classifier import artifact
from training.errors import TrainingError
from training.fitting import checkpoints
from training.results import card
from training.results.model_folder import MISTAKES, PICTURES, WRITER

__all__ = ["claim"]

_LOCK = ".fitting"  # file in the folder while a fit is at it
_REPORT = [f"report/{name}" for name in (*PICTURES, MISTAKES)]


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Keep a folder for one fit, and make it; the system takes the right back from a fit that is killed.

    Raises:
        TrainingError: another fit is writing into it, or a file of someone else is in the place of one of ours.
        OSError: the folder can't be made or written.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    _refuse_foreign(folder)
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "report").exists() and not os.access(folder / "report", os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder / "report"))
    try:
        with _alone_in(folder):
            for left in _left_behind(folder):
                left.unlink(missing_ok=True)
            yield
    finally:
        for empty in (folder / "report", folder) if is_new else ():
            with suppress(OSError):  # something has been written
                empty.rmdir()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    lock = folder / _LOCK
    with lock.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(held.fileno()), lock.stat())
        except (BlockingIOError, FileNotFoundError):
            is_ours = False  # or was removed by its holder just now
        except OSError:
            is_ours = True  # on a file system that has no locks
        if not is_ours:
            raise TrainingError(
                f"Another fit is writing into {folder}: wait until it has ended, or choose another folder with --out."
            )
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def _left_behind(folder: Path) -> Iterator[Path]:
    """Files that a fit was about to put in place when it was killed."""
    for name in (artifact.FILE_NAME, card.FILE_NAME, checkpoints.FILE_NAME, *_REPORT):
        path = folder / name
        started = re.compile(rf"\.{re.escape(path.name)}\.\w{{8}}")
        if path.parent.is_dir():
            yield from (one for one in path.parent.iterdir() if started.fullmatch(one.name))


def _refuse_foreign(folder: Path) -> None:
    """Raises TrainingError: there is a file of someone else that publishing would replace."""
    has_model = _mentions(folder / artifact.FILE_NAME, "softmax_serving")
    foreign = [folder / "report"] if (folder / "report").exists() and not (folder / "report").is_dir() else []
    if (folder / artifact.FILE_NAME).exists() and not has_model:
        foreign.append(folder / artifact.FILE_NAME)
    if (folder / card.FILE_NAME).exists() and not _is_card(folder / card.FILE_NAME):
        foreign.append(folder / card.FILE_NAME)
    checkpoint = folder / checkpoints.FILE_NAME
    if checkpoint.exists() and not _mentions(checkpoint, "purpose"):
        foreign.append(checkpoint)
    pictures = [folder / name for name in _REPORT]
    foreign += [picture for picture in pictures if picture.exists() and not (has_model or _is_picture(picture))]
    if foreign:
        raise TrainingError(
            f"{foreign[0]} was not written by a fit and would be replaced; choose another folder with --out, or "
            "move the file away."
        )


def _mentions(path: Path, key: str) -> bool:
    """Whether a file is one of safetensors whose metadata have a key."""
    if not path.is_file():
        return False
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
    if not path.is_file():
        return False
    try:
        with Image.open(path) as picture:
            return picture.info.get("Software") == WRITER
    except (OSError, UnidentifiedImageError):
        return False
