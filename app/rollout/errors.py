"""What keeps a model from being challenged, promoted or taken back.

RolloutError
├── NoChallengerError      there is no challenger to promote
├── NoPreviousError        there is no previous version to go back to
├── UnfitChallengerError   it has other labels, too low an accuracy, or is the champion itself
├── UnprovenError          there is not enough evidence, and force was not asked for
├── BusyError              another process is moving this model's files
└── UnwritableError        the model's folder can't be written
"""

__all__ = [
    "BusyError",
    "NoChallengerError",
    "NoPreviousError",
    "RolloutError",
    "UnfitChallengerError",
    "UnprovenError",
    "UnwritableError",
]


class RolloutError(Exception):
    """Any refusal of this package; its text is one or two sentences for the person who asked."""


class NoChallengerError(RolloutError):
    pass


class NoPreviousError(RolloutError):
    pass


class UnfitChallengerError(RolloutError):
    pass


class UnprovenError(RolloutError):
    pass


class BusyError(RolloutError):
    pass


class UnwritableError(RolloutError):
    pass
