"""File bytes to the 28×28 grayscale pixels that the model sees: the one preprocessing of training and serving.

The reference is what browsers show of the same file: docs/decisions/what-an-image-shows.md. Grayscale is taken as it
is; 1-bit and palette images are expanded; 16-bit is scaled by 1/257; color becomes luminance (ITU-R 601, as Pillow
computes it); transparency is laid over the background, which is black.
"""

import warnings
from collections.abc import Callable, Sequence

import torch
from PIL import (
    BmpImagePlugin,
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
    TooManyPixelsError,
    WrongSizeError,
)
from app.classifier.formats import bmp_header, gif_blocks, jpeg_segments, png_chunks, tiff_directory, webp_header
from app.classifier.formats.parts import ImageParts
from app.classifier.grayscale import to_grayscale
from app.classifier.image_limits import CountedReads, StripLimitedTiff, check_text
from app.classifier.png import unpack_plain_png
from app.classifier.softmax import PIXELS, SIDE

__all__ = ["FORMATS", "FORMAT_NAMES", "MAX_PIXELS", "read_pixels", "stack", "to_tensor"]

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
FORMATS = tuple(decoder.format for decoder in _DECODERS)  # as Pillow calls them
FORMAT_NAMES = ", ".join(FORMATS).replace("WEBP", "WebP")  # as we do, wherever they are said
_ACCEPTS = tuple(Image.OPEN[name][1] for name in FORMATS)

with warnings.catch_warnings():  # torch warns once of memory that it must not write to; nothing here does
    warnings.simplefilter("ignore", UserWarning)
    torch.frombuffer(b"\0", dtype=torch.uint8)

_INVERTED = bytes(range(255, -1, -1))

# What phones and pages have instead, by the brand that stands after the first eight bytes of its file.
_FOREIGN = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF", b"avis": "AVIF"}

MAX_PIXELS = 16_000_000  # take 64 MB as RGBA

# Formats that Pillow reads otherwise than browsers do, or whose metadata it trips over.
_TAKE_APART: dict[str, Callable[[bytes, str], ImageParts]] = {
    "PNG": png_chunks.take_apart,
    "JPEG": jpeg_segments.take_apart,
    "BMP": bmp_header.take_apart,
    "GIF": gif_blocks.take_apart,
    "WEBP": webp_header.take_apart,
    "TIFF": tiff_directory.take_apart,
}


def read_pixels(
    content: bytes, *, name: str = "file", resize: bool = False, invert: bool = False, max_pixels: int = MAX_PIXELS
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
    file_format = str(decoder.format)
    try:
        parts = _TAKE_APART.get(file_format, check_text)(content, name)
        image = decoder(CountedReads(parts.pixels, name))
        _check_size(image.size, name, max_pixels, resize=resize)
        _check_frames(image, parts, name)
        gray = to_grayscale(image, parts, name, background=255 if invert else 0)
        if invert:
            gray = ImageOps.invert(gray)
        if gray.size != (SIDE, SIDE):
            gray = _letter_box(gray)
        return gray.tobytes()
    except ImageError:
        raise
    except Exception as error:  # on damaged bytes Pillow raises OSError, SyntaxError, ValueError, struct.error, ...
        raise DamagedImageError(f"{name} looks like {file_format}, but it can't be decoded: {error}.") from error


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
    if not content:
        raise NotAnImageError(f"{name} is empty.")
    foreign = _FOREIGN.get(content[8:12]) if content[4:8] == b"ftyp" else None
    if foreign:
        raise NotAnImageError(f"{name} is {foreign}, which is not read; save it as JPEG or PNG.")
    raise NotAnImageError(f"{name} is not an image in a format that is read; send one of {FORMAT_NAMES}.")


def _check_size(size: tuple[int, int], name: str, max_pixels: int, *, resize: bool) -> None:
    width, height = size
    if not resize and size != (SIDE, SIDE):
        raise WrongSizeError(f"{name} is {width}×{height} pixels; the model takes {SIDE}×{SIDE}.")
    if width * height > max_pixels:
        raise TooManyPixelsError(
            f"{name} is {width}×{height} pixels, more than the {max_pixels:,} that are decoded; send a smaller image."
        )


def _check_frames(image: Image.Image, parts: ImageParts, name: str) -> None:
    if parts.has_more_frames or getattr(image, "is_animated", False):
        raise SeveralFramesError(f"{name} has several frames or pages; send an image of one frame.")


def _letter_box(gray: Image.Image) -> Image.Image:
    scale = SIDE / max(gray.size)
    width, height = (max(1, round(length * scale)) for length in gray.size)
    boxed = Image.new("L", (SIDE, SIDE))
    boxed.paste(gray.resize((width, height), Image.Resampling.BOX), ((SIDE - width) // 2, (SIDE - height) // 2))
    return boxed
