"""What the training pixels look like, to tell images that look otherwise: inverted, blank, noise, another subject."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from app.classifier.softmax import PIXELS

__all__ = ["PixelStatistics", "WarningCode"]

WarningCode = Literal["blank", "inverted", "unusual"]

_FLOOR = 0.05  # of the range; added to each deviation, or a pixel that is black in training could not be dark gray
_USUAL_SHARE = 0.995  # of the training images lie within the limit
_EXACT = 256  # images whose squared pixels are summed in float32: no sum exceeds 2^24, so each is exact
_SAME = 25  # levels of 255 that a pixel may be from the first one's and look the same: noise, or a picture in the dark
_SPECKS = 7  # pixels, 1 %, that may look otherwise; of the 70,000 images of Fashion-MNIST none has fewer than 30
_SAMPLE = slice(None, None, 13)  # some pixels of every column, which rule out most images sooner than all pixels do
_MOST_MEASURED = 1_000_000  # distances that the limit is taken from; torch.quantile takes 16 million at most

_LOOKS_SAME = [bytes(range(max(0, level - _SAME), min(255, level + _SAME) + 1)) for level in range(256)]


@dataclass(frozen=True, slots=True, eq=False)
class PixelStatistics:
    """Each pixel's mean and deviation over the training images, and how far from them an image may lie.

    The distance of an image is its mean squared standardized deviation, mean(((x - mean) / (deviation + 0.05))²): a
    Mahalanobis distance with a diagonal covariance.

    Attributes:
        mean: float32 [784], of inputs in 0-1.
        deviation: float32 [784], likewise.
        limit: float32 [], the distance that 99.5 % of the training images keep within.
    """

    mean: Tensor
    deviation: Tensor
    limit: Tensor
    _scale: Tensor = field(init=False, repr=False)  # (784,)
    _shift: Tensor = field(init=False, repr=False)  # (784,), so that distance = Σ (pixels · scale + shift)²
    _limit: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        scale = 1 / ((self.deviation + _FLOOR) * PIXELS**0.5)
        object.__setattr__(self, "_scale", scale / 255)
        object.__setattr__(self, "_shift", -self.mean * scale)
        object.__setattr__(self, "_limit", float(self.limit))

    @classmethod
    def measure(cls, pixels: Tensor) -> "PixelStatistics":
        """The statistics of training images, uint8 [N, 784] or [N, 28, 28], on any device."""
        images = pixels.reshape(-1, PIXELS)
        total, squares = torch.zeros(2, PIXELS, dtype=torch.float64, device=images.device)
        for chunk in torch.split(images, _EXACT):
            values = chunk.float()
            total += values.sum(0)
            squares += values.square().sum(0)
        mean = total / len(images) / 255
        deviation = (squares / len(images) / 255**2 - mean.square()).clamp(min=0).sqrt()
        found = cls(mean.float().cpu(), deviation.float().cpu(), torch.tensor(torch.inf))
        measured = images[:: len(images) // _MOST_MEASURED + 1]
        distances = torch.cat([found.distances(chunk.cpu()) for chunk in torch.split(measured, 1024)])
        return cls(found.mean, found.deviation, distances.quantile(_USUAL_SHARE))

    def distances(self, pixels: Tensor) -> Tensor:
        """uint8 or float32 [N, 784] in 0-255 -> float32 [N]."""
        return torch.addcmul(self._shift, pixels.float(), self._scale).square().sum(dim=1)

    def warning(self, image: bytes, values: Tensor) -> WarningCode | None:
        """What there is to warn of in one image, if anything.

        Args:
            image: 784 pixels.
            values: the same as float32 [784] in 0-255.
        """
        if _is_blank(image):
            return "blank"
        standardized = torch.addcmul(self._shift, values, self._scale)
        if torch.dot(standardized, standardized).item() <= self._limit:
            return None
        standardized = torch.addcmul(self._shift, 255 - values, self._scale)
        return "inverted" if torch.dot(standardized, standardized).item() <= self._limit else "unusual"

    def warnings(self, images: Sequence[bytes], values: Tensor) -> list[WarningCode | None]:
        """The same for many images; values float32 [N, 784]."""
        distances = self.distances(values).tolist()
        return [
            None if distance <= self._limit and not _is_blank(image) else self.warning(image, values[number])
            for number, (image, distance) in enumerate(zip(images, distances, strict=True))
        ]


def _is_blank(image: bytes) -> bool:
    same = _LOOKS_SAME[image[0]]
    return len(image[_SAMPLE].translate(None, same)) <= _SPECKS and len(image.translate(None, same)) <= _SPECKS
