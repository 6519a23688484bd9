"""Files that others put in place, read without waiting: for a pipe's writer, a device, or a file without end."""

import os
import stat
from pathlib import Path

__all__ = ["IrregularFileError", "read_regular_file"]


class IrregularFileError(Exception):
    """What stands at a path is no regular file, or a larger one than expected; the text goes on from its name."""


def read_regular_file(path: Path, max_bytes: int) -> bytes:
    """The content of a file of at most so many bytes; links are followed.

    Raises:
        IrregularFileError: it is something else, or larger; nothing of it was read, or one byte more than that.
        OSError: it can't be opened or read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe opens at once, though nobody may ever write to it
    try:
        found = os.fstat(descriptor)  # of what was opened, whatever takes its place meanwhile
        if not stat.S_ISREG(found.st_mode):
            raise IrregularFileError("it is not a file")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(max_bytes + 1) if found.st_size <= max_bytes else b""
    finally:
        os.close(descriptor)
    if found.st_size > max_bytes or len(content) > max_bytes:
        raise IrregularFileError(f"it is larger than {max_bytes:,} bytes")
    return content
