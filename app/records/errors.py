"""What can go wrong with what is kept.

RecordsError
├── RecordsUnavailableError   the database can't be read or written now; it may be later
├── NewerRecordsError         a newer version of this service wrote the database
├── LabelsError               what was told can't be kept as it is: nothing of it was
│   ├── TooManyLabelsError    there are more than are taken at once
│   └── UnknownLabelError     the model has no such label
└── NothingToReviewError      no images are kept
"""

__all__ = [
    "LabelsError",
    "NewerRecordsError",
    "NothingToReviewError",
    "RecordsError",
    "RecordsUnavailableError",
    "TooManyLabelsError",
    "UnknownLabelError",
]


class RecordsError(Exception):
    """A refusal; its text names the culprit and what to do."""


class RecordsUnavailableError(RecordsError):
    pass


class NewerRecordsError(RecordsError):
    pass


class LabelsError(RecordsError):
    pass


class TooManyLabelsError(LabelsError):
    pass


class UnknownLabelError(LabelsError):
    pass


class NothingToReviewError(RecordsError):
    pass
