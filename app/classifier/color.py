"""Colors as browsers show them: in sRGB, whatever a file's values stand for (docs/decisions/what-an-image-shows.md)."""

import io
import struct

from PIL import Image, ImageChops, ImageCms

__all__ = ["gray_table", "to_srgb"]

_SRGB = ImageCms.createProfile("sRGB")
_RAMP = Image.frombytes("L", (256, 1), bytes(range(256)))
_SAMPLES = Image.frombytes(
    "RGB", (16, 16), bytes(value for n in range(256) for value in (n, n * 5 % 256, n * 83 % 256))
)
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC  # the nearest to browsers; most profiles have but one
_FEW_PIXELS = 64 * 1024  # up to which LittleCMS converts each sooner than it makes tables for all
_SMALL_DIFFERENCE = 1  # level of 255 between a profile and sRGB, which many profiles are, by rounding
_SPACES = slice(16, 24)  # of a profile: its color space, and the one that it converts to
_MODES = {  # that a profile converts, by its spaces; browsers know no gray by lightness
    b"GRAYXYZ ": "L",
    b"RGB XYZ ": "RGB",
    b"RGB Lab ": "RGB",
    b"CMYKXYZ ": "CMYK",
    b"CMYKLab ": "CMYK",
}
_FITTING = {"L": ("L", "RGB"), "RGB": ("RGB",), "RGBA": ("RGB",), "CMYK": ("CMYK",)}  # of those, by an image's mode
_TAG_COUNT = slice(128, 132)
_TAG = struct.Struct(">4xII")  # place and length of a tag; so many follow their count
_MAX_TAGS = 100  # that LittleCMS reads


def to_srgb(image: Image.Image, profile: bytes | None, gamma: float | None) -> Image.Image:
    """Convert an image's values to those of sRGB.

    Args:
        image: L, LA, RGB, RGBA or CMYK.
        profile: ICC. A broken one is none; one of another color space than the image changes nothing, but that RGB
            does for gray.
        gamma: where there is no profile, the values are light ** gamma; None: they are those of sRGB.
    """
    if image.mode in {"L", "LA"}:
        return _look_up(image, gray_table(profile, gamma))
    shown = _by_profile(image, profile)
    if shown is None:
        return _look_up(image, _gamma_table(gamma))
    if image.mode == "RGBA" and shown.mode == "RGB":
        shown.putalpha(image.getchannel("A"))
    return shown


def gray_table(profile: bytes | None, gamma: float | None) -> bytes | None:
    """Find what gray values, 0 to 255, are in sRGB; None: the same."""
    shown = _by_profile(_RAMP, profile)
    return _gamma_table(gamma) if shown is None else shown.convert("L").tobytes()


def _by_profile(image: Image.Image, profile: bytes | None) -> Image.Image | None:
    """The image in RGB, or as it is where the profile is not for it; None: there is no profile, or a broken one."""
    if profile is None or not _is_whole(profile):
        return None
    mode = _MODES.get(profile[_SPACES])
    is_small = image.width * image.height <= _FEW_PIXELS
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if mode not in _FITTING[image.mode] or (mode == "RGB" and not is_small and _is_srgb(source)):
            return image
        return _converted(image.convert(mode), source, ImageCms.Flags.NOOPTIMIZE if is_small else ImageCms.Flags.NONE)
    except (ImageCms.PyCMSError, OSError):
        return None


def _converted(image: Image.Image, source: ImageCms.ImageCmsProfile, flags: ImageCms.Flags) -> Image.Image:
    shown = ImageCms.profileToProfile(image, source, _SRGB, _INTENT, "RGB", flags=flags)
    return image if shown is None else shown  # None only where an image is converted in place


def _is_srgb(source: ImageCms.ImageCmsProfile) -> bool:
    shown = _converted(_SAMPLES, source, ImageCms.Flags.NOOPTIMIZE)
    return max(ImageChops.difference(shown, _SAMPLES).tobytes()) <= _SMALL_DIFFERENCE


def _is_whole(profile: bytes) -> bool:
    """Whether the profile has all that it speaks of: browsers take no other, LittleCMS what is left of it."""
    count = int.from_bytes(profile[_TAG_COUNT], "big")
    table = profile[_TAG_COUNT.stop : _TAG_COUNT.stop + count * _TAG.size]
    if int.from_bytes(profile[:4], "big") > len(profile) or count > _MAX_TAGS or len(table) < count * _TAG.size:
        return False
    return all(place + length <= len(profile) for place, length in _TAG.iter_unpack(table))


def _gamma_table(gamma: float | None) -> bytes | None:
    if gamma is None:
        return None
    return bytes(round(255 * _encoded((value / 255) ** (1 / gamma))) for value in range(256))


def _encoded(light: float) -> float:
    """From light to sRGB, both 0 to 1: IEC 61966-2-1."""
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def _look_up(image: Image.Image, table: bytes | None) -> Image.Image:
    """Each value but those of alpha in a table of 256; None: the image as it is."""
    if table is None:
        return image
    return image.point([value for band in image.getbands() for value in (range(256) if band == "A" else table)])
