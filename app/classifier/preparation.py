"""How image files become the pixels of one model: the same when it is trained and when it is served."""

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from app.classifier.images import MAX_PIXELS, read_pixels
from app.classifier.softmax import SIDE

__all__ = ["Preparation", "center_of_mass"]


class Preparation(BaseModel):
    """What is done to each image file; kept in the model file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resize: bool = Field(default=False, description="fit images of any size into 28×28")
    invert: bool = Field(default=False, description="turn dark-on-light into light-on-dark")
    center: Literal["none", "mass"] = Field(default="none", description="shift the center of mass to the middle")

    def read(
        self,
        content: bytes,
        name: str = "file",
        *,
        resize: bool | None = None,
        invert: bool | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> bytes:
        """Decode one image file into 784 pixel values, row-major.

        Args:
            content: of the file.
            name: what errors call it.
            resize: in the place of this preparation's own, where given.
            invert: likewise.
            max_pixels: of an image that is resized.

        Raises:
            ImageError: the file can't be classified; the class says why.
        """
        pixels = read_pixels(
            content,
            name=name,
            resize=self.resize if resize is None else resize,
            invert=self.invert if invert is None else invert,
            max_pixels=max_pixels,
        )
        return center_of_mass(pixels) if self.center == "mass" else pixels


def center_of_mass(pixels: bytes) -> bytes:
    """784 pixels, shifted by whole pixels so that their center of mass lies in the middle, as MNIST's digits do.

    What leaves the frame is lost, and what comes in is black; a blank image stays where it is.

    Source: LeCun, Cortes & Burges, The MNIST Database of Handwritten Digits.
    """
    image = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(SIDE, SIDE)
    mass = image.double()
    if not mass.any():
        return pixels
    places = torch.arange(SIDE, dtype=torch.float64)
    middle = (SIDE - 1) / 2
    down, right = (round(middle - float((mass.sum(axis) * places).sum() / mass.sum())) for axis in (1, 0))
    shifted = torch.zeros_like(image)
    shifted[_kept(down), _kept(right)] = image[_kept(-down), _kept(-right)]
    return shifted.numpy().tobytes()


def _kept(shift: int) -> slice:
    """Where an axis's pixels arrive that are shifted by so many; of the opposite shift: where they come from."""
    return slice(max(0, shift), SIDE + min(0, shift))
