"""File bytes to the 28×28 grayscale pixels that the model sees: the one preprocessing of training and serving.

Grayscale is taken as it is; 1-bit and palette images are expanded; 16-bit is scaled by 1/257; color becomes
luminance (ITU-R 601, as Pillow computes it); transparency is laid over the background, which is black.
"""

import warnings
from collections.abc import Sequence
from typing import cast

import torch
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    WebPImagePlugin,
)
from torch import Tensor
from typing_extensions import Buffer

from app.classifier.errors import (
    DamagedImageError,
    ImageError,
    NotAnImageError,
    SeveralFramesError,
    TooManyPartsError,
    TooManyPixelsError,
    UnsupportedModeError,
    WrongSizeError,
)
from app.classifier.image_limits import CountedReads, StripLimitedTiff, check_parts
from app.classifier.png import unpack_plain_png
from app.classifier.softmax import PIXELS, SIDE

__all__ = ["FORMATS", "read_pixels", "stack", "to_tensor"]

# Only these decoders ever see a byte of an upload, the most likely one first.
_DECODERS = (
    PngImagePlugin.PngImageFile,
    JpegImagePlugin.JpegImageFile,
    BmpImagePlugin.BmpImageFile,
    GifImagePlugin.GifImageFile,
    WebPImagePlugin.WebPImageFile,
    StripLimitedTiff,
    PpmImagePlugin.PpmImageFile,
)
FORMATS = tuple(decoder.format for decoder in _DECODERS)
_ACCEPTS = tuple(Image.OPEN[name][1] for name in FORMATS)

with warnings.catch_warnings():  # torch warns once of memory that it must not write to; nothing here does
    warnings.simplefilter("ignore", UserWarning)
    torch.frombuffer(b"\0", dtype=torch.uint8)

_INVERTED = bytes(range(255, -1, -1))

_MAX_PIXELS = 16_000_000  # take 64 MB as RGBA
_MAX_EXIF_BYTES = 64 * 1024  # what a JPEG can have of it

_PHOTOMETRIC = ExifTags.Base.PhotometricInterpretation  # of a TIFF; 0: white is zero
_GRAY_STEPS = {"L;2": 85, "L;4": 17}  # from one value of such pixels to the next, in 8 bits

# How an image is to be turned upright, by its Exif orientation.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_pixels(
    content: bytes, *, name: str = "file", resize: bool = False, invert: bool = False, max_pixels: int = _MAX_PIXELS
) -> bytes:
    """Decode one image file into what the model sees.

    Args:
        content: the file's bytes, in one of FORMATS.
        name: what errors call the file.
        resize: fit an image of any size into 28×28, area-averaged and letter-boxed in black; without it, any other
            size is an error.
        invert: turn dark-on-light into the light-on-dark of the data sets; what is transparent stays background.
        max_pixels: an image of more is refused before it is decoded.

    Returns:
        784 pixel values 0-255, row-major.

    Raises:
        ImageError: the file can't be classified; the class says why.
    """
    plain = unpack_plain_png(content)
    if plain is not None:
        return plain.translate(_INVERTED) if invert else plain
    decoder = _decoder(content, name)
    check_parts(content, str(decoder.format), name)
    try:
        image = decoder(CountedReads(content, name))
        _check_size(image.size, name, max_pixels, resize=resize)
        _check_frames(image, name)
        _scale_transparency(image)
        gray = _to_grayscale(image, name, background=255 if invert else 0)
        if invert:
            gray = ImageOps.invert(gray)
        if gray.size != (SIDE, SIDE):
            gray = _letter_box(gray)
        return gray.tobytes()
    except ImageError:
        raise
    except Exception as error:  # on damaged bytes Pillow raises OSError, SyntaxError, ValueError, struct.error, ...
        raise DamagedImageError(f"{name} looks like {decoder.format}, but it can't be decoded: {error}.") from error


def to_tensor(content: Buffer) -> Tensor:
    """What `read_pixels` returns, or any bytes, as a tensor, uint8 [N], on the same memory, and so only to be read."""
    return torch.frombuffer(content, dtype=torch.uint8)


