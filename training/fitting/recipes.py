"""The hyperparameters of a fit, and what follows from them alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from training.errors import RecipeError

__all__ = ["ClassWeights", "Recipe", "Schedule", "shared"]

_MOST = 2**53 - 1  # epochs, and images in a minibatch: the model file says them in JSON, whose readers know no more
_LEAST_STEPS = 1000  # of a fit whose epochs nobody has chosen; docs/decisions/training-defaults.md


class Schedule(StrEnum):
    """How the learning rate changes from the first step to the last."""

    CONSTANT = "constant"
    LINEAR = "linear"
    COSINE = "cosine"

    def factor(self, progress: float) -> float:
        """The share of the first learning rate that is left at `progress`, which runs from 0 to below 1."""
        match self:
            case Schedule.CONSTANT:
                return 1.0
            case Schedule.LINEAR:
                return 1.0 - progress
            case Schedule.COSINE:
                return (1.0 + math.cos(math.pi * progress)) / 2


class ClassWeights(StrEnum):
    """How much an image's loss counts."""

    BALANCED = "balanced"  # in inverse proportion to its class's images


@dataclass(frozen=True, slots=True)
class Recipe:
    """Minibatch SGD as `torch.optim.SGD` defines it; weight decay acts on the weight and the bias alike."""

    epochs: int = 20
    batch_size: int = 256
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    schedule: Schedule = Schedule.LINEAR
    seed: int = 0  # draws the initial weights
    shuffle_seed: int | None = None  # shuffles each epoch; None: the seed does that too
    class_weights: ClassWeights | None = None  # None: each image counts alike

    def __post_init__(self) -> None:
        """Raises RecipeError: a value outside its range."""
        for option, number in (("--epochs", self.epochs), ("--batch-size", self.batch_size)):
            if not 1 <= number <= _MOST:
                raise RecipeError(f"{option} {number} must be at least 1 and at most {_MOST}.")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise RecipeError(f"--lr {self.lr} must be a positive number.")
        if not 0 <= self.momentum < 1:
            raise RecipeError(f"--momentum {self.momentum} must be at least 0 and below 1.")
        if not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise RecipeError(f"--weight-decay {self.weight_decay} must be 0 or a positive number.")
        for option, seed in (("--seed", self.seed), ("--shuffle-seed", self.order_seed)):
            if not 0 <= seed < 2**32:
                raise RecipeError(f"{option} {seed} must be between 0 and {2**32 - 1}.")

    @property
    def order_seed(self) -> int:
        return self.seed if self.shuffle_seed is None else self.shuffle_seed

    @property
    def too_high(self) -> str:
        """The option that made the loss leave all bounds: a decay that more than takes back a weight does it alone."""
        if self.lr * self.weight_decay > 1:
            return f"--weight-decay {self.weight_decay:g} with --lr {self.lr:g}"
        return f"--lr {self.lr:g}"

    def settling(self, sample_count: int) -> "Recipe":
        """This recipe with so many epochs that few images, too, are seen in enough steps for the loss to settle."""
        steps = math.ceil(sample_count / min(self.batch_size, max(1, sample_count)))
        return replace(self, epochs=max(self.epochs, math.ceil(_LEAST_STEPS / steps)))

    def steps_per_epoch(self, sample_count: int) -> int:
        return math.ceil(sample_count / self.batch_size)

    def rates(self, epoch: int, sample_count: int) -> list[float]:
        """The learning rate of every step of one epoch; epochs count from 1."""
        steps = self.steps_per_epoch(sample_count)
        first = (epoch - 1) * steps
        return [self.lr * self.schedule.factor(step / (steps * self.epochs)) for step in range(first, first + steps)]


def shared(recipes: Sequence[Recipe]) -> Recipe:
    """The first of the recipes that are to be fitted together.

    Raises:
        RecipeError: they differ in what has to be the same for all.
    """
    for name in ("epochs", "batch_size", "momentum", "order_seed", "class_weights"):
        values = {getattr(recipe, name) for recipe in recipes}
        if len(values) > 1:
            shown = " and ".join(sorted(map(str, values)))
            raise RecipeError(f"Recipes that are fitted together must have one {name}, not {shown}.")
    return recipes[0]
