"""TIFF files whose directory says more than an image needs are refused before decoders act on it.

libtiff takes memory for a whole tile, which a file of 150 bytes may say has 2 GB; Pillow makes objects of
numbers, one by one.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from app.classifier.errors import DamagedImageError, TooManyPartsError, TooManyPixelsError, UnsupportedModeError
from app.classifier.formats.parts import ImageParts, most_pieces, too_many_pieces

__all__ = ["take_apart"]

_FREE_TILE_PIXELS = 512 * 512  # that a tile may have of any image
_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 322, 323  # tags
_FIRST_OF_METADATA = 700  # XMP; tags below say how pixels are stored, and Pillow goes through their values in Python
_SHORT, _LONG = 3, 4  # types of values
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}  # by type
_BYTES_ALONE = {1, 2, 7}  # types whose values Pillow leaves as they are: bytes, text, undefined
_FRACTIONS = {5, 10}  # types of which it makes an object each
_MAX_FRACTIONS = 1024
_MAX_NUMBERS = 2**18  # a palette of 16 bits has 196,608
_BYTE_ORDERS = {b"II": "<", b"MM": ">"}
_BIG = b"II+\0"  # BigTIFF, whose offsets have 64 bits
_BIG_ENDIAN_BIG = b"MM\0+"  # which Pillow reads as if they had 32


class _Tag(NamedTuple):
    number: int
    kind: int
    values: int
    value: bytes  # or where the values are


def take_apart(content: bytes, name: str) -> ImageParts:
    """Look through the first directory; a TIFF that says no more than others is left to its decoder.

    Raises:
        DamagedImageError: it does not say clearly how large its tiles are.
        TooManyPartsError: it has more tags, or more numbers in them, than an image needs.
        TooManyPixelsError: a tile has more pixels than the image, and than many programs' tiles.
        UnsupportedModeError: it is a BigTIFF with the highest byte of a number first.
    """
    if content.startswith(_BIG_ENDIAN_BIG):
        raise UnsupportedModeError(f"{name} is a big-endian BigTIFF; save it as TIFF.")
    order = _BYTE_ORDERS.get(content[:2])
    if order is not None:
        tags = list(_tags(content, order, name))
        _check_numbers([tag for tag in tags if _has_values(tag, len(content))], name)
        _check_tiles(tags, order, name)
    return ImageParts(content)


def _tags(content: bytes, order: str, name: str) -> Iterator[_Tag]:
    place_of_start, numbers, entry = (8, "QQ", "HHQ8s") if content.startswith(_BIG) else (4, "IH", "HHI4s")
    entries = struct.Struct(order + entry)
    try:
        [start] = struct.unpack_from(order + numbers[0], content, place_of_start)
        [count] = struct.unpack_from(order + numbers[1], content, start)
    except (struct.error, OverflowError):
        return
    start += struct.calcsize(order + numbers[1])
    whole = min(count, (len(content) - start) // entries.size)
    if whole > most_pieces(content):
        raise too_many_pieces(name)
    yield from map(_Tag._make, entries.iter_unpack(content[start : start + whole * entries.size]))


def _has_values(tag: _Tag, length: int) -> bool:
    """Whether its values may be in a file of this length; Pillow passes over others."""
    return tag.kind in _VALUE_BYTES and tag.values * _VALUE_BYTES[tag.kind] <= length


def _check_numbers(tags: list[_Tag], name: str) -> None:
    fractions = sum(tag.values for tag in tags if tag.kind in _FRACTIONS)
    numbers = sum(tag.values for tag in tags if tag.kind not in _BYTES_ALONE or tag.number < _FIRST_OF_METADATA)
    if fractions > _MAX_FRACTIONS or numbers > _MAX_NUMBERS:
        raise TooManyPartsError(
            f"{name} has {numbers:,} numbers in its tags, {fractions:,} of them fractions; up to {_MAX_NUMBERS:,} and "
            f"{_MAX_FRACTIONS:,} are read."
        )


def _check_tiles(tags: list[_Tag], order: str, name: str) -> None:
    sides = defaultdict[int, list[int]](list)  # by tag; what is no plain number is told twice
    for tag in tags:
        if tag.number in {_WIDTH, _HEIGHT, _TILE_WIDTH, _TILE_HEIGHT}:
            [number] = struct.unpack_from(order + ("H" if tag.kind == _SHORT else "I"), tag.value)
            sides[tag.number] += [number] if tag.kind in {_SHORT, _LONG} and tag.values == 1 else [number] * 2
    match sides[_TILE_WIDTH], sides[_TILE_HEIGHT]:
        case [], []:
            pass
        case [int(width)], [int(height)]:
            image_pixels = (sides[_WIDTH] or [0])[-1] * (sides[_HEIGHT] or [0])[-1]
            if width * height > max(_FREE_TILE_PIXELS, 2 * image_pixels):  # tiles may reach beyond it
                raise TooManyPixelsError(f"{name} is a TIFF in tiles of {width}×{height} pixels; save it in strips.")
        case _:
            raise DamagedImageError(f"{name} is a TIFF that does not say clearly how large its tiles are.")
