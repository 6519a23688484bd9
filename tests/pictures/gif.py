"""GIF: frames and screens of all sizes, palettes of both kinds, transparency, and extensions whole and broken."""

import struct
from collections.abc import Sequence

from tests.pictures.scene import SIDE, gray

__all__ = ["COLORS", "GRAYS", "METADATA", "PICTURES", "REFUSED", "WHOLE", "control", "frame", "gif"]

GRAYS = bytes(value for index in range(256) for value in (index, index, index))
COLORS = bytes(value for index in range(256) for value in (255 - index, index, index // 2))
_END = b";"

Box = tuple[int, int, int, int]  # left, top, width, height
WHOLE: Box = (0, 0, SIDE, SIDE)
_TRIMMED: Box = (5, 6, 17, 14)


def gif(
    *parts: bytes,
    screen: tuple[int, int] = (SIDE, SIDE),
    palette: bytes = GRAYS,
    background: int = 0,
    version: bytes = b"GIF89a",
    end: bytes = _END,
) -> bytes:
    """A screen with its palette, and what is on it."""
    flags = 0x80 | 0x70 | _size(palette) if palette else 0
    return version + struct.pack("<HHBBB", *screen, flags, background, 0) + palette + b"".join(parts) + end


def frame(
    box: Box = WHOLE,
    *,
    palette: bytes = b"",
    interlaced: bool = False,
    bits: int = 8,
    before: bytes = b"",
    cut: int = 0,
) -> bytes:
    """What the scene has in this box, with indices of so many bits, but for so many bytes at the end."""
    left, top, width, height = box
    flags = 0x80 * bool(palette) | 0x40 * interlaced | (_size(palette) if palette else 0)
    rows = range(height)
    order = (
        [row for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for row in rows[start::step]] if interlaced else rows
    )
    indices = [_index(left + x, top + y, bits) for y in order for x in range(width)]
    data = _lzw(indices, bits)
    return before + b"," + struct.pack("<HHHHB", *box, flags) + palette + (data[:-cut] if cut else data)


def control(*, transparent: int | None = None, disposal: int = 0, delay: int = 0) -> bytes:
    """How the next frame is shown, and which of its indices is transparent."""
    flags = disposal << 2 | (transparent is not None)
    return b"!\xf9\4" + struct.pack("<BHBB", flags, delay, transparent or 0, 0)


def _index(x: int, y: int, bits: int) -> int:
    return gray(x % SIDE, y % SIDE) >> 8 - bits


def _size(palette: bytes) -> int:
    return max(0, (len(palette) // 3 - 1).bit_length() - 1)


def _lzw(indices: Sequence[int], bits: int) -> bytes:
    """Codes of one width, since the table is cleared before it outgrows them."""
    bits = max(2, bits)
    clear, together = 1 << bits, (1 << bits) - 2
    codes = [code for start in range(0, len(indices), together) for code in (clear, *indices[start : start + together])]
    packed = sum(code << (bits + 1) * place for place, code in enumerate([*codes, clear + 1]))
    data = packed.to_bytes(-(-(len(codes) + 1) * (bits + 1) // 8), "little")
    blocks = [data[start : start + 255] for start in range(0, len(data), 255)]
    return bytes([bits]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def _extension(kind: int, *blocks: bytes) -> bytes:
    return b"!" + bytes([kind]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def _frames() -> dict[str, bytes]:
    shown = gray(10, 10)
    return {
        "gray": gif(frame()),
        "colors": gif(frame(), palette=COLORS),
        "interlaced": gif(frame(interlaced=True)),
        "GIF87a": gif(frame(), version=b"GIF87a"),
        **{
            f"{bits} bits": gif(frame(bits=bits), palette=COLORS[:: 2 ** (8 - bits)][: 3 * 2**bits])
            for bits in (1, 2, 4, 7)
        },
        "a local palette": gif(frame(palette=COLORS)),
        "a local palette alone": gif(frame(palette=COLORS), palette=b""),
        "a palette shorter than its indices": gif(frame(), palette=COLORS[: 3 * 64]),
        "a local palette shorter than its indices": gif(frame(palette=COLORS[: 3 * 64])),
        "a transparent index": gif(frame(before=control(transparent=shown))),
        "a transparent index, interlaced": gif(frame(before=control(transparent=shown), interlaced=True)),
        "a transparent index of a local palette": gif(frame(before=control(transparent=shown), palette=COLORS)),
        "a transparent index beyond the palette": gif(
            frame(bits=4, before=control(transparent=200)), palette=COLORS[: 3 * 16]
        ),
        **{f"disposal {number}": gif(frame(before=control(disposal=number))) for number in range(8)},
        **{f"disposal {number}, trimmed": gif(frame(_TRIMMED, before=control(disposal=number))) for number in range(8)},
        **{
            f"disposal {number}, trimmed and transparent": gif(
                frame(_TRIMMED, before=control(disposal=number, transparent=shown))
            )
            for number in range(4)
        },
    }


def _screens() -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for background in (0, 200):
        way = f", background {background}"
        found |= {
            f"trimmed{way}": gif(frame(_TRIMMED), background=background),
            f"trimmed, in colors{way}": gif(frame(_TRIMMED), palette=COLORS, background=background),
            f"trimmed, interlaced{way}": gif(frame(_TRIMMED, interlaced=True), palette=COLORS, background=background),
            f"trimmed, a local palette{way}": gif(frame(_TRIMMED, palette=COLORS), background=background),
            f"trimmed, a local palette alone{way}": gif(
                frame(_TRIMMED, palette=COLORS), palette=b"", background=background
            ),
            f"trimmed, a transparent index{way}": gif(
                frame(_TRIMMED, before=control(transparent=gray(10, 10))),
                palette=COLORS,
                background=background,
            ),
            f"trimmed, a transparent index that is not used{way}": gif(
                frame(_TRIMMED, before=control(transparent=3)), palette=COLORS, background=background
            ),
        }
    boxes: dict[str, Box] = {
        "one pixel": (13, 13, 1, 1),
        "one row": (0, 9, SIDE, 1),
        "one column": (9, 0, 1, SIDE),
        "top left": (0, 0, 20, 20),
        "bottom right": (8, 8, 20, 20),
    }
    found |= {f"frame {name}": gif(frame(box), palette=COLORS) for name, box in boxes.items()}
    found |= {f"screen of {size}": gif(frame(), screen=(size, size)) for size in (0, 1, 20, 27)}
    return found


_EXTENSIONS = {
    "a comment": _extension(0xFE, b"by hand"),
    "an empty comment": _extension(0xFE),
    "a loop": _extension(0xFF, b"NETSCAPE2.0", b"\1\0\0"),
    "a loop that is cut": _extension(0xFF, b"NETSCAPE2.0", b"\1"),
    "a loop of a cut name": _extension(0xFF, b"NET"),
    "an unknown application": _extension(0xFF, b"ANYTHING1.0", b"data"),
    "XMP": b"!\xff\x0bXMP DataXMP" + b'<rdf:Description tiff:Orientation="6"/>' + bytes([1, *range(255, -1, -1), 0]),
    "a profile": _extension(0xFF, b"ICCRGBG1012", b"garbage"),
    "plain text": _extension(1, bytes(12), b"text"),
    "an unknown extension": _extension(0x77, b"data"),
    "an empty extension": b"!\0\0",
    "two controls": control(transparent=gray(10, 10)) + control(),
    "two controls, the last transparent": control() + control(transparent=gray(10, 10)),
}


def _metadata() -> dict[str, bytes]:
    return {
        **{f"{name}, before": gif(data, frame()) for name, data in _EXTENSIONS.items()},
        **{f"{name}, after": gif(frame(), data) for name, data in _EXTENSIONS.items()},
        "bytes behind the end": gif(frame()) + b"anything" * 10,
        "a frame behind the end": gif(frame()) + frame(palette=COLORS),
        "no end": gif(frame(), end=b""),
        "another byte for an end": gif(frame(), end=b"x"),
        "zeros for an end": gif(frame(), end=bytes(4)),
    }


METADATA = [data for name, data in _EXTENSIONS.items() if "control" not in name]

PICTURES: dict[str, bytes] = {
    f"GIF: {name}": picture for pictures in (_frames(), _screens(), _metadata()) for name, picture in pictures.items()
}

REFUSED: dict[str, tuple[bytes, str]] = {
    "GIF: no palette": (gif(frame(), palette=b""), "without a palette"),
    "GIF: frame beyond the right": (gif(frame((8, 0, SIDE, SIDE))), "36×28"),
    "GIF: frame beyond the bottom": (gif(frame((0, 8, SIDE, SIDE))), "28×36"),
    "GIF: frame beyond both": (gif(frame((8, 8, SIDE, SIDE))), "36×36"),
    "GIF: frame larger than the screen": (gif(frame((0, 0, 40, 40))), "40×40"),
    "GIF: frame outside": (gif(frame((28, 28, 10, 10))), "38×38"),
    "GIF: frame far outside": (gif(frame((60_000, 60_000, 10, 10))), "decompression bomb"),
    "GIF: frame without width": (gif(frame((0, 0, 0, SIDE))), "can't be decoded"),
    "GIF: frame without height": (gif(frame((0, 0, SIDE, 0))), "can't be decoded"),
    "GIF: two frames": (gif(frame(), frame(palette=COLORS)), "several frames"),
    "GIF: two frames, much between": (gif(frame(), *METADATA, frame()), "several frames"),
}
"""Files that browsers show, or some of them, and words of our refusal."""
