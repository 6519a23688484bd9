"""What no honest image needs: files that are small to send and long to open are refused while they are opened.

Each limit stands against a file of at most 1 MiB that took a decoder from half a second to minutes:
docs/decisions/worst-case-requests.md lists them with their times.
"""

import io
import warnings

from PIL import TiffImagePlugin

from app.classifier.errors import TooManyPartsError
from app.classifier.formats.parts import MINUTELY_BYTES, ImageParts, most_pieces, too_many_pieces

__all__ = ["CountedReads", "StripLimitedTiff", "check_text"]

_READ_OVER = 8  # times that all of a file may be read; a GIF is read thrice
_LONG_READ_OVER = 2  # times for what a file has beyond MINUTELY_BYTES
_MAX_TEXT_PPM = 16 * 1024  # bytes; Pillow reads the text formats P1 to P3 in Python, comments in quadratic time
_MAX_STRIPS = 1024  # of a TIFF, or tiles

# Pillow warns of odd metadata, in the client's words; each new wording would be printed, and remembered for good.
warnings.filterwarnings("ignore", module=r"PIL\.")


class CountedReads(io.BytesIO):
    """A file in memory for a decoder, as long as it does not read it in too many pieces or too many times over."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name
        self._reads_left = most_pieces(content)
        beyond = max(0, len(content) - MINUTELY_BYTES)
        self._bytes_left = _READ_OVER * (len(content) - beyond + io.DEFAULT_BUFFER_SIZE) + _LONG_READ_OVER * beyond

    def read(self, size: int | None = -1, /) -> bytes:
        """As BytesIO, or TooManyPartsError."""
        content = super().read(size)
        self._reads_left -= 1
        self._bytes_left -= len(content)
        if self._reads_left < 0 or self._bytes_left < 0:
            raise too_many_pieces(self.name)
        return content


class StripLimitedTiff(TiffImagePlugin.TiffImageFile):
    """TIFF of at most 1024 strips or tiles: Pillow handles each in Python, even those beyond the image's height."""

    def _setup(self) -> None:
        for tag in (TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.TILEOFFSETS):
            count = len(self.tag_v2.get(tag, ()))
            if count > _MAX_STRIPS:
                name = self.fp.name if self.fp else "The TIFF"
                raise TooManyPartsError(f"{name} has {count:,} strips or tiles; up to {_MAX_STRIPS:,} are read.")
        super()._setup()

    def load_end(self) -> None:
        """Leave the image as it is stored, and what the file says of it unread: Pillow turns it by XMP, too."""
        self._size = self.im.size


def check_text(content: bytes, name: str) -> ImageParts:
    """The parts of a file whose metadata its decoder minds itself.

    Raises:
        TooManyPartsError: it is a long PPM in text.
    """
    is_text = content[:1] == b"P" and content[1:2] in b"123"
    if is_text and len(content) > _MAX_TEXT_PPM:
        raise TooManyPartsError(
            f"{name} is a PPM in text of {len(content):,} bytes; text is read up to {_MAX_TEXT_PPM:,}, binary beyond."
        )
    return ImageParts(content)
