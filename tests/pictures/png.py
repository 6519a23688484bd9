"""PNG: every color type and depth, interlaced or not, transparency of all types, and chunks whole and broken."""

import struct
import zlib
from collections.abc import Sequence
from functools import cache
from random import Random

from tests.forgeries import png_chunk
from tests.pictures.exif import EXIFS, exif
from tests.pictures.profiles import BROKEN, GRAY_PROFILES, RGB_PROFILES
from tests.pictures.scene import SIDE, color, gray

__all__ = ["DEPTHS", "METADATA", "METADATA_WITHIN_SRGB", "PALETTE", "PICTURES", "png", "sixteen_bit", "transparent"]

_GRAY, _RGB, PALETTE, _GRAY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
DEPTHS = {_GRAY: (1, 2, 4, 8, 16), _RGB: (8, 16), PALETTE: (1, 2, 4, 8), _GRAY_ALPHA: (8, 16), _RGB_ALPHA: (8, 16)}
_NAMES = {_GRAY: "gray", _RGB: "RGB", PALETTE: "palette", _GRAY_ALPHA: "gray and alpha", _RGB_ALPHA: "RGB and alpha"}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # Adam7

Chunks = Sequence[bytes]


def png(
    color_type: int = _GRAY,
    bits: int = 8,
    *,
    interlaced: bool = False,
    before: Chunks = (),
    middle: Chunks = (),
    after: Chunks = (),
    palette: bytes | None = None,
) -> bytes:
    """The scene, with chunks before its palette, between palette and pixels, and after the pixels."""
    header = struct.pack(">IIBBBBB", SIDE, SIDE, bits, color_type, 0, 0, interlaced)
    colors = png_chunk(b"PLTE", _palette(bits) if palette is None else palette) if color_type == PALETTE else b""
    pixels = png_chunk(b"IDAT", _packed_rows(color_type, bits, interlaced=interlaced))
    start = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header)
    return start + b"".join((*before, colors, *middle, pixels, *after)) + png_chunk(b"IEND")


@cache
def _packed_rows(color_type: int, bits: int, *, interlaced: bool) -> bytes:
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    return zlib.compress(
        b"".join(
            b"\0" + _row(color_type, bits, y, range(x0, SIDE, dx))
            for x0, y0, dx, dy in passes
            for y in range(y0, SIDE, dy)
        )
    )


