"""Exif as cameras write it, and as programs break it; each names an orientation of six, a quarter turn, or three."""

import struct

__all__ = ["EXIFS", "exif"]

_ORIENTATION, _SHORT = 0x112, 3


def exif(
    orientation: int = 6,
    *,
    order: str = "<",
    head: bytes | None = None,
    start: int = 8,
    tag: int = _ORIENTATION,
    kind: int = _SHORT,
    count: int = 1,
    others: int = 0,
    second: int | None = None,
    entries: int | None = None,
) -> bytes:
    """One directory with an orientation, behind so many `others` and before a `second`; it claims so many `entries`."""
    value = struct.pack(
        order + ("HH" if kind == _SHORT else "I"), *((orientation, 0) if kind == _SHORT else (orientation,))
    )
    found = [struct.pack(order + "HHII", 0x100 + number % 2, _SHORT, 1, 1) for number in range(others)]
    found.append(struct.pack(order + "HHI", tag, kind, count) + value)
    if second is not None:
        found.append(struct.pack(order + "HHIHH", tag, kind, 1, second, 0))
    if head is None:
        head = b"II*\0" if order == "<" else b"MM\0*"
    count = len(found) if entries is None else entries
    return (
        head
        + struct.pack(order + "I", start)
        + bytes(start - 8)
        + struct.pack(order + "H", count)
        + b"".join(found)
        + bytes(4)
    )


_GOOD = exif()

EXIFS: dict[str, bytes] = {
    **{f"orientation {number}": exif(number) for number in (*range(10), 255, 65535)},
    **{f"big-endian orientation {number}": exif(number, order=">") for number in range(1, 9)},
    **{f"value of type {kind}": exif(kind=kind) for kind in (0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 13, 99)},
    "big-endian long": exif(kind=4, order=">"),
    "no value": exif(count=0),
    "two values": exif(count=2),
    "a billion values": exif(count=2**30),
    "directory further on": exif(start=100),
    "directory at an odd place": exif(start=9),
    "directory in the header": _GOOD[:4] + struct.pack("<I", 4) + _GOOD[8:],
    "directory at 0": _GOOD[:4] + bytes(4) + _GOOD[8:],
    "directory beyond the end": _GOOD[:4] + struct.pack("<I", 9999) + _GOOD[8:],
    "directory at the largest number": _GOOD[:4] + b"\xff" * 4 + _GOOD[8:],
    "more entries than there are": exif(entries=65535),
    "no entries": exif(entries=0),
    "cut in its entry": _GOOD[:-8],
    "cut behind its value": _GOOD[:-6],
    "cut behind its entry": _GOOD[:-4],
    "cut in its count": _GOOD[:9],
    "cut in its header": _GOOD[:6],
    "header alone": _GOOD[:8],
    "empty": b"",
    "behind ten others": exif(others=10),
    "6, then 3": exif(second=3),
    "1, then 6": exif(1, second=6),
    "9, then 6": exif(9, second=6),
    "of another tag": exif(tag=0x111),
    "head of garbage": exif(head=b"garb"),
    "head of BigTIFF": exif(head=b"II+\0"),
    "head of two orders": exif(head=b"IM*\0"),
    "head of the other order": exif(head=b"MM\0*"),
    "without a header": b"\0\x08\0\2\1\x12\0\3\0\0\0\1\0\6\0\0",
    "garbage": b"garbage" * 20,
    "zeros": bytes(100),
    "itself twice": b"Exif\0\0" + _GOOD,
    "in the second directory": b"II*\0" + struct.pack("<IHI", 8, 0, 14) + _GOOD[8:],
    "a directory that is its own next": _GOOD[:-4] + struct.pack("<I", 8),
}
