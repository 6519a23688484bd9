"""Image files that nobody's camera makes: small to send, and long to open or large in memory for who does not look out.

Built byte by byte, because image libraries refuse to write them.
"""

import struct
import zlib
from collections.abc import Sequence

from PIL import Image

from tests import drawings

__all__ = [
    "BLANK",
    "COSTLY",
    "HUGE",
    "LONG_METADATA",
    "SEVERAL_FRAMES",
    "gif",
    "jpeg",
    "png",
    "png_chunk",
    "tiff",
    "tiled_tiff",
]

_SHORT, _LONG = 3, 4  # types of TIFF values


def png_chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I4s", len(data), kind) + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int, height: int, *, extra: bytes = b"", color_type: int = 2, pixels: bytes | None = None, bits: int = 8
) -> bytes:
    """A PNG, 8-bit RGB unless told otherwise; black (of 8 bits), or of these `pixels` with their filter bytes."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[color_type]
    if pixels is None:
        compressor = zlib.compressobj(9)
        row = bytes(1 + channels * width)
        data = b"".join(compressor.compress(row) for _ in range(height)) + compressor.flush()
    else:
        data = zlib.compress(pixels, 9)
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + extra + png_chunk(b"IDAT", data) + png_chunk(b"IEND")


def jpeg(*, after_start: bytes = b"", scans: int = 0) -> bytes:
    """A progressive 28×28 JPEG with more segments after its first marker, and its last scan so many times more."""
    content = drawings.encode(BLANK, "JPEG", progressive=True)
    last_scan = content[content.rfind(b"\xff\xda") : -2]
    return content[:2] + after_start + content[2:-2] + last_scan * scans + content[-2:]


def gif(*, extensions: bytes) -> bytes:
    """A 28×28 GIF with extension blocks before its image."""
    content = drawings.encode(BLANK, "GIF")
    palette_end = 13 + 3 * (2 << (content[10] & 7))
    return content[:palette_end] + extensions + content[palette_end:]


def tiff(
    width: int,
    height: int,
    tags: Sequence[tuple[int, int, int, int]] = (),
    data: bytes = b"",
    *,
    bits: int = 8,
    white_is_zero: bool = False,
    compression: int = 1,
) -> bytes:
    """A gray TIFF, not compressed unless told; each tag is a number, a type, a count, and a value or its offset."""
    needed = [
        (256, _LONG, 1, width),
        (257, _LONG, 1, height),
        (258, _SHORT, 1, bits),
        (259, _SHORT, 1, compression),
        (262, _SHORT, 1, not white_is_zero),
        (277, _SHORT, 1, 1),
    ]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in (*needed, *tags))
    return b"II*\0" + struct.pack("<IH", 8, len(needed) + len(tags)) + entries + bytes(4) + data


def _striped_tiff(strips: int) -> bytes:
    offsets = 8 + 2 + 12 * 9 + 4
    tags = [(273, _LONG, strips, offsets), (278, _LONG, 1, 1), (279, _LONG, strips, offsets + 4 * strips)]
    return tiff(28, 28, tags, struct.pack("<I", 8) * strips + struct.pack("<I", 28) * strips)


def tiled_tiff(*tags: tuple[int, int, int, int], side: int = 28) -> bytes:
    """A black gray TIFF, packed, with one tile and these tags that say how large that is."""
    tile = zlib.compress(bytes(512 * 512), 9)
    offset = 8 + 2 + 12 * (6 + len(tags) + 2) + 4
    place = (324, _LONG, 1, offset), (325, _LONG, 1, len(tile))
    return tiff(side, side, [*tags, *place], tile, compression=8)


def _bmp_header(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def _resized(content: bytes, old: bytes, new: bytes) -> bytes:
    """The file with its size in the header replaced."""
    assert old in content
    return content.replace(old, new, 1)


BLANK = Image.new("L", (28, 28))

# 28×28 images of up to 1 MiB, each with the words that refuse it.
COSTLY: dict[str, tuple[bytes, str]] = {
    "png of many chunks": (png(28, 28, extra=png_chunk(b"abCd") * 80_000), "too many pieces"),
    "jpeg of many scans": (jpeg(scans=60_000), "scans"),
    "jpeg of many markers": (jpeg(after_start=b"\xff\xe5\0\2" * 250_000), "too many pieces"),
    "jpeg of many fill bytes": (jpeg(after_start=b"\xff" * 1_000_000), "too many pieces"),
    "jpeg of many fill bytes that no marker follows": (
        jpeg(after_start=b"\xff" * 1_000_000 + b"\0"),
        "too many pieces",
    ),
    "gif of many comments": (gif(extensions=b"!\xfe\x01a\0" * 200_000), "too many pieces"),
    "gif of a comment in many blocks": (gif(extensions=b"!\xfe" + b"\x01a" * 500_000 + b"\0"), "too many pieces"),
    "tiff of many strips": (_striped_tiff(120_000), "120,000 strips"),
    "tiff of many fractions": (tiff(28, 28, [(338, 5, 130_000, 200)], bytes(2**20 - 1024)), "fractions"),
    "tiff of many numbers": (tiff(28, 28, [(338, _SHORT, 523_000, 200)], bytes(2**20 - 1024)), "numbers"),
    "big tiff of many fractions": (
        b"II+\0\x08\0\0\0" + struct.pack("<QQHHQQ", 16, 1, 338, 5, 130_000, 200) + bytes(2**20 - 1024),
        "fractions",
    ),
    "tiff of many tags": (tiff(28, 28, [(40_000, _LONG, 1, 1)] * 65_000), "too many pieces"),
    "pgm of many comments": (b"P5\n" + b"#\n" * 500_000 + b"28 28\n255\n" + bytes(784), "too many pieces"),
    "pbm of many comments in its text": (b"P1\n28 28\n" + b"#\n" * 500_000 + b"1 " * 784, "in text"),
}

# 28×28 images of up to 1 MiB whose metadata are long to read for whoever reads them; all are black.
LONG_METADATA: dict[str, bytes] = {
    "png of many color profiles": png(
        28, 28, extra=png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**20 - 9), 9)) * 900
    ),
    "png with a color profile of 50 MB": png(
        28, 28, extra=png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(50_000_000), 9))
    ),
    "png with a text of 50 MB": png(28, 28, extra=png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000), 9))),
    "png of many texts": png(28, 28, extra=png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**19), 9)) * 900),
    "png with much Exif": png(28, 28, extra=png_chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + bytes(12 * 65_535 + 4))),
    "jpeg of many scans in a comment": jpeg(after_start=b"\xff\xfe\xff\xff" + b"\xff\xda" * 32_766 + b"\xff"),
    "jpeg of a film behind its end": jpeg() + b"\xff\xda" * 500_000,
}

# Headers of gigapixel images, which have hardly a byte of them.
HUGE: dict[str, bytes] = {
    "PNG": png(60_000, 60_000, pixels=b""),
    "JPEG": _resized(jpeg(), b"\x08\0\x1c\0\x1c", b"\x08\xff\xdc\xff\xdc"),
    "BMP": _bmp_header(60_000, 60_000),
    "GIF": _resized(drawings.encode(BLANK, "GIF"), b"a\x1c\0\x1c\0", b"a\x60\xea\x60\xea"),
    "TIFF": tiff(60_000, 60_000, [(273, _LONG, 1, 8), (278, _LONG, 1, 60_000), (279, _LONG, 1, 100)]),
    "PPM": b"P5 60000 60000 255\n",
}

SEVERAL_FRAMES: dict[str, bytes] = {
    file_format: drawings.encode(
        drawings.ankle_boot(), file_format, save_all=True, append_images=[drawings.noise(), BLANK]
    )
    for file_format in ("GIF", "TIFF", "WEBP", "PNG")
}
