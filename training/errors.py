"""What can stop a training command. The command line prints each as one line and leaves with exit code 2.

TrainingError
├── DataError         no such data set, nothing to download it from, or data that can't be trained on
├── DeviceError       the device that was asked for is not there
├── CheckpointError   a checkpoint that is damaged or of another fit
├── RecipeError       hyperparameters that don't go together
├── LearningError     no model or records to learn with, or another data set than the model's
└── DivergedError     the loss stopped being a finite number
"""

import re

import torch

from app.classifier.errors import ClassifierError

__all__ = [
    "CheckpointError",
    "DataError",
    "DeviceError",
    "DivergedError",
    "LearningError",
    "RecipeError",
    "TrainingError",
    "sentence_of",
]

_OUT_OF_MEMORY = re.compile(  # what torch, C++, the system's loader and matplotlib's extensions say of it
    r"you tried to allocate \d+ bytes|out of memory|bad_alloc|failed to map segment|annot allocate memory"
    r"|without (?:setting an exception|exception set)"
)


class TrainingError(Exception):
    """Any failure that the person at the terminal can mend; its text names the culprit and what to do."""


class CheckpointError(TrainingError):
    pass


class DataError(TrainingError):
    pass


class DeviceError(TrainingError):
    pass


class LearningError(TrainingError):
    pass


class RecipeError(TrainingError):
    pass


class DivergedError(TrainingError):
    pass


def sentence_of(error: Exception) -> str | None:
    """What a person at the terminal is told of a failure; None: it is this program's fault, and needs a traceback."""
    first_line = str(error).partition("\n")[0]
    match error:
        case TrainingError() | ClassifierError():
            return str(error)
        case OSError(filename=str(path), strerror=str(reason)):
            return f"{path}: {reason}."
        case OSError():
            return str(error)
        case torch.OutOfMemoryError() | MemoryError():
            return _out_of_memory(first_line)
        case torch.AcceleratorError():
            return f"the GPU failed: {first_line}"
    found = _OUT_OF_MEMORY.search(first_line)
    return None if found is None else _out_of_memory(found[0])


def _out_of_memory(found: str) -> str:
    return f"memory is used up{f' ({found})' if found else ''}; try a smaller --batch-size, or --stream."
