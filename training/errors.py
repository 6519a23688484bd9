"""What can stop a training command. The command line prints each as one line and leaves with exit code 2.

TrainingError
├── DataError         no such data set, nothing to download it from, or data that can't be trained on
├── DeviceError       the device that was asked for is not there
├── CheckpointError   a checkpoint that is damaged or of another fit
├── RecipeError       hyperparameters that don't go together
├── LearningError     no model or records to learn with, or another data set than the model's
└── DivergedError     the loss stopped being a finite number
"""

__all__ = [
    "CheckpointError",
    "DataError",
    "DeviceError",
    "DivergedError",
    "LearningError",
    "RecipeError",
    "TrainingError",
]


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
