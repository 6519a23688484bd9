"""WebP: lossy, lossless, with alpha, and chunks whole and broken."""

import struct

from PIL import Image

from tests import drawings
from tests.pictures.exif import EXIFS, exif
from tests.pictures.profiles import BROKEN, GRAY_PROFILES, RGB_PROFILES
from tests.pictures.scene import COLOR, GRAY, SIDE

__all__ = ["ALL_FLAGS", "METADATA", "PICTURES", "PROFILES", "animation", "chunk", "webp"]

_PROFILE, _ALPHA, _EXIF, _XMP, _ANIMATION = 0x20, 0x10, 0x08, 0x04, 0x02  # flags
_BOX = (4, 6, 20, 16)


def chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def webp(
    image: Image.Image = COLOR,
    *after: bytes,
    before: bytes = b"",
    flags: int = 0,
    **options: object,
) -> bytes:
    """The image in the extended form, with chunks before and after its pixels."""
    simple = drawings.encode(image, "WEBP", **({"lossless": True} | options))
    side = struct.pack("<I", SIDE - 1)[:3]
    if image.mode == "RGBA":
        flags |= _ALPHA
    extended = chunk(b"VP8X", bytes([flags, 0, 0, 0]) + side + side)
    return chunk(b"RIFF", b"WEBP" + extended + before + simple[12:] + b"".join(after))


def _with_alpha() -> Image.Image:
    image = COLOR.convert("RGBA")
    image.putalpha(GRAY.transpose(Image.Transpose.FLIP_TOP_BOTTOM))
    return image


def _modes() -> dict[str, bytes]:
    return {
        "lossless": drawings.encode(COLOR, "WEBP", lossless=True),
        "lossy": drawings.encode(COLOR, "WEBP", quality=90),
        "gray": drawings.encode(GRAY, "WEBP", lossless=True),
        "with alpha": drawings.encode(_with_alpha(), "WEBP", lossless=True, exact=True),
        "lossy with alpha": drawings.encode(_with_alpha(), "WEBP", quality=90),
        "extended": webp(),
    }


def _three(value: int) -> bytes:
    return struct.pack("<I", value)[:3]


def animation(image: Image.Image, box: tuple[int, int, int, int] = _BOX, *, flags: int = 0, frames: int = 1) -> bytes:
    """Frames of what the image has in a box of even places, on a background that browsers leave transparent."""
    still = drawings.encode(image.crop(box), "WEBP", lossless=True, exact=True)[12:]
    left, top, right, bottom = box
    place = _three(left // 2) + _three(top // 2) + _three(right - left - 1) + _three(bottom - top - 1)
    extended = chunk(b"VP8X", bytes([flags | _ANIMATION, 0, 0, 0]) + 2 * _three(SIDE - 1))
    shown = chunk(b"ANMF", place + _three(100) + b"\0" + still)
    return chunk(b"RIFF", b"WEBP" + extended + chunk(b"ANIM", b"\x10\x80\xc8\xff\0\0") + shown * frames)


def _frames() -> dict[str, bytes]:
    whole = (0, 0, SIDE, SIDE)
    return {
        "one frame": animation(COLOR, whole),
        "one frame, smaller": animation(COLOR),
        "one frame, smaller, alpha told": animation(COLOR, flags=_ALPHA),
        "one frame with alpha": animation(_with_alpha(), whole, flags=_ALPHA),
        "one frame, smaller, with alpha": animation(_with_alpha(), flags=_ALPHA),
    }


def _metadata() -> dict[str, bytes]:
    found = {f"Exif: {name}": webp(COLOR, chunk(b"EXIF", data), flags=_EXIF) for name, data in EXIFS.items()}
    profiles = {**RGB_PROFILES, **GRAY_PROFILES, **BROKEN}
    found |= {f"profile {name}": webp(before=chunk(b"ICCP", data), flags=_PROFILE) for name, data in profiles.items()}
    linear = chunk(b"ICCP", RGB_PROFILES["linear"])
    return found | {
        "Exif with a prefix": webp(COLOR, chunk(b"EXIF", b"Exif\0\0" + exif()), flags=_EXIF),
        "Exif before the pixels": webp(before=chunk(b"EXIF", exif()), flags=_EXIF),
        "Exif without its flag": webp(COLOR, chunk(b"EXIF", exif())),
        "XMP": webp(COLOR, chunk(b"XMP ", b'<rdf:Description tiff:Orientation="6"/>'), flags=_XMP),
        "flags without chunks": webp(flags=_PROFILE | _EXIF | _XMP),
        "profile without its flag": webp(before=linear),
        "profile behind the pixels": webp(COLOR, linear, flags=_PROFILE),
        "profile with alpha": webp(_with_alpha(), before=linear, flags=_PROFILE, exact=True),
        "an unknown chunk": webp(COLOR, chunk(b"ABCD", b"anything")),
        "bytes behind the end": webp() + b"anything" * 100,
    }


ALL_FLAGS = _PROFILE | _EXIF | _XMP
PROFILES = [chunk(b"ICCP", data) for data in {**RGB_PROFILES, **GRAY_PROFILES, **BROKEN}.values()]
METADATA = [
    *(chunk(b"EXIF", data) for data in EXIFS.values()),
    chunk(b"XMP ", b'<rdf:Description tiff:Orientation="6"/>'),
    chunk(b"ABCD", b"anything"),
]

PICTURES: dict[str, bytes] = {
    f"WebP: {name}": picture for pictures in (_modes(), _frames(), _metadata()) for name, picture in pictures.items()
}
