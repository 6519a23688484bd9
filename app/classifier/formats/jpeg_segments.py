"""JPEG files taken apart as browsers do it: only what belongs to the pixels can make a file unreadable.

What looks like a marker in other segments or behind the end is none: photographs carry thumbnails and films there.
"""

import re
from collections.abc import Iterator

from app.classifier.errors import TooManyPartsError
from app.classifier.formats.parts import Cuttings, ImageParts, most_pieces, too_many_pieces

__all__ = ["take_apart"]

_MAX_SCANS = 64  # of a JPEG; progressive ones have 6 to 18
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")  # not 0, which stands for FF among pixels, nor a restart
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_APP0, _APP1, _APP2, _APP14, _LAST_APP, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF, 0xFE
_HEAD_BYTES = 4  # of a segment before its data: marker and length

# What says how colors are stored, by segment: how it begins, and how many bytes make it whole.
_COLOR_MARKS = {_APP0: (b"JFIF\0", 14), _APP14: (b"Adobe", 12)}
_EXIF = b"Exif\0"  # and one more byte
_PROFILE = b"ICC_PROFILE\0"  # number of the part, and of all, follow

# Files of one JFIF segment and no other that may be metadata need not be walked through.
_PLAIN_START, _PLAIN_END = b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"\xff\xd9"
_MAY_BE_METADATA = re.compile(rb"\xff[\xe0-\xff]")


def take_apart(content: bytes, name: str) -> ImageParts:
    """Find what a JPEG shows; pixels that are broken are left to the decoder.

    Raises:
        TooManyPartsError: it has more segments or scans than an image needs.
    """
    if _is_plain(content):
        return ImageParts(content)
    pixels = Cuttings(content)
    exif, profile_parts = b"", []
    scans = 0
    for marker, start, end in _segments(content, name):
        if marker == _END:
            pixels.cut(end, len(content))
        elif marker == _SCAN:
            scans += 1
            if scans > _MAX_SCANS:
                raise TooManyPartsError(f"{name} is a JPEG of more than {_MAX_SCANS} scans, the most that are decoded.")
        elif marker >= _APP0:
            data = content[start + _HEAD_BYTES : end]
            if marker == _APP1 and data.startswith(_EXIF) and not scans:
                exif = exif or data[len(_EXIF) + 1 :]
            elif marker == _APP2 and data.startswith(_PROFILE) and not scans:
                profile_parts.append(data[len(_PROFILE) :])
            if _is_metadata(marker, data):
                pixels.cut(start, end)
    return ImageParts(pixels.rest(), exif=exif, profile=_profile(profile_parts))


def _is_plain(content: bytes) -> bool:
    return (
        content.startswith(_PLAIN_START)
        and content.endswith(_PLAIN_END)
        and content.count(bytes([0xFF, _SCAN])) <= _MAX_SCANS
        and _MAY_BE_METADATA.search(content, len(_PLAIN_START)) is None
    )


def _segments(content: bytes, name: str) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment; what lies between them is pixels, or nothing."""
    place = 0
    for _ in range(most_pieces(content)):
        found = _MARKER.search(content, place)
        if found is None:
            return
        place = found.end()
        marker = content[place - 1]
        if marker not in {_START, _END}:
            place += int.from_bytes(content[place : place + 2], "big")  # the length, which counts itself
        yield marker, found.end() - 2, place
        if marker == _END:
            return
    raise too_many_pieces(name)


def _is_metadata(marker: int, data: bytes) -> bool:
    if marker in _COLOR_MARKS:
        start, needed = _COLOR_MARKS[marker]
        return not data.startswith(start) or len(data) < needed
    return _APP0 <= marker <= _LAST_APP or marker == _COMMENT


def _profile(parts: list[bytes]) -> bytes | None:
    """The profile once all of its parts have come, in any order; None: one is missing, or out of place."""
    found: dict[int, bytes] = {}
    filled = [part for part in parts if len(part) > 2]
    for part in filled:
        number, count = part[:2]
        if count != filled[0][1] or not 1 <= number <= count or number in found:
            return None
        found[number] = part[2:]
        if len(found) == count:
            return b"".join(found[number] for number in range(1, count + 1))
    return None
