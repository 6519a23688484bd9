"""What no honest image needs: files that are small to send and long to open are refused while they are opened.

Each limit stands against a file of at most 1 MiB that took a decoder from half a second to minutes:
docs/decisions/worst-case-requests.md lists them with their times.
"""

import io
import warnings

from PIL import PngImagePlugin, TiffImagePlugin

from app.classifier.errors import TooManyPartsError

__all__ = ["CountedReads", "StripLimitedTiff", "check_parts"]

_FREE_READS = 2048  # every file may be read in so many pieces: a 28×28 BMP in run lengths of one takes 1,600
_BYTES_PER_READ = 64  # and in one more for each so many bytes: a GIF's blocks have 255, a PNG's chunks thousands
_READ_OVER = 8  # times that all of a file may be read; a GIF is read thrice
_MAX_SCANS = 64  # of a JPEG; progressive ones have 6 to 18
_MAX_COLOR_PROFILES = 8  # of a PNG, which may have one; the pixels may spell its name by chance
_MAX_TEXT_PPM = 16 * 1024  # bytes; Pillow reads the text formats P1 to P3 in Python, comments in quadratic time
_MAX_STRIPS = 1024  # of a TIFF, or tiles

# Pillow warns of odd metadata, in the client's words; each new wording would be printed, and remembered for good.
warnings.filterwarnings("ignore", module=r"PIL\.")
PngImagePlugin.MAX_TEXT_MEMORY = PngImagePlugin.MAX_TEXT_CHUNK  # 1 MiB of text once unpacked, instead of 64


class CountedReads(io.BytesIO):
    """A file in memory for a decoder, as long as it does not read it in too many pieces or too many times over."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name
        self._reads_left = _FREE_READS + len(content) // _BYTES_PER_READ
        self._bytes_left = _READ_OVER * (len(content) + io.DEFAULT_BUFFER_SIZE)

    def read(self, size: int | None = -1, /) -> bytes:
        """As BytesIO, or TooManyPartsError."""
        content = super().read(size)
        self._reads_left -= 1
        self._bytes_left -= len(content)
        if self._reads_left < 0 or self._bytes_left < 0:
            raise TooManyPartsError(f"{self.name} is made of too many pieces; save it anew, without metadata.")
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


def check_parts(content: bytes, file_format: str, name: str) -> None:
    """Refuse what can be counted before a decoder sees it.

    Raises:
        TooManyPartsError: a JPEG of too many scans, a PNG of too many color profiles, a long PPM in text.
    """
    if file_format == "JPEG" and (scans := content.count(b"\xff\xda")) > _MAX_SCANS:
        raise TooManyPartsError(f"{name} is a JPEG of {scans:,} scans; up to {_MAX_SCANS} are decoded.")
    if file_format == "PNG" and (profiles := content.count(b"iCCP")) > _MAX_COLOR_PROFILES:
        raise TooManyPartsError(f"{name} has {profiles:,} color profiles; an image has one.")
    if file_format == "PPM" and content[1:2] in b"123" and len(content) > _MAX_TEXT_PPM:
        raise TooManyPartsError(
            f"{name} is a PPM in text of {len(content):,} bytes; text is read up to {_MAX_TEXT_PPM:,}, binary beyond."
        )
