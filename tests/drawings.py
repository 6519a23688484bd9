"""Images that the tests draw, and their files."""

import io

from PIL import Image, ImageDraw

__all__ = ["ankle_boot", "encode", "noise", "png"]


def ankle_boot() -> Image.Image:
    """A light boot on black, 28×28 grayscale: `docs/boot.png`."""
    image = Image.new("L", (28, 28))
    draw = ImageDraw.Draw(image)
    draw.polygon([(14, 3), (25, 3), (26, 20), (26, 24), (1, 24), (1, 20), (9, 16), (13, 11)], fill=170)
    draw.rectangle((1, 22, 26, 24), fill=210)
    for line in ((15, 5, 24, 5), (12, 13, 18, 13), (13, 10, 19, 10)):
        draw.line(line, fill=120)
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
