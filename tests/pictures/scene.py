"""What all pictures show: no two of its eight orientations, and hardly two of its pixels, are alike."""

from typing import cast

from PIL import Image

from tests import drawings

__all__ = ["COLOR", "GRAY", "SIDE", "color", "gray"]

SIDE = 28


def _gray() -> Image.Image:
    ramp = bytes(min(255, 4 * x + 5 * y) for y in range(SIDE) for x in range(SIDE))
    scene = Image.frombytes("L", (SIDE, SIDE), ramp)
    scene.paste(drawings.ankle_boot().crop((0, 0, 28, 14)), (0, 14))
    return scene


def _color() -> Image.Image:
    falling = Image.frombytes("L", (SIDE, SIDE), bytes(255 - 9 * x for _ in range(SIDE) for x in range(SIDE)))
    return Image.merge("RGB", (GRAY, GRAY.transpose(Image.Transpose.ROTATE_90), falling))


GRAY = _gray()
COLOR = _color()


def gray(x: int, y: int) -> int:
    return cast("int", GRAY.getpixel((x, y)))


def color(x: int, y: int) -> tuple[int, int, int]:
    return cast("tuple[int, int, int]", COLOR.getpixel((x, y)))
