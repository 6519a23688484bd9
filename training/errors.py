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

_ALLOCATION = re.compile(r"you tried to allocate \d+ bytes")  # in what torch's allocator on the CPU says


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
    allocation = _ALLOCATION.search(first_line)
    match error:
        case TrainingError() | ClassifierError():
            return str(error)
        case OSError(filename=str(path), strerror=str(reason)):
            return f"{path}: {reason}."
        case OSError():
            return str(error)
        case torch.AcceleratorError():
            return f"the GPU failed: {first_line}"
    if allocation or isinstance(error, torch.OutOfMemoryError | MemoryError):
        found = allocation[0] if allocation else first_line
        return f"memory is used up{f' ({found})' if found else ''}; try a smaller --batch-size, or --stream."
    return None
