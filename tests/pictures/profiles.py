"""ICC profiles: how far a file's colors are from those of sRGB."""

import struct

from PIL import ImageCms

__all__ = ["BROKEN", "GRAY_PROFILES", "RGB_PROFILES", "gray_profile", "rgb_profile"]

_D50 = (0.9642, 1.0, 0.8249)
_SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))  # XYZ of red, green, blue
_DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
_ADOBE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))


def gray_profile(gamma: float) -> bytes:
    """A profile of gray whose light is value ** gamma."""
    return _profile(b"GRAY", {b"wtpt": _xyz(_D50), b"kTRC": _curve(gamma)})


def rgb_profile(gamma: float, primaries: tuple[tuple[float, float, float], ...]) -> bytes:
    """A profile of three primaries, each with that gamma."""
    tags = {b"wtpt": _xyz(_D50)}
    for name, primary in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags |= {name + b"XYZ": _xyz(primary), name + b"TRC": _curve(gamma)}
    return _profile(b"RGB ", tags)


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {
        b"desc": b"desc" + struct.pack(">4xI", 2) + b"x\0" + bytes(82),
        b"cprt": b"text" + bytes(4) + b"none\0",
        **tags,
    }
    start = 128 + 4 + 12 * len(tags)
    table, data = b"", b""
    for name, tag in tags.items():
        table += name + struct.pack(">II", start + len(data), len(tag))
        data += tag + bytes(-len(tag) % 4)
    size = struct.pack(">I", start + len(data))
    header = (
        size + b"lcms" + b"\2\x10\0\0" + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp" + bytes(28) + _numbers(_D50)
    )
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def _numbers(values: tuple[float, ...]) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + _numbers(values)


def _curve(gamma: float) -> bytes:
    return b"curv" + struct.pack(">4xIH", 1, round(gamma * 256))


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

RGB_PROFILES: dict[str, bytes] = {
    "sRGB": SRGB,
    "Display P3 with gamma 2.2": rgb_profile(2.2, _DISPLAY_P3),
    "Adobe RGB": rgb_profile(563 / 256, _ADOBE),
    "linear": rgb_profile(1, _SRGB),
    "gamma 1.8": rgb_profile(1.8, _SRGB),
}
GRAY_PROFILES: dict[str, bytes] = {f"gray of gamma {gamma}": gray_profile(gamma) for gamma in (1, 1.8, 2.2, 3)}

_WHOLE = rgb_profile(1, _SRGB)
BROKEN: dict[str, bytes] = {
    "empty": b"",
    "garbage": b"garbage" * 30,
    "header": _WHOLE[:128],
    "cut": _WHOLE[: len(_WHOLE) // 2],
    "without its signature": _WHOLE.replace(b"acsp", b"xxxx"),
    "of a color space of four letters that are none": _WHOLE.replace(b"RGB ", b"\xff\xfe\xab\xcd")[:-20],
    "of CMYK without a table": _WHOLE.replace(b"RGB ", b"CMYK"),
    "without primaries": _WHOLE.replace(b"rXYZ", b"xXYZ"),
    "tags beyond the end": _WHOLE[:136] + b"\xff" * 8 + _WHOLE[144:],
    "a billion tags": _WHOLE[:128] + b"\x40\0\0\0" + _WHOLE[132:],
}
