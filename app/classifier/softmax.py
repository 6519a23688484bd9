"""Softmax regression (multinomial logistic regression): one linear layer and a softmax."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["PIXELS", "SIDE", "SoftmaxRegression", "to_inputs"]

SIDE = 28
PIXELS = SIDE * SIDE

_FEW = 64  # rows: with no more than these functional.linear is the quicker way, with 16 by two thirds


def to_inputs(pixels: Tensor) -> Tensor:
    """Turn grayscale pixels into the model's inputs.

    Args:
        pixels: uint8 [N, 28, 28] or [N, 784], values 0-255.

    Returns:
        float32 [N, 784], values 0-1, row-major.
    """
    return pixels.reshape(-1, PIXELS).to(torch.float32).div_(255)  # many times faster than dividing uint8


@dataclass(frozen=True, slots=True, eq=False)
class SoftmaxRegression:
    """P(class | x) = softmax(W·x + b), as in "Dive into Deep Learning", section 4.1.

    Attributes:
        weight: float32 [C, 784].
        bias: float32 [C].
    """

    weight: Tensor
    bias: Tensor
    _pixel_weight: Tensor = field(init=False, repr=False)  # W / 255, so that serving need not divide the pixels

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pixel_weight", self.weight / 255)

    def logits(self, inputs: Tensor) -> Tensor:
        """float32 [N, 784] in 0-1 -> float32 [N, C], unbounded."""
        return _columns(self.weight, self.bias, inputs).T

    def probabilities(self, inputs: Tensor) -> Tensor:
        """float32 [N, 784] in 0-1 -> float32 [N, C]; each row is in 0-1 and sums to 1."""
        return _softmax(_columns(self.weight, self.bias, inputs))

    def classify(self, values: Tensor) -> Tensor:
        """float32 [784] or [N, 784] in 0-255 -> float32 [C] or [N, C]: probabilities, within 2e-6, in fewer steps."""
        if values.ndim == 1:  # a vector: two thirds of the time that a matrix of one row takes
            return torch.softmax(torch.addmv(self.bias, self._pixel_weight, values), dim=0)
        if len(values) <= _FEW:
            return torch.softmax(functional.linear(values, self._pixel_weight, self.bias), dim=1)
        return _softmax(_columns(self._pixel_weight, self.bias, values))


def _columns(weight: Tensor, bias: Tensor, rows: Tensor) -> Tensor:
    """[C, 784], [C], [N, 784] -> logits [C, N]; with few classes and many rows, sooner than functional.linear."""
    return torch.addmm(bias[:, None], weight, rows.T)


def _softmax(columns: Tensor) -> Tensor:
    """[C, N] -> [N, C]; in this order, as torch goes through a transposed matrix several times as slowly."""
    return torch.softmax(columns, dim=0).T.contiguous()
