"""Images that the tests draw, and their files."""

import io

from PIL import Image, ImageDraw

__all__ = ["ankle_boot", "encode", "noise", "png"]


def ankle_boot() -> Image.Image:
    """A light boot on black, 28×28 grayscale."""
    image = Image.new("L", (28, 28))
    draw = ImageDraw.Draw(image)
    draw.polygon([(10, 2), (17, 2), (17, 14), (25, 19), (25, 24), (4, 24), (4, 20), (9, 14)], fill=170)
    draw.rectangle((3, 23, 25, 25), fill=230)
    return image


def noise(seed: int = 0) -> Image.Image:
    """Every pixel another value, the same for the same seed."""
    values = bytes((seed * 97 + position * 131 + position * position * 17) % 256 for position in range(28 * 28))
    return Image.frombytes("L", (28, 28), values)


def encode(image: Image.Image, file_format: str, **options: object) -> bytes:
    """The image as a file of that format."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def png(image: Image.Image | None = None) -> bytes:
    """The image, or the boot, as a PNG file."""
    return encode(image or ankle_boot(), "PNG")
