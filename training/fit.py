"""The training loop: one for the CPU and for CUDA, for a single fit and for a sweep."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from app.classifier.softmax import PIXELS, SoftmaxRegression
from training.datasets import Split
from training.errors import DivergedError
from training.minibatches import Minibatches
from training.recipes import Recipe
from training.sgd import COLUMNS, Sgd

__all__ = ["EpochScores", "Fit"]


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


class Fit:
    """Fits softmax regression by each of K recipes at once; they share the minibatches and the order of the first."""

    def __init__(
        self, recipes: Sequence[Recipe], train: Split, validation: Split, class_count: int, device: torch.device
    ) -> None:
        self._recipes = recipes
        self._recipe = recipes[0]
        self._train = Minibatches(train, self._recipe.batch_size, self._recipe.seed, device)
        self._validation = Minibatches(validation, self._recipe.batch_size, self._recipe.seed, device)
        self._sgd = Sgd(recipes, class_count, device)
        self._rates = torch.zeros(self._recipe.steps_per_epoch(len(train)), len(recipes), 1, 1, device=device)
        self._sums = torch.zeros(2, len(recipes), device=device)  # of the losses and of the correct answers

    def epochs(self) -> Iterator[EpochScores]:
        """Train, one epoch each time that the next scores are asked for.

        Raises:
            DivergedError: a loss is no longer finite.
        """
        for epoch in range(1, self._recipe.epochs + 1):
            start = time.perf_counter()
            self._train.shuffle(epoch)
            rates = [recipe.rates(epoch, len(self._train)) for recipe in self._recipes]
            self._rates.copy_(torch.tensor(rates).t()[:, :, None, None])
            self._train_once()
            loss, accuracy = (self._sums / len(self._train)).tolist()
            seconds = time.perf_counter() - start
            if not all(map(math.isfinite, loss)):
                raise DivergedError(
                    f"The loss is not finite in epoch {epoch}: --lr {self._recipe.lr} is too high for these data; "
                    "nothing was saved. Try a tenth of it."
                )
            yield EpochScores(epoch, seconds, loss, accuracy, *self._validate())

    def models(self) -> list[SoftmaxRegression]:
        return self._sgd.models()

    def _train_once(self) -> None:
        self._sums.zero_()
        rates = iter(self._rates)
        for inputs, targets in self._chunks(self._train):
            minibatches = (torch.split(part, self._recipe.batch_size, dim=1) for part in (inputs, targets))
            logits = [self._sgd.step(*arguments) for arguments in zip(*minibatches, rates, strict=False)]
            self._sums += _sums(torch.cat(logits, dim=2), targets)

    def _validate(self) -> tuple[list[float] | None, list[float] | None]:
        if not len(self._validation):
            return None, None
        sums = torch.zeros_like(self._sums)
        for inputs, targets in self._chunks(self._validation):
            sums += _sums(self._sgd.logits(inputs), targets)
        loss, accuracy = (sums / len(self._validation)).tolist()
        return loss, accuracy

    def _chunks(self, minibatches: Minibatches) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs float32 [785, n] and one-hot targets float32 [C, n] of one or more minibatches at a time."""
        buffer = torch.ones(0, COLUMNS, device=self._sums.device)
        for pixels, class_ids in minibatches.chunks():
            if len(buffer) < len(pixels):
                buffer = torch.ones(len(pixels), COLUMNS, device=self._sums.device)
            inputs = buffer[: len(pixels)]  # column 784 stays 1
            inputs[:, :PIXELS].copy_(pixels).div_(255)
            class_count = self._sgd.parameters.shape[1]
            yield inputs.t(), functional.one_hot(class_ids, class_count).t().to(torch.float32)


def _sums(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum of the cross-entropies and count of the correct answers: logits [K, C, n], one-hot [C, n] -> [2, K]."""
    of_target = (logits * targets).sum(1)  # [K, n]
    losses = logits.logsumexp(1) - of_target
    correct = of_target == logits.amax(1)
    return torch.stack([losses.sum(1), correct.sum(1)])
