"""Many settings at once: one [784 × C·K] problem over the same minibatches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import isfinite

from app.classifier.intervals import wilson_interval
from training.errors import RecipeError
from training.fitting.recipes import Recipe
from training.fitting.scores import EpochScores

__all__ = ["Ranked", "grid", "rank"]

# Combinations that are fitted at once; of ten classes, their weights take 300 MB, and as much thrice more.
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Ranked:
    recipe: Recipe
    loss: float  # on the validation split, as the rest
    accuracy: float
    interval: tuple[float, float]  # 95 %, Wilson


def grid(base: Recipe, rates: Sequence[float], decays: Sequence[float], seeds: Sequence[int]) -> list[Recipe]:
    """All combinations; they share the order of the minibatches, which the first seed draws.

    Raises:
        RecipeError: a value is out of range, or they are too many.
    """
    count = len(rates) * len(decays) * len(seeds)
    if count > _MOST:
        raise RecipeError(f"--lr, --weight-decay and --seeds make {count:,} combinations; {_MOST:,} are the most.")
    return [
        replace(base, lr=lr, weight_decay=decay, seed=seed, shuffle_seed=seeds[0])
        for lr, decay, seed in product(rates, decays, seeds)
    ]


def rank(recipes: Sequence[Recipe], scores: Sequence[EpochScores], sample_count: int) -> list[Ranked]:
    """The recipes by validation accuracy, then loss; those that diverged come last.

    Args:
        recipes: as they were fitted together.
        scores: of the last epoch, by recipe; with validation images.
        sample_count: of the validation split.
    """
    ranked = [
        Ranked(recipe, one.validation_loss, one.validation_accuracy, _interval(one.validation_accuracy, sample_count))
        for recipe, one in zip(recipes, scores, strict=True)
        if one.validation_loss is not None and one.validation_accuracy is not None
    ]
    return sorted(ranked, key=lambda one: (-one.accuracy, one.loss) if isfinite(one.loss) else (1.0, 0.0))


def _interval(accuracy: float, sample_count: int) -> tuple[float, float]:
    return wilson_interval(accuracy * sample_count, sample_count)
