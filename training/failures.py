"""What people are told of failures, also of those that others raise."""

import errno
import re

import torch

from app.classifier.errors import ClassifierError
from training.errors import TrainingError

__all__ = ["sentence_of"]

_OF_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EPIPE)
_OUT_OF_MEMORY = re.compile(  # what torch, C++, the system's loader and matplotlib's extensions say of it
    r"you tried to allocate \d+ bytes|out of memory|bad_alloc|failed to map segment|annot allocate memory"
    r"|without (?:setting an exception|exception set)"
)


def sentence_of(error: Exception) -> str | None:
    """What a person at the terminal is told of a failure; None: it is this program's fault, and needs a traceback."""
    first_line = str(error).partition("\n")[0]
    match error:
        case TrainingError() | ClassifierError():
            return str(error)
        case OSError():
            return _of_the_system(error)
        case torch.OutOfMemoryError() | MemoryError():
            return _out_of_memory(first_line)
        case torch.AcceleratorError():
            return f"the GPU failed: {first_line}"
    found = _OUT_OF_MEMORY.search(first_line)
    return None if found is None else _out_of_memory(found[0])


def _of_the_system(error: OSError) -> str:
    if error.strerror is None:
        return str(error)  # a sentence of our own
    if isinstance(error.filename, str):
        return f"{error.filename}: {error.strerror}."
    what = "the output can't be written" if error.errno in _OF_OUTPUT else "reading or writing failed"
    return f"{what}: {error.strerror}."  # of a descriptor, which has no name


def _out_of_memory(found: str) -> str:
    return f"memory is used up{f' ({found})' if found else ''}; try a smaller --batch-size, or --stream."
