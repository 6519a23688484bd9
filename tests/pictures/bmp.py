"""BMP: every header and depth, masks, run lengths, and rows from the top."""

import struct
from collections.abc import Callable, Sequence
from typing import Any

from tests.pictures.scene import SIDE, color, gray

__all__ = ["PICTURES", "REFUSED", "bmp", "grays", "indexed"]

_PLAIN, _RLE8, _RLE4, _BITFIELDS, _ALPHA_BITFIELDS = 0, 1, 2, 3, 6


def bmp(
    bits: int,
    pixels: bytes,
    *,
    palette: bytes = b"",
    header: int = 40,
    compression: int = _PLAIN,
    masks: Sequence[int] = (),
    top_down: bool = False,
    colors: int | None = None,
    size: tuple[int, int] = (SIDE, SIDE),
) -> bytes:
    """A file of these pixels as they lie in it; masks are red, green, blue and alpha."""
    width, height = size
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        count = len(palette) // 4 if colors is None else colors
        sides = width, -height if top_down else height
        info = struct.pack("<IiiHHIIiiII", header, *sides, 1, bits, compression, len(pixels), 2835, 2835, count, 0)
        fields = struct.pack(f"<{len(masks)}I", *masks)
        info = (info + fields).ljust(header, b"\0") if header > 40 else info + fields
    start = 14 + len(info) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + info + palette + pixels


def _rows(lines: Sequence[bytes], *, top_down: bool = False) -> bytes:
    return b"".join(line + bytes(-len(line) % 4) for line in (lines if top_down else reversed(lines)))


