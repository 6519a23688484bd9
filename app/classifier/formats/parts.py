"""What an image file is made of, as far as it changes what the image shows."""

from typing import NamedTuple

from app.classifier.errors import TooManyPartsError

__all__ = ["MINUTELY_BYTES", "Cuttings", "ImageParts", "most_pieces", "too_many_pieces"]

_FREE_PIECES = 2048  # any file may be made of: a 28×28 BMP in run lengths of one is read in 1,600
_BYTES_PER_PIECE = 64  # and of one more for each so many bytes: a GIF's blocks have 255, a PNG's chunks thousands
MINUTELY_BYTES = 2**21  # of a file for which it may be made of pieces, and read over; a longer one is a photograph


class ImageParts(NamedTuple):
    """A file taken apart."""

    pixels: bytes  # the file for its decoder, without what does not change the pixels
    has_more_frames: bool = False
    exif: bytes = b""
    profile: bytes | None = None  # ICC
    gamma: float | None = None  # exponent from light to the file's values, where they are not of sRGB


class Cuttings:
    """A file from which pieces are cut, from its start on."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._kept: list[bytes] = []
        self._start = 0  # of what is kept next

    def cut(self, start: int, end: int, replacement: bytes = b"") -> None:
        """Leave out what lies between."""
        if start < end:
            self._kept += (self._content[self._start : start], replacement)
            self._start = end

    def rest(self) -> bytes:
        """What is left of the file."""
        return b"".join((*self._kept, self._content[self._start :])) if self._start else self._content


def most_pieces(content: bytes) -> int:
    """How many pieces no honest file of this length has more of."""
    return _FREE_PIECES + min(len(content), MINUTELY_BYTES) // _BYTES_PER_PIECE


def too_many_pieces(name: str) -> TooManyPartsError:
    """The refusal of a file that has more."""
    return TooManyPartsError(f"{name} is made of too many pieces; save it anew, without metadata.")
