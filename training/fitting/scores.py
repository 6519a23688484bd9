"""What is measured while a model is fitted."""

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["EpochScores", "sums"]


@dataclass(frozen=True, slots=True)
class EpochScores:
    """How one epoch went; each list has one entry per recipe.

    The loss (mean cross-entropy, nats) and the accuracy on the training data are those of each minibatch before its
    step; those on the validation data are measured after the epoch, where there are some.
    """

    epoch: int
    seconds: float  # of training; validation not included
    loss: list[float]
    accuracy: list[float]
    validation_loss: list[float] | None
    validation_accuracy: list[float] | None


def sums(probabilities: Tensor, targets: Tensor) -> Tensor:
    """Sum of the cross-entropies and count of the correct answers: [K, C, n] and one-hot [C, n] -> [2, K].

    Taken from the probabilities that a step computes anyway; a cross-entropy above 87 nats, where the probability is
    no longer a float32, counts as 87.
    """
    of_target = (probabilities * targets).sum(1)  # [K, n]
    losses = -of_target.clamp(min=torch.finfo(torch.float32).tiny).log()
    correct = of_target == probabilities.amax(1)
    return torch.stack([losses.sum(1), correct.sum(1)])
