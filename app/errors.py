"""How the exceptions of serving and of the classifier are answered: one table; the engine's say it of themselves."""

from app.classifier.errors import (
    DamagedImageError,
    NotAnImageError,
    SeveralFramesError,
    TooManyPartsError,
    TooManyPixelsError,
    UnsupportedModeError,
    WrongSizeError,
)
from app.engine.problems import Kind, Problems
from app.serving.errors import (
    NoSuchLabelError,
    NoSuchModelError,
    NotReadyError,
    TooManyImagesError,
    UncalibratedModelError,
)

__all__ = ["PROBLEMS"]

PROBLEMS = Problems(
    "softmax-serving",
    {
        NoSuchModelError: Kind(404, "No such model"),
        TooManyImagesError: Kind(413, "Too many images"),
        TooManyPixelsError: Kind(413, "Too many pixels"),
        NotAnImageError: Kind(415, "Not an image"),
        DamagedImageError: Kind(422, "Damaged image"),
        NoSuchLabelError: Kind(422, "No such label"),
        SeveralFramesError: Kind(422, "Several frames"),
        TooManyPartsError: Kind(422, "Too many parts"),
        UncalibratedModelError: Kind(422, "Uncalibrated model"),
        UnsupportedModeError: Kind(422, "Unsupported pixels"),
        WrongSizeError: Kind(422, "Wrong image size", "Send that size, or ask for resize=true."),
        NotReadyError: Kind(503, "Not ready"),
    },
    detail_members={"/v2/": "error"},  # where the Open Inference Protocol has it
)
