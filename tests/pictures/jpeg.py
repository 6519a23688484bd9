"""JPEG: its color spaces and kinds of scans, and segments whole and broken."""

import struct
from typing import Any

from PIL import Image

from tests import drawings
from tests.pictures.exif import EXIFS, exif
from tests.pictures.profiles import BROKEN, GRAY_PROFILES, RGB_PROFILES
from tests.pictures.scene import COLOR, GRAY

__all__ = ["METADATA", "PICTURES", "REFUSED", "jpeg", "segment"]

_APP0, _APP1, _APP2, _APP13, _APP14, _COMMENT = 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE


def segment(marker: int, data: bytes = b"") -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def jpeg(image: Image.Image = GRAY, *segments: bytes, jfif: bool = True, quality: int = 95, **options: object) -> bytes:
    """The image, with segments behind the first, or in its place."""
    content = drawings.encode(image, "JPEG", quality=quality, **options)
    end = 4 + int.from_bytes(content[4:6], "big") if content[3] == _APP0 else 2
    return content[: end if jfif else 2] + b"".join(segments) + content[end:]


def _before(marker: bytes, data: bytes, content: bytes) -> bytes:
    place = content.index(marker)
    return content[:place] + data + content[place:]


_EXIF = b"Exif\0\0"
_XMP = b'http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation="6"/>'
_ICC = b"ICC_PROFILE\0"
_MPF = b"MPF\0II*\0\x08\0\0\0\1\0\0\xb0\7\0\4\0\0\x000100" + bytes(4)


def _turned(data: bytes, prefix: bytes = _EXIF) -> bytes:
    return segment(_APP1, prefix + data)


def _profile(data: bytes, number: int = 1, count: int = 1) -> bytes:
    return segment(_APP2, _ICC + bytes([number, count]) + data)


def _modes() -> dict[str, bytes]:
    plain: dict[str, tuple[Image.Image, dict[str, Any]]] = {
        "gray": (GRAY, {}),
        "gray, progressive": (GRAY, {"progressive": True}),
        "RGB": (COLOR, {"subsampling": 0}),
        "RGB of half as much color": (COLOR, {"subsampling": 2}),
        "RGB, progressive": (COLOR, {"progressive": True, "subsampling": 0}),
        "RGB without a change of space": (COLOR, {"keep_rgb": True}),
        "RGB of low quality": (COLOR, {"quality": 30}),
        "with restarts": (COLOR, {"restart_marker_blocks": 1}),
        "CMYK": (COLOR.convert("CMYK"), {}),
        "CMYK of all inks": (Image.merge("CMYK", (*COLOR.split(), GRAY)), {}),
    }
    found = {name: jpeg(image, **options) for name, (image, options) in plain.items()}
    cmyk = jpeg(Image.merge("CMYK", (*COLOR.split(), GRAY)))
    return found | {
        "CMYK without Adobe's mark": cmyk.replace(b"Adobe", b"Other", 1),
        "YCCK": cmyk.replace(b"Adobe\0\x64\0\0\0\0\0", b"Adobe\0\x64\0\0\0\0\2", 1),
        "RGB without JFIF": jpeg(COLOR, jfif=False, subsampling=0),
        "RGB with Adobe's mark of RGB": jpeg(
            COLOR, segment(_APP14, b"Adobe\0\x64\0\0\0\0\0"), jfif=False, subsampling=0
        ),
        "RGB with Adobe's mark of YCbCr": jpeg(
            COLOR, segment(_APP14, b"Adobe\0\x64\0\0\0\0\1"), jfif=False, subsampling=0
        ),
        "RGB with Adobe's mark and JFIF": jpeg(COLOR, segment(_APP14, b"Adobe\0\x64\0\0\0\0\0"), subsampling=0),
        "gray with Adobe's mark": jpeg(GRAY, segment(_APP14, b"Adobe\0\x64\0\0\0\0\0")),
    }


def _orientations() -> dict[str, bytes]:
    found = {f"Exif: {name}": jpeg(GRAY, _turned(data)) for name, data in EXIFS.items()}
    good = _turned(exif())
    return found | {
        "two Exif": jpeg(GRAY, good, _turned(exif(3))),
        "two Exif, the first of one": jpeg(GRAY, _turned(exif(1)), good),
        "two Exif, the first without": jpeg(GRAY, _turned(exif(tag=0x100)), good),
        "two Exif, the first broken": jpeg(GRAY, _turned(b"garbage" * 9), good),
        "two Exif, the first empty": jpeg(GRAY, _turned(b""), good),
        "Exif in two segments": jpeg(GRAY, _turned(exif(others=3)[:30]), _turned(exif(others=3)[30:])),
        "Exif before JFIF": jpeg(GRAY, good, jfif=False),
        "Exif behind another prefix": jpeg(GRAY, _turned(exif(), b"Exif\0\1")),
        "Exif behind a short prefix": jpeg(GRAY, _turned(exif(), b"Exif\0")),
        "Exif behind a small prefix": jpeg(GRAY, _turned(exif(), b"exif\0\0")),
        "Exif in another segment": jpeg(GRAY, segment(_APP2, _EXIF + exif())),
        "Exif behind the frame": _before(b"\xff\xda", good, jpeg()),
        "Exif between tables": _before(b"\xff\xc0", good, jpeg()),
        "Exif between scans": _before(b"\xff\xda", good, jpeg(GRAY, progressive=True)[::1]),
        "Exif behind the end": jpeg() + good,
        "Exif of 64 KB": jpeg(GRAY, _turned(exif() + bytes(65_000))),
        "XMP": jpeg(GRAY, segment(_APP1, _XMP)),
        "XMP and Exif": jpeg(GRAY, segment(_APP1, _XMP), _turned(exif(3))),
        "XMP, and Exif of one": jpeg(GRAY, segment(_APP1, _XMP), _turned(exif(1))),
        "Exif, RGB": jpeg(COLOR, good),
        "Exif, CMYK": jpeg(COLOR.convert("CMYK"), good),
    }


