"""What is measured while a model is fitted."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["EpochScores", "complaint", "sums"]

_FALLING = 0.1  # share of the loss that may go in the second half of the epochs; Fashion-MNIST: 0.05
_JUMPING = 0.2  # share by which the last loss may lie above the least of the second half
_MUCH = 0.05  # nats; a loss that falls or rises by less is left alone


@dataclass(frozen=True, slots=True)
class EpochScores:
    """How one epoch of one recipe went.

    The loss (mean cross-entropy, nats) and the accuracy on the training data are those of each minibatch before its
    step; those on the validation data are measured after the epoch, where there are some.
    """

    epoch: int
    seconds: float  # of training; validation not included
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None


def complaint(history: Sequence[EpochScores]) -> str | None:
    """What the training loss says against stopping where it did, in words; None: nothing."""
    losses = [scores.loss for scores in history]
    middle, last, least = losses[len(losses) // 2], losses[-1], min(losses[len(losses) // 2 :])
    if last < middle - _MUCH and last < middle * (1 - _FALLING):
        return f"The training loss was still falling at the end, from {middle:.4f} to {last:.4f}: try more --epochs."
    if last > least + _MUCH and last > least * (1 + _JUMPING):
        return f"The training loss jumped at the end, from {least:.4f} to {last:.4f}: try a lower --lr."
    return None


def sums(logits: Tensor, probabilities: Tensor, class_ids: Tensor) -> Tensor:
    """Sum of the cross-entropies and count of the correct answers: twice [K, C, n], and [n] -> float64 [2, K].

    The log of the sum of exp(logits) is taken from the likeliest class, whose probability a step has computed anyway
    and which is at least 1 / C: max(logits) - log(max(probabilities)). So nothing is clamped or rounded to 0.
    """
    of_target = logits.gather(1, class_ids.expand(len(logits), 1, -1)).squeeze(1)  # [K, n]
    highest = logits.amax(1)
    losses = highest - probabilities.amax(1).log() - of_target
    return torch.stack([losses.sum(1, dtype=torch.float64), (of_target == highest).sum(1, dtype=torch.float64)])
