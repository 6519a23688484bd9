"""What can be wrong with a question to the models that are served.

ServingError
├── NoSuchModelError        the name is not among the models
├── NoSuchLabelError        the label is not among the model's
├── TooManyImagesError      more images than are answered at once
├── UncalibratedModelError  the model can't promise a coverage
└── NotReadyError           there is no model to answer with
"""

__all__ = [
    "NoSuchLabelError",
    "NoSuchModelError",
    "NotReadyError",
    "ServingError",
    "TooManyImagesError",
    "UncalibratedModelError",
]


class ServingError(Exception):
    """A refusal; its text names the culprit, the limit and what to do."""


class NoSuchModelError(ServingError):
    pass


class NoSuchLabelError(ServingError):
    pass


class TooManyImagesError(ServingError):
    pass


class UncalibratedModelError(ServingError):
    pass


class NotReadyError(ServingError):
    pass
