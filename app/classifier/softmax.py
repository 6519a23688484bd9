"""Softmax regression (multinomial logistic regression): one linear layer and a softmax."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["PIXELS", "SIDE", "SoftmaxRegression", "to_inputs"]

SIDE = 28
PIXELS = SIDE * SIDE


def to_inputs(pixels: Tensor) -> Tensor:
    """Turn grayscale pixels into the model's inputs.

    Args:
        pixels: uint8 [N, 28, 28] or [N, 784], values 0-255.

    Returns:
        float32 [N, 784], values 0-1, row-major.
    """
    return pixels.reshape(-1, PIXELS).to(torch.float32).div_(255)


@dataclass(frozen=True, slots=True, eq=False)
class SoftmaxRegression:
    """P(class | x) = softmax(W·x + b), as in "Dive into Deep Learning", section 4.1.

    Attributes:
        weight: float32 [C, 784].
        bias: float32 [C].
    """

    weight: Tensor
    bias: Tensor

    def logits(self, inputs: Tensor) -> Tensor:
        """float32 [N, 784] in 0-1 -> float32 [N, C], unbounded."""
        return functional.linear(inputs, self.weight, self.bias)

    def probabilities(self, inputs: Tensor) -> Tensor:
        """float32 [N, 784] in 0-1 -> float32 [N, C]; each row is in 0-1 and sums to 1."""
        return torch.softmax(self.logits(inputs), dim=1)