def _packed(bits: int) -> list[bytes]:
    """Indices, most significant first."""
    lines = []
    for y in range(SIDE):
        text = "".join(f"{gray(x, y) >> 8 - bits:0{bits}b}" for x in range(SIDE))
        lines.append(int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big"))
    return lines


def _palette(bits: int, *, last: bytes = b"\0") -> bytes:
    steps = 2**bits - 1
    return b"".join(bytes((index * 127 // steps, index * 255 // steps, 255 - index)) + last for index in range(2**bits))


def _words(masks: Sequence[int], size: int) -> list[bytes]:
    """Each color in its mask; alpha falls from row to row."""
    lines = []
    for y in range(SIDE):
        line = b""
        for x in range(SIDE):
            values = (*color(x, y), 255 - 9 * y)
            word = sum(_into(value, mask) for value, mask in zip(values, masks, strict=False))
            line += word.to_bytes(size, "little")
        lines.append(line)
    return lines


def _into(value: int, mask: int) -> int:
    if not mask:
        return 0
    shift = (mask & -mask).bit_length() - 1
    return (value * (mask >> shift) // 255) << shift


_BGR = (0xFF0000, 0xFF00, 0xFF, 0)
_BGRA = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
_RGBA = (0xFF, 0xFF00, 0xFF0000, 0xFF000000)
_ALPHA_FIRST = (0xFF000000, 0xFF0000, 0xFF00, 0xFF)
_555 = (0x7C00, 0x3E0, 0x1F)
_565 = (0xF800, 0x7E0, 0x1F)
_1555 = (0x7C00, 0x3E0, 0x1F, 0x8000)
_4444 = (0xF00, 0xF0, 0xF, 0xF000)


_MASKS = {  # by name: the masks, and bytes of a pixel
    "565": (_565, 2),
    "555": (_555, 2),
    "1555": (_1555, 2),
    "4444": (_4444, 2),
    "BGRX": (_BGR, 4),
    "BGRA": (_BGRA, 4),
    "RGBA": (_RGBA, 4),
    "alpha first": (_ALPHA_FIRST, 4),
}


def _masked(name: str, compression: int = _BITFIELDS, header: int = 40) -> bytes:
    masks, size = _MASKS[name]
    said = masks[:3] if header == 40 and compression == _BITFIELDS else (*masks, 0)[:4]
    return bmp(8 * size, _rows(_words(masks, size)), compression=compression, masks=said, header=header)


def _modes() -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for bits in (1, 4, 8):
        found |= {
            f"{bits} bits": bmp(bits, _rows(_packed(bits)), palette=_palette(bits)),
            f"{bits} bits from the top": bmp(
                bits, _rows(_packed(bits), top_down=True), palette=_palette(bits), top_down=True
            ),
            f"{bits} bits of OS/2": bmp(bits, _rows(_packed(bits)), palette=_of_os2(_palette(bits)), header=12),
            f"{bits} bits, palette with a fourth byte": bmp(
                bits, _rows(_packed(bits)), palette=_palette(bits, last=b"\x80")
            ),
            f"{bits} bits, colors not counted": bmp(bits, _rows(_packed(bits)), palette=_palette(bits), colors=0),
        }
    true, with_alpha = _rows(_words(_BGR, 3)), _rows(_words(_BGRA, 4))
    found |= {
        "24 bits": bmp(24, true),
        "24 bits from the top": bmp(24, _rows(_words(_BGR, 3), top_down=True), top_down=True),
        "24 bits of OS/2": bmp(24, true, header=12),
        **{f"24 bits, header of {size}": bmp(24, true, header=size) for size in (52, 56, 64, 108, 124)},
        "24 bits with a palette": bmp(24, true, palette=_palette(4)),
        "32 bits": bmp(32, _rows(_words(_BGR, 4))),
        "32 bits with alpha that is not told": bmp(32, with_alpha),
        "32 bits with alpha, header of 108 without masks": bmp(32, with_alpha, header=108),
        **{
            f"32 bits with alpha, header of {size} with masks": bmp(32, with_alpha, header=size, masks=_BGRA)
            for size in (56, 108, 124)
        },
        "32 bits of no alpha at all": bmp(32, _rows(_words(_BGR, 4)), compression=_BITFIELDS, masks=_BGRA, header=108),
        "16 bits": bmp(16, _rows(_words(_555, 2))),
        "16 bits, the last one set": bmp(16, _rows(_words(_1555, 2))),
        "16 bits with alpha that is masked without need": bmp(16, _rows(_words(_1555, 2)), header=124, masks=_1555),
    }
    for name, (masks, _) in _MASKS.items():
        if name not in {"4444", "RGBA"}:
            found[f"masks {name}"] = _masked(name)
        if len(masks) == 3 or masks[0] > 0xFFFF or masks is _RGBA:
            found |= {f"masks {name}, header of {size}": _masked(name, header=size) for size in (56, 108, 124)}
    return found


def indexed(bits: int, palette: bytes, **options: Any) -> bytes:
    """The scene in these colors, by indices of so many bits."""
    return bmp(bits, _rows(_packed(bits)), palette=palette, **options)


def grays(colors: int) -> bytes:
    """Black and white, or as many from black on, one after another, and again."""
    return b"".join(bytes([255 * index if colors == 2 else index % 256] * 3) + b"\0" for index in range(colors))


def _of_os2(palette: bytes) -> bytes:
    return b"".join(palette[start : start + 3] for start in range(0, len(palette), 4))


def _runs(row: Callable[[int], bytes], end: bytes = b"\0\1", **options: Any) -> bytes:
    """Run lengths of 8 bits, from the last row up."""
    pixels = b"".join(row(y) for y in reversed(range(SIDE)))
    return bmp(8, pixels + end, palette=_palette(8), compression=_RLE8, **options)


def _singly(y: int, start: int = 0, end: int = SIDE) -> bytes:
    return b"".join(bytes((1, gray(x, y))) for x in range(start, end))


_END_OF_ROW = b"\0\0"


def _run_lengths() -> dict[str, bytes]:
    def literal(y: int) -> bytes:
        return b"\0\x1c" + bytes(gray(x, y) for x in range(SIDE)) + _END_OF_ROW

    def odd_literal(y: int) -> bytes:
        return b"\0\x1b" + bytes(gray(x, y) for x in range(27)) + b"\0" + _singly(y, 27) + _END_OF_ROW

    fours = b"".join(
        b"".join(bytes((2, gray(x, y) & 0xF0 | gray(x + 1, y) >> 4)) for x in range(0, SIDE, 2)) + _END_OF_ROW
        for y in reversed(range(SIDE))
    )
    return {
        "RLE8, runs": _runs(lambda y: _singly(y) + _END_OF_ROW),
        "RLE8, literals": _runs(literal),
        "RLE8, odd literals": _runs(odd_literal),
        "RLE8, without an end": _runs(lambda y: _singly(y) + _END_OF_ROW, end=b""),
        "RLE8, from the top": _runs(lambda y: _singly(27 - y) + _END_OF_ROW, top_down=True),
        "RLE8, runs beyond the row": _runs(lambda y: _singly(y, 0, 20) + b"\x50\xc8" + _END_OF_ROW),
        "RLE4, runs": bmp(4, fours + b"\0\1", palette=_palette(4), compression=_RLE4),
    }


def _odd() -> dict[str, bytes]:
    plain = bmp(8, _rows(_packed(8)), palette=_palette(8))
    gap = plain[:10] + struct.pack("<I", 14 + 40 + 1024 + 8) + plain[14:1078] + bytes(8) + plain[1078:]
    return {
        **{
            f"{bits} bits, {colors} grays": indexed(bits, grays(colors))
            for bits in (1, 4, 8)
            for colors in (1, 2, 3, 100, 255, 256, 300)
            if not (bits == 4 and colors > 15)
        },
        **{
            f"{bits} bits, {colors} colors": indexed(bits, _palette(8) * 2, colors=colors)
            for bits in (1, 4, 8)
            for colors in (500, 65_536, 2**31)
        },
        "a palette of OS/2 that looks like run lengths": bmp(
            8, _rows(_packed(8)), palette=_of_os2(b"\1\0\0\0" * 256), header=12
        ),
        "a palette shorter than its indices": bmp(8, _rows(_packed(8)), palette=_palette(8)[: 4 * 100]),
        "bytes behind the end": plain + b"anything",
        "a wrong size of the file": plain[:2] + bytes(4) + plain[6:],
        "a gap before the pixels": gap,
        "no planes": plain[:26] + bytes(2) + plain[28:],
        "gamma in its header": _with_gamma(),
    }


def _with_gamma() -> bytes:
    content = bytearray(bmp(24, _rows(_words(_BGR, 3)), header=108))
    content[14 + 56 : 14 + 60] = struct.pack("<I", 0)  # calibrated
    content[14 + 96 : 14 + 108] = struct.pack("<III", *[0x10000] * 3)  # of gamma 1
    return bytes(content)


def _without_place() -> bytes:
    content = bytearray(bmp(8, _rows(_packed(8)), palette=_palette(8)))
    content[10:14] = bytes(4)
    return bytes(content)


PICTURES: dict[str, bytes] = {
    f"BMP: {name}": picture for pictures in (_modes(), _run_lengths(), _odd()) for name, picture in pictures.items()
}

_STEP = b"\0\2\5\0"  # five to the right
REFUSED: dict[str, tuple[bytes, str]] = {
    **{
        f"BMP: {name} with alpha, header of {size}": (_masked(name, header=size), "16-bit pixels with alpha")
        for name in ("1555", "4444")
        for size in (56, 108, 124)
    },
    **{f"BMP: masks {name}": (_masked(name), "Unsupported BMP bitfields") for name in ("4444", "RGBA")},
    **{
        f"BMP: masks {name}, alpha among them": (_masked(name, _ALPHA_BITFIELDS), "Unsupported BMP compression")
        for name in _MASKS
    },
    "BMP: no place of the pixels": (_without_place(), "where its pixels are"),
    "BMP: RLE8, rows that end early": (_runs(lambda y: _singly(y, 0, 20) + _END_OF_ROW), "leave pixels out"),
    "BMP: RLE8, a step in each row": (
        _runs(lambda y: _singly(y, 0, 5) + _STEP + _singly(y, 10) + _END_OF_ROW),
        "leave pixels out",
    ),
    "BMP: RLE8, a step up": (_runs(lambda y: b"\0\2\0\1" if y == 27 else _singly(y) + _END_OF_ROW), "leave pixels out"),
    "BMP: RLE8, an early end": (_runs(lambda y: _singly(y) + _END_OF_ROW if y > 20 else b""), "not enough image data"),
    "BMP: RLE8, nothing": (_runs(lambda _: b""), "not enough image data"),
    "BMP: RLE4, a step": (bmp(4, b"\0\2\5\6\x0a\x8a\0\1", palette=_palette(4), compression=_RLE4), "leave pixels out"),
}
"""Files that browsers show, and words of our refusal."""
