"""Decoded images to grayscale as browsers show them: colors of sRGB in 8 bits, over a background, upright."""

from typing import cast

from PIL import ExifTags, GifImagePlugin, Image, PngImagePlugin, TiffImagePlugin

from app.classifier.color import gray_table, to_srgb
from app.classifier.errors import UnsupportedModeError
from app.classifier.formats.parts import ImageParts
from app.classifier.orientation import read_orientation, upright

__all__ = ["to_grayscale"]

_BITS = ExifTags.Base.BitsPerSample
_PHOTOMETRIC = ExifTags.Base.PhotometricInterpretation  # of a TIFF; 0: white is zero
_DEEP_GRAY_AND_ALPHA = "LA;16B"  # pixels of a PNG that Pillow makes RGBA of
_GRAY_STEPS = {"L;2": 85, "L;4": 17}  # from one value of such pixels to the next, in 8 bits


def to_grayscale(image: Image.Image, parts: ImageParts, name: str, *, background: int) -> Image.Image:
    """Turn what a file shows into gray values 0-255.

    Args:
        image: the image, just opened.
        parts: what its file was taken apart to.
        name: what errors call the file.
        background: the gray that shows where the image is transparent, or none.

    Raises:
        UnsupportedModeError: its values have no fixed range.
        Exception: whatever Pillow raises on damaged pixels.
    """
    raw_mode = image.tile[0].args if isinstance(image, PngImagePlugin.PngImageFile) and image.tile else None
    _scale_transparency(image, raw_mode)
    covered = image.tile[0].extents if isinstance(image, GifImagePlugin.GifImageFile) else None
    image.load()
    shown = image.convert("LA") if raw_mode == _DEEP_GRAY_AND_ALPHA else image
    gray = _flatten(_in_srgb(shown, parts, name), background)
    if covered is not None and covered != (0, 0, *image.size):
        whole = Image.new("L", image.size, background)
        whole.paste(gray.crop(covered), covered)
        gray = whole
    orientation = _orientation(image, parts)
    return gray if orientation == 1 else upright(gray, orientation)


def _scale_transparency(image: Image.Image, raw_mode: object) -> None:
    """As Pillow scales the pixels of a PNG to 8 bits, but not the value that stands for transparent ones."""
    transparent = image.info.get("transparency")
    if raw_mode in _GRAY_STEPS and isinstance(transparent, int):
        image.info["transparency"] = transparent * _GRAY_STEPS[raw_mode]
    elif raw_mode == "RGB;16B" and isinstance(transparent, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in transparent)


def _orientation(image: Image.Image, parts: ImageParts) -> object:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return image.tag_v2.get(ExifTags.Base.Orientation, 1)
    return read_orientation(parts.exif)


def _in_srgb(image: Image.Image, parts: ImageParts, name: str) -> Image.Image:
    """The image in any mode of 8 bits a value."""
    if image.mode in {"F", "LAB", "HSV"}:
        raise UnsupportedModeError(
            f"{name} has {image.mode} pixels, which have no fixed grayscale range; send 1-, 8- or 16-bit gray, or RGB."
        )
    profile, gamma = parts.profile or image.info.get("icc_profile"), parts.gamma
    if image.mode.startswith("I"):
        return _scale_16_bit(image, gray_table(profile, gamma), name)
    if profile is None and gamma is None:
        return image
    if image.mode != "CMYK":
        values = "L" if image.mode in {"1", "L", "LA"} else "RGB"
        image = image.convert(f"{values}A" if image.has_transparency_data else values)
    return to_srgb(image, profile, gamma)


def _scale_16_bit(image: Image.Image, table: bytes | None, name: str) -> Image.Image:
    """The image in 8 bits, each value's high byte looked up in the table, if there is one, as browsers do."""
    values = image.convert("I")
    low, high = cast("tuple[int, int]", values.getextrema())
    if low < 0 or high > 65535:
        raise UnsupportedModeError(f"{name} has values from {low} to {high}; 16-bit gray takes 0 to 65535.")
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # Pillow minds both in all gray but this
        if image.tag_v2.get(_BITS) == (12,):
            values = values.point(lambda value: value * (65535 / 4095) + 0.5)
        if image.tag_v2.get(_PHOTOMETRIC) == 0:
            values = values.point(lambda value: value * -1 + 65535)
    if table is None:
        # 65535 / 257 = 255; adding a half makes the cut to whole numbers a rounding.
        gray = values.convert("F").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    else:
        gray = values.point([value for value in table for _ in range(256)], "L")
    transparent = image.info.get("transparency")  # a PNG may say so of one value
    if isinstance(transparent, int):
        gray.putalpha(values.point([255 * (value != transparent) for value in range(65536)], "L"))
    return gray


def _flatten(image: Image.Image, background: int) -> Image.Image:
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (background, background, background, 255))
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return image if image.mode == "L" else image.convert("L")
