"""BMP files that Pillow shows otherwise than browsers do: mended where one field does it, else refused."""

import struct

from app.classifier.errors import DamagedImageError, UnsupportedModeError
from app.classifier.formats.parts import ImageParts, most_pieces, too_many_pieces

__all__ = ["take_apart"]

_HEADER = struct.Struct("<10xIIii2xHI12xI")  # place of the pixels, size, width, height, bits, compression, colors
_OS2_SIZE = 12  # of a header that says less, and leaves nothing to mend
_FILE_HEADER_BYTES = 14  # which stand before it
_PLACE, _COMPRESSION, _COLORS = 10, 30, 46  # places of these in the file
_MOST_COLORED_BITS = 8  # of pixels that are indices of a palette
_MASKS = struct.Struct("<4I")  # of red, green, blue and alpha
_MASKS_PLACE = 54
_BITMAP, _RLE8, _RLE4, _BITFIELDS = range(4)  # compressions
_HAS_ALPHA_MASK = {56, 108, 124}  # sizes of headers
_SHOWS_ALPHA = {108, 124}  # sizes of headers whose alpha counts without BITFIELDS, too
_BGRA = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
_END_OF_ROW, _END, _STEP = range(3)  # codes behind a run of no pixels; from 3 on, so many pixels follow


def take_apart(content: bytes, name: str) -> ImageParts:
    """Find what a BMP shows; what is broken is left to the decoder.

    Raises:
        DamagedImageError: it does not say where its pixels are.
        UnsupportedModeError: 16-bit pixels with alpha, or run lengths that leave pixels out.
        TooManyPartsError: it has more run lengths than an image needs.
    """
    if len(content) < _MASKS_PLACE:
        return ImageParts(content)
    place, size, width, _, bits, compression, colors = _HEADER.unpack_from(content)
    if not place:
        raise DamagedImageError(f"{name} is a BMP that does not say where its pixels are.")
    if size <= _OS2_SIZE:
        return ImageParts(content)
    masks = _MASKS.unpack_from(content.ljust(_MASKS_PLACE + _MASKS.size), _MASKS_PLACE)
    if size in _HAS_ALPHA_MASK and bits == 16 and compression == _BITFIELDS and masks[3]:
        raise UnsupportedModeError(f"{name} has 16-bit pixels with alpha; send PNG, or BMP of 24 or 32 bits.")
    if size in _SHOWS_ALPHA and bits == 32 and compression == _BITMAP and masks == _BGRA:
        return ImageParts(_with(content, _COMPRESSION, _BITFIELDS))
    if compression in {_RLE8, _RLE4} and _leaves_pixels_out(
        content, place, width, is_4_bits=compression == _RLE4, name=name
    ):
        raise UnsupportedModeError(
            f"{name} has run lengths that leave pixels out; send PNG, or BMP without run lengths."
        )
    if bits <= _MOST_COLORED_BITS and colors not in {0, 1 << bits}:
        return ImageParts(_with_whole_palette(content, place, _FILE_HEADER_BYTES + size, colors, bits))
    return ImageParts(content)


def _with(content: bytes, place: int, number: int) -> bytes:
    """The file with another number at a place."""
    return content[:place] + struct.pack("<I", number) + content[place + 4 :]


def _with_whole_palette(content: bytes, place: int, start: int, colors: int, bits: int) -> bytes:
    """The file with as many colors as there are indices: black where it has none, as browsers show them.

    Pillow reads a short palette of grays as if its length told the bits of a pixel, and up to 65,536 colors in Python.
    """
    end = start + 4 * min(colors, 1 << bits)
    palette = content[start:end].ljust(4 << bits, b"\0")
    head = _with(_with(content[:start], _PLACE, start + len(palette)), _COLORS, 1 << bits)
    return head + palette + content[max(place, end) :]


def _leaves_pixels_out(content: bytes, place: int, width: int, *, is_4_bits: bool, name: str) -> bool:
    """Whether rows end early or pixels are stepped over: browsers show black there, Pillow the first color."""
    x = 0
    for _ in range(most_pieces(content)):
        run, code = content[place : place + 2] if place + 2 <= len(content) else (0, _END)
        place += 2
        if run:
            x += run
        elif code == _END:
            return False
        elif code == _STEP or (code == _END_OF_ROW and x < width):
            return True
        elif code == _END_OF_ROW:
            x = 0
        else:
            x += code
            literal = (code + 1) // 2 if is_4_bits else code
            place += literal + literal % 2
    raise too_many_pieces(name)
