"""TIFF files in tiles: libtiff takes memory for a whole one, which a file of 150 bytes may say has 2 GB."""

import struct
from collections import defaultdict

from app.classifier.errors import DamagedImageError, TooManyPixelsError
from app.classifier.formats.parts import ImageParts, most_pieces, too_many_pieces

__all__ = ["take_apart"]

_FREE_TILE_PIXELS = 512 * 512  # that a tile may have of any image
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323  # tags
_SHORT, _LONG = 3, 4  # types of values
_BYTE_ORDERS = {b"II": "<", b"MM": ">"}
_BIG = (b"+\0", b"\0+")  # what follows the byte order of a BigTIFF


def take_apart(content: bytes, name: str) -> ImageParts:
    """Leave a TIFF to its decoder, unless its tiles are larger than its image needs.

    Raises:
        DamagedImageError: it does not say clearly how large its tiles are.
        TooManyPartsError: it has more tags than an image needs.
        TooManyPixelsError: a tile has more pixels than the image, and than many programs' tiles.
    """
    sides = _sides(content, name)
    match sides[_TILE_WIDTH], sides[_TILE_HEIGHT]:
        case [], []:
            pass
        case [int(width)], [int(height)]:
            image_pixels = (sides[_WIDTH] or [0])[-1] * (sides[_HEIGHT] or [0])[-1]
            if width * height > max(_FREE_TILE_PIXELS, 2 * image_pixels):  # tiles may reach beyond it
                raise TooManyPixelsError(f"{name} is a TIFF in tiles of {width}×{height} pixels; save it in strips.")
        case _:
            raise DamagedImageError(f"{name} is a TIFF that does not say clearly how large its tiles are.")
    return ImageParts(content)


def _sides(content: bytes, name: str) -> defaultdict[int, list[int]]:
    """Widths and heights that its first directory tells, by tag; what is no plain number is told twice."""
    found = defaultdict[int, list[int]](list)
    order = _BYTE_ORDERS.get(content[:2])
    if order is None:
        return found
    place_of_start, numbers, entry = (8, "QQ", "HHQ8s") if content[2:4] in _BIG else (4, "IH", "HHI4s")
    entries = struct.Struct(order + entry)
    try:
        [start] = struct.unpack_from(order + numbers[0], content, place_of_start)
        [count] = struct.unpack_from(order + numbers[1], content, start)
    except struct.error:
        return found
    start += struct.calcsize(order + numbers[1])
    whole = min(count, (len(content) - start) // entries.size)
    if whole > most_pieces(content):
        raise too_many_pieces(name)
    for tag, kind, values, value in entries.iter_unpack(content[start : start + whole * entries.size]):
        if tag in {_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT}:
            [number] = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), value)
            found[tag] += [number] if kind in {_SHORT, _LONG} and values == 1 else [number] * 2
    return found