def _row(color_type: int, bits: int, y: int, columns: Sequence[int]) -> bytes:
    values = [value for x in columns for value in _pixel(color_type, x, y)]
    if bits == 16:
        return b"".join(struct.pack(">H", (257 * value + 97 * x) % 65536) for x, value in enumerate(values))
    packed = "".join(f"{value >> 8 - bits:0{bits}b}" for value in values)
    return int(packed.ljust(-(-len(packed) // 8) * 8, "0"), 2).to_bytes(-(-len(packed) // 8), "big")


def _pixel(color_type: int, x: int, y: int) -> tuple[int, ...]:
    shade, alpha = gray(x, y), 255 - 9 * y
    return {
        _GRAY: (shade,),
        PALETTE: (shade,),
        _RGB: color(x, y),
        _GRAY_ALPHA: (shade, alpha),
        _RGB_ALPHA: (*color(x, y), alpha),
    }[color_type]


def _palette(bits: int) -> bytes:
    return bytes(value for index in range(2**bits) for value in (255 - index, index * 255 // (2**bits - 1), index // 2))


def sixteen_bit(values: Sequence[int]) -> bytes:
    """A gray PNG of these 784 values, 0-65535."""
    rows = b"".join(b"\0" + struct.pack(">28H", *values[start : start + SIDE]) for start in range(0, SIDE * SIDE, SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 16, _GRAY, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(rows)), png_chunk(b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _modes() -> dict[str, bytes]:
    return {
        f"{_NAMES[color_type]}, {bits} bits{', interlaced' if interlaced else ''}": png(
            color_type, bits, interlaced=interlaced
        )
        for color_type, depths in DEPTHS.items()
        for bits in depths
        for interlaced in (False, True)
    }


def transparent(color_type: int, random: Random) -> bytes:
    """What may be transparent in an image of that type: one value, or some of each color of a palette."""
    return _transparent(random.randbytes({_GRAY: 2, _RGB: 6, PALETTE: random.randint(1, 2)}.get(color_type, 2)))


def _transparent(data: bytes) -> bytes:
    return png_chunk(b"tRNS", data)


def _transparencies() -> dict[str, bytes]:
    found = {}
    for interlaced in (False, True):
        way = ", interlaced" if interlaced else ""
        for bits in DEPTHS[_GRAY]:
            value = 257 * gray(5, 5) + 97 * 5 if bits == 16 else gray(5, 5) >> 8 - bits
            found[f"a transparent gray of {bits} bits{way}"] = png(
                _GRAY, bits, interlaced=interlaced, middle=[_transparent(struct.pack(">H", value))]
            )
        shown = color(5, 5)
        found[f"a transparent color of 8 bits{way}"] = png(
            _RGB, interlaced=interlaced, middle=[_transparent(struct.pack(">3H", *shown))]
        )
        deep = [257 * value + 97 * (15 + channel) for channel, value in enumerate(shown)]
        found[f"a transparent color of 16 bits{way}"] = png(
            _RGB,
            16,
            interlaced=interlaced,
            middle=[_transparent(struct.pack(">3H", *(value % 65536 for value in deep)))],
        )
        for bits in DEPTHS[PALETTE]:
            alphas = bytes(index * 255 // (2**bits - 1) for index in range(2**bits))
            found[f"a palette of {bits} bits with alphas{way}"] = png(
                PALETTE, bits, interlaced=interlaced, middle=[_transparent(alphas)]
            )
            found[f"a palette of {bits} bits with one transparent{way}"] = png(
                PALETTE, bits, interlaced=interlaced, middle=[_transparent(b"\xff\0")]
            )
    return found | {
        "a transparent gray beyond 8 bits": png(middle=[_transparent(struct.pack(">H", 256 + gray(5, 5)))]),
        "a transparent gray in one byte": png(middle=[_transparent(b"\0")]),
        "a transparent gray in six bytes": png(middle=[_transparent(struct.pack(">HI", gray(5, 5), 0))]),
        "a transparent color in two bytes": png(_RGB, middle=[_transparent(b"\0\0")]),
        "no transparency": png(middle=[_transparent(b"")]),
        "transparency where there is alpha": png(_GRAY_ALPHA, middle=[_transparent(b"\0\0")]),
        "more alphas than colors": png(PALETTE, 4, middle=[_transparent(bytes(range(0, 256, 10)))]),
        "alphas before the colors": png(PALETTE, before=[_transparent(bytes(256))]),
        "alphas twice": png(PALETTE, middle=[_transparent(bytes(range(256))), _transparent(bytes(256))]),
        "a transparent gray after the pixels": png(after=[_transparent(struct.pack(">H", gray(5, 5)))]),
        "a transparent gray of a wrong checksum": png(middle=[_damaged(_transparent(struct.pack(">H", gray(5, 5))))]),
        "a palette shorter than its indices": png(PALETTE, palette=_palette(8)[: 3 * 100]),
        "a palette of a third of a color more": png(PALETTE, palette=_palette(8)[: 3 * 100 + 1]),
        **{
            f"a palette of {colors} colors with {alphas} alphas, {bits} bits": png(
                PALETTE, bits, palette=_palette(8)[: 3 * colors], middle=[_transparent(bytes(range(60, 60 + alphas)))]
            )
            for bits, colors, alphas in ((8, 100, 99), (8, 100, 100), (8, 100, 101), (4, 9, 9), (2, 2, 2), (1, 1, 1))
        },
        "a palette for RGB": png(_RGB, before=[png_chunk(b"PLTE", _palette(8))]),
        "a palette for gray": png(before=[png_chunk(b"PLTE", _palette(8))]),
    }


def _damaged(chunk: bytes) -> bytes:
    return chunk[:-1] + bytes([chunk[-1] ^ 1])


def _coded(*numbers: int) -> bytes:
    return png_chunk(b"cICP", bytes(numbers))


def _gamma(value: int) -> bytes:
    return png_chunk(b"gAMA", struct.pack(">I", value))


def _primaries(*values: int) -> bytes:
    return png_chunk(b"cHRM", struct.pack(">8I", *values))


def _profile(data: bytes, *, packed: bytes | None = None, name: bytes = b"profile", method: int = 0) -> bytes:
    return png_chunk(b"iCCP", name + bytes([0, method]) + (zlib.compress(data) if packed is None else packed))


_SRGB = png_chunk(b"sRGB", b"\0")
_OF_SRGB = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_GAMMAS = (
    0,
    1,
    1000,
    10000,
    30000,
    40000,
    43181,
    43182,
    45455,
    47727,
    47728,
    50000,
    55556,
    100000,
    200000,
    1000000,
    2**31,
    2**32 - 1,
)


_LINEAR = _gamma(100_000)
_GARBAGE = _profile(b"garbage")
_CODED_SRGB = _coded(1, 13, 0, 1)

_COLOR_CHUNKS: dict[str, Chunks] = {
    **{f"gamma {value}": [_gamma(value)] for value in _GAMMAS},
    **{f"gamma {value} and primaries": [_gamma(value), _primaries(*_OF_SRGB)] for value in (0, 40000, 45455, 100000)},
    "gamma cut": [png_chunk(b"gAMA", b"\0\1\x86")],
    "gamma too long": [png_chunk(b"gAMA", struct.pack(">IB", 100_000, 0))],
    "gamma empty": [png_chunk(b"gAMA")],
    "gamma of a wrong checksum": [_damaged(_LINEAR)],
    "two gammas": [_LINEAR, _gamma(45455)],
    "two gammas, the first cut": [png_chunk(b"gAMA", b"\0"), _LINEAR],
    "gamma and sRGB": [_LINEAR, _SRGB],
    "sRGB and gamma": [_SRGB, _LINEAR],
    "sRGB": [_SRGB],
    "sRGB empty, and gamma": [png_chunk(b"sRGB"), _LINEAR],
    "sRGB of an unknown intent, and gamma": [png_chunk(b"sRGB", b"\x09"), _LINEAR],
    "sRGB too long, and gamma": [png_chunk(b"sRGB", b"\0\0"), _LINEAR],
    "sRGB of a wrong checksum, and gamma": [_damaged(_SRGB), _LINEAR],
    "primaries alone": [_primaries(*_OF_SRGB)],
    "primaries cut, and gamma": [png_chunk(b"cHRM", b"1234"), _LINEAR],
    "primaries beyond all colors, and gamma": [_primaries(*[2**31] * 8), _LINEAR],
    "primaries of zero, and gamma": [_primaries(*[0] * 8), _LINEAR],
    "primaries of a wrong checksum, and gamma": [_damaged(_primaries(*_OF_SRGB)), _gamma(45455)],
    **{f"coded transfer {number}": [_coded(1, number, 0, 1)] for number in (4, 5, 8, 13)},
    **{f"unknown transfer {number}, and gamma": [_coded(1, number, 0, 1), _LINEAR] for number in (0, 2, 3, 9, 19)},
    **{f"unknown primaries {number}, and gamma": [_coded(number, 13, 0, 1), _LINEAR] for number in (0, 2, 3, 13, 23)},
    "coded sRGB and gamma": [_CODED_SRGB, _LINEAR],
    "gamma and coded sRGB": [_LINEAR, _CODED_SRGB],
    "coded sRGB, gamma and primaries": [_CODED_SRGB, _LINEAR, _primaries(*_OF_SRGB)],
    "coded sRGB and a profile": [_profile(RGB_PROFILES["linear"]), _CODED_SRGB],
    "coded light and sRGB": [_coded(1, 8, 0, 1), _SRGB],
    "coded sRGB of half a range, and gamma": [_coded(1, 13, 0, 0), _LINEAR],
    "coded sRGB that is cut, and gamma": [_coded(1, 13, 0), _LINEAR],
    "coded sRGB that is too long, and gamma": [_coded(1, 13, 0, 1, 0), _LINEAR],
    "coded sRGB of a wrong checksum, and gamma": [_damaged(_CODED_SRGB), _LINEAR],
    "coded nonsense, coded sRGB and gamma": [_coded(2, 13, 0, 1), _CODED_SRGB, _LINEAR],
    "coded sRGB and coded light": [_CODED_SRGB, _coded(1, 8, 0, 1)],
    "a profile and gamma": [_profile(RGB_PROFILES["gamma 1.8"]), _LINEAR],
    "a profile and sRGB": [_SRGB, _profile(RGB_PROFILES["gamma 1.8"])],
    "a profile and sRGB behind it": [_profile(RGB_PROFILES["gamma 1.8"]), _SRGB],
    "a broken profile and gamma": [_GARBAGE, _LINEAR],
    "a broken profile and sRGB": [_GARBAGE, _SRGB, _LINEAR],
    "two profiles": [_profile(RGB_PROFILES["gamma 1.8"]), _profile(RGB_PROFILES["linear"])],
    "two profiles, the first broken": [_GARBAGE, _profile(RGB_PROFILES["linear"])],
    "a profile of a wrong checksum": [_damaged(_profile(RGB_PROFILES["linear"]))],
    "a profile that does not unpack": [_profile(b"", packed=b"not packed")],
    "a profile that is cut": [_profile(b"", packed=zlib.compress(RGB_PROFILES["linear"])[:-20])],
    "a profile of an unknown method": [_profile(RGB_PROFILES["linear"], method=1)],
    "a profile without a name": [_profile(RGB_PROFILES["linear"], name=b"")],
    "a profile of a long name": [_profile(RGB_PROFILES["linear"], name=b"n" * 90)],
    "a profile of a name alone": [png_chunk(b"iCCP", b"name")],
    "a profile of nothing": [png_chunk(b"iCCP")],
    **{f"profile {name}": [_profile(data)] for name, data in {**RGB_PROFILES, **GRAY_PROFILES}.items()},
    **{f"profile {name}": [_profile(data)] for name, data in BROKEN.items()},
}


def _colors() -> dict[str, bytes]:
    found = {}
    for name, chunks in _COLOR_CHUNKS.items():
        found[f"{name}, gray"] = png(before=chunks)
        if "profile" in name or "100000" in name:
            found[f"{name}, RGB"] = png(_RGB, before=chunks)
    for kind in (PALETTE, _GRAY_ALPHA, _RGB_ALPHA):
        found[f"gamma, {_NAMES[kind]}"] = png(kind, before=[_LINEAR])
        found[f"profile, {_NAMES[kind]}"] = png(kind, before=[_profile(RGB_PROFILES["linear"])])
        found[f"profile of gray, {_NAMES[kind]}"] = png(kind, before=[_profile(GRAY_PROFILES["gray of gamma 1"])])
    for bits in (1, 2, 4, 16):
        found[f"gamma, gray of {bits} bits"] = png(_GRAY, bits, before=[_LINEAR])
        found[f"profile of gray, gray of {bits} bits"] = png(
            _GRAY, bits, before=[_profile(GRAY_PROFILES["gray of gamma 1"])]
        )
    return found | {
        "gamma and a transparent gray": png(before=[_LINEAR], middle=[_transparent(struct.pack(">H", gray(5, 5)))]),
        "coded sRGB and gamma, palette": png(PALETTE, before=[_CODED_SRGB, _LINEAR]),
        "coded sRGB behind the palette": png(PALETTE, before=[_LINEAR], middle=[_CODED_SRGB]),
        "coded sRGB after the pixels": png(before=[_LINEAR], after=[_CODED_SRGB]),
        "gamma behind the palette": png(PALETTE, middle=[_LINEAR]),
        "profile behind the palette": png(PALETTE, middle=[_profile(RGB_PROFILES["linear"])]),
        "gamma after the pixels": png(after=[_LINEAR]),
        "profile after the pixels": png(after=[_profile(GRAY_PROFILES["gray of gamma 1"])]),
        "gamma, RGB of 16 bits": png(_RGB, 16, before=[_LINEAR]),
    }


def _orientations() -> dict[str, bytes]:
    found = {f"Exif: {name}": png(before=[png_chunk(b"eXIf", data)]) for name, data in EXIFS.items()}
    found |= {
        f"Exif with a prefix: {name}": png(before=[png_chunk(b"eXIf", b"Exif\0\0" + data)])
        for name, data in EXIFS.items()
    }
    good = png_chunk(b"eXIf", exif())
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    return found | {
        "Exif after the pixels": png(after=[good]),
        "Exif behind the palette": png(PALETTE, middle=[good]),
        "Exif of a wrong checksum": png(before=[_damaged(good)]),
        "two Exif": png(before=[good, png_chunk(b"eXIf", exif(3))]),
        "two Exif, the first broken": png(before=[png_chunk(b"eXIf", b"garbage" * 9), good]),
        "two Exif, the first empty": png(before=[png_chunk(b"eXIf"), good]),
        "two Exif, the first of a wrong checksum": png(before=[_damaged(png_chunk(b"eXIf", exif(3))), good]),
        "Exif of 100 KB": png(before=[png_chunk(b"eXIf", exif() + bytes(100_000))]),
        "Exif in zXIf": png(before=[png_chunk(b"zxIf", zlib.compress(exif()))]),
        "Exif, RGB of 16 bits": png(_RGB, 16, before=[good]),
        "Exif and gamma": png(before=[good, _gamma(100_000)]),
        "Exif in a raw profile": png(before=[_raw_profile(b"exif", b"Exif\0\0" + exif())]),
        "Exif in a raw profile APP1": png(before=[_raw_profile(b"APP1", b"Exif\0\0" + exif())]),
        "a raw profile of garbage": png(before=[png_chunk(b"tEXt", b"Raw profile type exif\0garbage")]),
        "a raw profile of no hex": png(before=[png_chunk(b"tEXt", b"Raw profile type exif\0\nexif\n  4\nzzzz")]),
        "Exif in a text": png(before=[png_chunk(b"tEXt", b"exif\0" + exif())]),
        "XMP": png(before=[png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)]),
        "XMP in plain text": png(before=[png_chunk(b"tEXt", b"XML:com.adobe.xmp\0" + xmp)]),
        "XMP and Exif": png(
            before=[png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp), png_chunk(b"eXIf", exif(3))]
        ),
        "XMP, and Exif of one": png(
            before=[png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp), png_chunk(b"eXIf", exif(1))]
        ),
    }


def _raw_profile(kind: bytes, data: bytes) -> bytes:
    text = b"\n%s\n%8d\n%s\n" % (kind, len(data), data.hex().encode())
    return png_chunk(b"zTXt", b"Raw profile type " + kind + b"\0\0" + zlib.compress(text))


_TEXT_OF_50_MB = zlib.compress(bytes(50_000_000), 9)

_ODD_CHUNKS: dict[str, bytes] = {
    "text": png_chunk(b"tEXt", b"Comment\0by hand"),
    "text without a key": png_chunk(b"tEXt", b"by hand"),
    "text of nothing": png_chunk(b"tEXt"),
    "packed text": png_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"by hand")),
    "packed text of an unknown method": png_chunk(b"zTXt", b"Comment\0\7" + zlib.compress(b"by hand")),
    "packed text that does not unpack": png_chunk(b"zTXt", b"Comment\0\0garbage"),
    "packed text of 50 MB": png_chunk(b"zTXt", b"Comment\0\0" + _TEXT_OF_50_MB),
    "packed text of nothing": png_chunk(b"zTXt"),
    "international text": png_chunk(b"iTXt", b"Comment\0\0\0\0\0by hand"),
    "international text that is cut": png_chunk(b"iTXt", b"Comment\0"),
    "international text of no UTF-8": png_chunk(b"iTXt", b"Comment\0\0\0\xff\0\xff\0\xff\xfe"),
    "international text of 50 MB": png_chunk(b"iTXt", b"Comment\0\1\0\0\0" + _TEXT_OF_50_MB),
    "a profile of 50 MB": _profile(b"", packed=_TEXT_OF_50_MB),
    "no resolution": png_chunk(b"pHYs"),
    "half a resolution": png_chunk(b"pHYs", b"\0\0\1"),
    "a resolution": png_chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),
    "unlike sides of pixels": png_chunk(b"pHYs", struct.pack(">IIB", 1, 2, 0)),
    "a background": png_chunk(b"bKGD", b"\0\xff"),
    "a background of too many bytes": png_chunk(b"bKGD", bytes(9)),
    "significant bits": png_chunk(b"sBIT", b"\4"),
    "significant bits of nothing": png_chunk(b"sBIT"),
    "no significant bits": png_chunk(b"sBIT", b"\0"),
    "a time": png_chunk(b"tIME", struct.pack(">HBBBBB", 2026, 1, 1, 0, 0, 0)),
    "a time of no day": png_chunk(b"tIME", b"\xff" * 7),
    "a histogram of no palette": png_chunk(b"hIST", bytes(512)),
    "a suggested palette": png_chunk(b"sPLT", b"name\0\x08" + bytes(6)),
    "a suggested palette that is cut": png_chunk(b"sPLT", b"name"),
    "an offset": png_chunk(b"oFFs", struct.pack(">iiB", 5, 5, 0)),
    "an unknown chunk": png_chunk(b"abCd", b"anything"),
    "a chunk of Apple's": png_chunk(b"iDOT", bytes(28)),
    "no frames": png_chunk(b"acTL", struct.pack(">II", 0, 0)),
    "frames that are cut": png_chunk(b"acTL", b"\0\0"),
}


def _metadata() -> dict[str, bytes]:
    found = {}
    for name, chunk in _ODD_CHUNKS.items():
        found[f"{name}, before the pixels"] = png(before=[chunk])
        found[f"{name}, after the pixels"] = png(after=[chunk])
        found[f"{name}, of a wrong checksum"] = png(before=[_damaged(chunk)])
    frame = png_chunk(b"fcTL", struct.pack(">5IHHBB", 0, 28, 28, 0, 0, 1, 1, 0, 0))
    small_frame = png_chunk(b"fcTL", struct.pack(">5IHHBB", 0, 14, 14, 7, 7, 1, 1, 0, 0))
    return found | {
        "one frame, which is the image": png(before=[png_chunk(b"acTL", struct.pack(">II", 1, 0)), frame]),
        "a frame of no animation after the pixels": png(after=[small_frame]),
        "a frame that is cut after the pixels": png(after=[png_chunk(b"fcTL", b"\0\0")]),
        "an animation after the pixels": png(after=[png_chunk(b"acTL", struct.pack(">II", 2, 0)), frame]),
        "a chunk of no letters after the pixels": png(after=[png_chunk(b"\0\1\2\3", b"x")]),
        "bytes behind the end": png() + b"anything" * 100,
        "a second file behind the end": png() + png(_RGB),
        "no end": png()[:-12],
        "an end that is cut": png()[:-3],
        "an end of a wrong checksum": _damaged(png()),
        "a chunk longer than the file": png()[:-12] + struct.pack(">I4s", 2**31 - 1, b"tEXt") + b"x",
    }


METADATA = [
    *_ODD_CHUNKS.values(),
    *(chunk for chunks in _COLOR_CHUNKS.values() for chunk in chunks),
    *(png_chunk(b"eXIf", data) for data in EXIFS.values()),
]

_WIDE = [_profile(RGB_PROFILES[name]) for name in ("Display P3 with gamma 2.2", "Adobe RGB")]
METADATA_WITHIN_SRGB = [chunk for chunk in METADATA if chunk not in _WIDE]
"""Those that make no color which sRGB has not: Chromium mixes half-transparent ones of a palette otherwise."""

PICTURES: dict[str, bytes] = {
    f"PNG: {name}": picture
    for pictures in (_modes(), _transparencies(), _colors(), _orientations(), _metadata())
    for name, picture in pictures.items()
}
