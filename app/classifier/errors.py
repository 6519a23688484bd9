"""What can go wrong between a file and its class probabilities.

ClassifierError
├── ImageError                an uploaded or local file that can't be classified
│   ├── NotAnImageError       not in a format that is read
│   ├── DamagedImageError     in such a format, but it can't be decoded
│   ├── WrongSizeError        not 28×28, and resizing was not asked for
│   ├── TooManyPixelsError    more pixels than are decoded for a resize
│   ├── TooManyPartsError     scans, strips, chunks, profiles far beyond what an image needs
│   ├── SeveralFramesError    an animation or a file of several pages
│   └── UnsupportedModeError  pixel values that have no fixed range (float, LAB, ...)
└── ModelFileError            a model file that is missing, damaged or of another format
"""

from pathlib import Path

__all__ = [
    "ClassifierError",
    "DamagedImageError",
    "ImageError",
    "ModelFileError",
    "NotAnImageError",
    "SeveralFramesError",
    "TooManyPartsError",
    "TooManyPixelsError",
    "UnsupportedModeError",
    "WrongSizeError",
]


class ClassifierError(Exception):
    """Any failure of this package; its text is one or two sentences for the person who sent the input."""


class ImageError(ClassifierError):
    pass


class NotAnImageError(ImageError):
    pass


class DamagedImageError(ImageError):
    pass


class WrongSizeError(ImageError):
    pass


class TooManyPixelsError(ImageError):
    pass


class TooManyPartsError(ImageError):
    pass


class SeveralFramesError(ImageError):
    pass


class UnsupportedModeError(ImageError):
    pass


class ModelFileError(ClassifierError):
    """Raised with the file's path and the reason, so that both stand in every log and answer."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"Model file {path}: {reason}.")
