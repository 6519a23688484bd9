"""Which side of an image is up, as browsers read it from Exif: docs/decisions/what-an-image-shows.md."""

import struct

from PIL import ExifTags, Image, ImageOps

__all__ = ["read_orientation", "upright"]

_MAX_EXIF_BYTES = 64 * 1024  # of Exif are looked at: what a JPEG can have
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_SHORT = 3  # type of a value: 16 bits
_ENTRY_BYTES = 12


def read_orientation(exif: bytes) -> int:
    """Read how an image is stored: 1 upright, 2 to 8 as Exif numbers turns and reflections.

    Broken Exif is none: the image is upright.

    Args:
        exif: a TIFF structure. What counts is the first orientation in its first directory that is valid.
    """
    order = _BYTE_ORDERS.get(exif[:4])
    if order is None:
        return 1
    try:
        [start] = struct.unpack_from(f"{order}I", exif, 4)
        [count] = struct.unpack_from(f"{order}H", exif, start)
    except struct.error:
        return 1
    entries = exif[start + 2 : min(start + 2 + _ENTRY_BYTES * count, _MAX_EXIF_BYTES)]
    whole = len(entries) // _ENTRY_BYTES * _ENTRY_BYTES
    for tag, kind, values, value in struct.iter_unpack(f"{order}HHIHxx", entries[:whole]):
        if (tag, kind, values) == (ExifTags.Base.Orientation, _SHORT, 1) and 1 <= value <= 8:
            return int(value)
    return 1


def upright(image: Image.Image, orientation: object) -> Image.Image:
    """Turn an image upright; an orientation that is none from 2 to 8 turns nothing."""
    plain = image.copy()  # which no longer knows its file's own metadata
    plain.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(plain)