def _colors() -> dict[str, bytes]:
    found = {f"profile {name}, RGB": jpeg(COLOR, _profile(data), subsampling=0) for name, data in RGB_PROFILES.items()}
    found |= {
        f"profile {name}, gray": jpeg(GRAY, _profile(data)) for name, data in {**RGB_PROFILES, **GRAY_PROFILES}.items()
    }
    found |= {
        f"profile {name}": jpeg(COLOR, _profile(data), subsampling=0)
        for name, data in {**BROKEN, **GRAY_PROFILES}.items()
    }
    linear = RGB_PROFILES["linear"]
    halves = linear[:200], linear[200:]
    return found | {
        "profile in two parts": jpeg(GRAY, _profile(halves[0], 1, 2), _profile(halves[1], 2, 2)),
        "profile in two parts, the last first": jpeg(GRAY, _profile(halves[1], 2, 2), _profile(halves[0], 1, 2)),
        "profile without its second part": jpeg(GRAY, _profile(halves[0], 1, 2)),
        "profile of a part too many": jpeg(GRAY, _profile(linear, 1, 1), _profile(linear, 2, 1)),
        "profile numbered from 0": jpeg(GRAY, _profile(linear, 0, 1)),
        "profile of no parts": jpeg(GRAY, _profile(linear, 1, 0)),
        "profile twice": jpeg(GRAY, _profile(linear), _profile(linear)),
        "profile in an empty segment": jpeg(GRAY, segment(_APP2, _ICC)),
        "profile behind the frame": _before(b"\xff\xda", _profile(linear), jpeg()),
        "profile, CMYK": jpeg(COLOR.convert("CMYK"), _profile(linear)),
    }


_SCANS = b"\xff\xda" * 1000
_SEGMENTS = {
    "a comment": segment(_COMMENT, b"by hand"),
    "an empty comment": segment(_COMMENT),
    "JFIF that is cut": segment(_APP0, b"JFIF"),
    "JFIF of another version": segment(_APP0, b"JFIF\0\x09\x09\1\0\1\0\1\0\0"),
    "JFIF of unlike sides": segment(_APP0, b"JFIF\0\1\1\0\0\1\0\2\0\0"),
    "JFXX": segment(_APP0, b"JFXX\0\x10" + bytes(20)),
    "Adobe's mark that is cut": segment(_APP14, b"Adobe"),
    "Photoshop's resources": segment(_APP13, b"Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\x10" + bytes(16)),
    "Photoshop's resources that are cut": segment(_APP13, b"Photoshop 3.0\x008BIM\3\xed"),
    "Photoshop's resources of a wrong length": segment(_APP13, b"Photoshop 3.0\x008BIM\3\xed\0\0\xff\xff\xff\xff"),
    "resolution of half a block": segment(_APP13, b"Photoshop 3.0\x008BIM\3\xed\0\0\0\0\0\2\0\0"),
    "FlashPix": segment(_APP2, b"FPXR\0"),
    "several pictures": segment(_APP2, _MPF),
    "several pictures of garbage": segment(_APP2, b"MPF\0garbage"),
    "bytes that look like scans": segment(_COMMENT, _SCANS),
    "Exif with bytes that look like scans": _turned(exif(1) + _SCANS),
    "an empty segment of each kind": b"".join(segment(marker) for marker in range(0xE0, 0xF0)),
    "an unknown segment": segment(0xEB, b"anything"),
    "fill bytes": b"\xff" * 20,
}


def _metadata() -> dict[str, bytes]:
    found = {name: jpeg(GRAY, data) for name, data in _SEGMENTS.items()}
    return found | {
        "JFIF that is cut, alone": jpeg(GRAY, segment(_APP0, b"JFIF"), jfif=False),
        "bytes behind the end": jpeg() + b"anything" * 100,
        "a film behind the end": jpeg() + b"\0\0\0\x18ftypmp42" + _SCANS,
        "a second picture behind the end": jpeg() + jpeg(COLOR),
        "bytes before a marker": jpeg(GRAY, b"junk"),
    }


METADATA = [
    *_SEGMENTS.values(),
    *(_turned(data) for data in EXIFS.values()),
    *(_profile(data) for data in {**RGB_PROFILES, **GRAY_PROFILES, **BROKEN}.values()),
]

PICTURES: dict[str, bytes] = {
    f"JPEG: {name}": picture
    for pictures in (_modes(), _orientations(), _colors(), _metadata())
    for name, picture in pictures.items()
}

REFUSED: dict[str, tuple[bytes, str]] = {"JPEG: no end": (jpeg()[:-2], "truncated")}
"""Files that browsers show and we don't, and words of the refusal."""
