"""A model's files, copied and moved together: its model file, its card and its report.

Copies are made beside, down to the disk; what is copied is moved by renames alone, the model file first.
"""

import logging
import os
import shutil
import stat
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from app.classifier import model_file
from app.classifier.errors import ModelFileError
from app.classifier.model_file import FILE_NAME
from app.regular_files import IrregularFileError, read_regular_file

__all__ = ["copy_model", "digest_of", "link_model", "remove", "remove_model", "sync", "take", "write"]

logger = logging.getLogger(__name__)

_CARD = "README.md"
_REPORT = "report"  # a folder of pictures
_MAX_BYTES = 64 * 2**20  # of a card or a picture; what is larger is none


def copy_model(file: Path, folder: Path) -> None:
    """Copy a model file, and the card and report beside it, into a new folder, down to the disk.

    A card or a picture that can't be read is left out, as nobody needs it to answer.

    Raises:
        ModelFileError: the model file can't be read; there is no new folder then.
        OSError: the copies can't be written.
    """
    remove(folder)
    content = model_file.read(file)
    (folder / _REPORT).mkdir(parents=True)
    write(folder / FILE_NAME, content)
    for path in _beside(file):
        try:
            content = read_regular_file(path, _MAX_BYTES)
        except (IrregularFileError, OSError) as error:
            logger.warning("%s is left out: %s.", path, getattr(error, "strerror", None) or error)
        else:
            write(folder / path.relative_to(file.parent), content)
    _settle(folder)


def link_model(file: Path, folder: Path) -> None:
    """The same by hard links, without room and time for copies, as the files will be moved and not written to.

    They are copied where they are no plain files, or the system refuses: they are another user's, say.
    """
    try:
        if all(stat.S_ISREG(path.lstat().st_mode) for path in (file, *_beside(file))):
            _link_model(file, folder)
            return
    except OSError as error:
        logger.debug("Model file %s can't be linked (%s), so it is copied.", file, error.strerror)
    copy_model(file, folder)


def take(copied: Path, folder: Path) -> None:
    """Move a copied model to where it belongs, the model file first; what has been moved already is left."""
    if not copied.exists():
        return
    folder.mkdir(exist_ok=True)
    if (copied / FILE_NAME).exists():
        for name in (_CARD, _REPORT):
            remove(folder / name)  # better none for a moment than another model's
        (copied / FILE_NAME).replace(folder / FILE_NAME)
        sync(folder)
    for name in (_CARD, _REPORT):
        if (copied / name).exists():
            (copied / name).replace(folder / name)
    sync(folder)
    copied.rmdir()


def remove_model(folder: Path) -> None:
    """Remove a model's files, and the folder if nothing else lies there."""
    for name in (FILE_NAME, _CARD, _REPORT):
        remove(folder / name)
    with suppress(OSError):
        folder.rmdir()


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def digest_of(folder: Path) -> str:
    """The SHA-256 of a folder's model file; empty where none can be read."""
    try:
        return sha256(model_file.read(folder / FILE_NAME)).hexdigest()
    except ModelFileError:
        return ""


def write(path: Path, content: bytes) -> None:
    """Write a file, down to the disk."""
    path.write_bytes(content)
    sync(path)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link_model(file: Path, folder: Path) -> None:
    remove(folder)
    (folder / _REPORT).mkdir(parents=True)
    for path in (file, *_beside(file)):
        os.link(path, folder / path.relative_to(file.parent))
    sync(folder / FILE_NAME)
    _settle(folder)


def _beside(file: Path) -> list[Path]:
    """The card and the pictures that lie beside a model file."""
    card, report = file.parent / _CARD, file.parent / _REPORT
    pictures = sorted(report.iterdir()) if report.is_dir() else []
    return [card, *pictures] if os.path.lexists(card) else pictures


def _settle(folder: Path) -> None:
    """Leave no empty report, and have the names on the disk."""
    with suppress(OSError):
        (folder / _REPORT).rmdir()
    if (folder / _REPORT).exists():
        sync(folder / _REPORT)
    sync(folder)