def stack(images: Sequence[bytes]) -> Tensor:
    """Join results of `read_pixels` into one tensor, uint8 [N, 784]."""
    return to_tensor(b"".join(images)).view(-1, PIXELS)


def _decoder(content: bytes, name: str) -> type[ImageFile.ImageFile]:
    signature = content[:16]
    for accepts, decoder in zip(_ACCEPTS, _DECODERS, strict=True):
        if accepts is None or accepts(signature) is True:
            return decoder
    raise NotAnImageError(f"{name} is not an image in a format that is read; send one of {', '.join(FORMATS)}.")


def _check_size(size: tuple[int, int], name: str, max_pixels: int, *, resize: bool) -> None:
    width, height = size
    if not resize and size != (SIDE, SIDE):
        raise WrongSizeError(f"{name} is {width}×{height} pixels; the model takes {SIDE}×{SIDE}.")
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"{name} is {width}×{height} pixels, more than the {max_pixels:,} that are decoded; send a smaller image."
        )


def _check_frames(image: Image.Image, name: str) -> None:
    if getattr(image, "is_animated", False):
        raise SeveralFramesError(f"{name} has several frames or pages; send an image of one frame.")


def _scale_transparency(image: Image.Image) -> None:
    """As Pillow scales the pixels of a PNG to 8 bits, but not the value that stands for transparent ones."""
    transparent = image.info.get("transparency")
    raw_mode = image.tile[0].args if isinstance(image, PngImagePlugin.PngImageFile) and image.tile else None
    if raw_mode in _GRAY_STEPS and isinstance(transparent, int):
        image.info["transparency"] = transparent * _GRAY_STEPS[raw_mode]
    elif raw_mode == "RGB;16B" and isinstance(transparent, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in transparent)


def _to_grayscale(image: Image.Image, name: str, *, background: int) -> Image.Image:
    is_white_zero = isinstance(image, StripLimitedTiff) and image.tag_v2.get(_PHOTOMETRIC) == 0
    image = _upright(image, name)
    if image.mode.startswith("I"):
        gray = _scale_16_bit(image, name, background=background)
        return ImageOps.invert(gray) if is_white_zero else gray  # Pillow minds that in all gray but this
    if image.mode in ("F", "LAB", "HSV"):
        raise UnsupportedModeError(
            f"{name} has {image.mode} pixels, which have no fixed grayscale range; send 1-, 8- or 16-bit gray, or RGB."
        )
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, (background, background, background, 255))
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return image.convert("L")


def _upright(image: Image.Image, name: str) -> Image.Image:
    """As ImageOps.exif_transpose, which would also write the metadata anew, though nobody reads it."""
    image.load()  # which turns a TIFF
    exif_bytes = len(image.info.get("exif", b""))
    if exif_bytes > _MAX_EXIF_BYTES:
        raise TooManyPartsError(f"{name} has {exif_bytes:,} bytes of Exif; up to {_MAX_EXIF_BYTES:,} are read.")
    turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return image if turn is None else image.transpose(turn)


def _scale_16_bit(image: Image.Image, name: str, *, background: int) -> Image.Image:
    values = image.convert("I")
    low, high = cast("tuple[int, int]", values.getextrema())
    if low < 0 or high > 65535:
        raise UnsupportedModeError(f"{name} has values from {low} to {high}; 16-bit gray takes 0 to 65535.")
    # 65535 / 257 = 255; adding a half makes the cut to whole numbers a rounding.
    gray = values.convert("F").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    transparent = image.info.get("transparency")  # a PNG may say so of one value
    if isinstance(transparent, int):
        gray.paste(background, mask=values.point([255 * (value == transparent) for value in range(65536)], "L"))
    return gray


def _letter_box(gray: Image.Image) -> Image.Image:
    scale = SIDE / max(gray.size)
    width, height = (max(1, round(length * scale)) for length in gray.size)
    boxed = Image.new("L", (SIDE, SIDE))
    boxed.paste(gray.resize((width, height), Image.Resampling.BOX), ((SIDE - width) // 2, (SIDE - height) // 2))
    return boxed
