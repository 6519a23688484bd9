"""Prediction sets that hold the true class with a chosen probability: split conformal prediction.

Nothing is assumed of the model. As long as the images asked about are exchangeable with those of the calibration, the
true class is in the set with at least the probability asked for, on average over images and calibrations.

Sources: Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World (2005), for the guarantee; Sadinle, Lei &
Wasserman, Least Ambiguous Set-Valued Classifiers (2019), for the score 1 - p(true class), whose sets are the smallest
on average; Angelopoulos & Bates, A Gentle Introduction to Conformal Prediction (2021), for the finite-sample quantile.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

__all__ = ["ConformalScores", "least_images"]


@dataclass(frozen=True, slots=True, eq=False)
class ConformalScores:
    """How likely the model found the true classes of images that it was not trained on.

    Attributes:
        probabilities: float32 [n], p(true class) of each calibration image, ascending. The score of an image is 1 - p;
            p itself is kept so that sets are chosen without rounding.
    """

    probabilities: Tensor

    @classmethod
    def measure(cls, probabilities: Tensor, class_ids: Tensor) -> "ConformalScores":
        """The scores of calibration images: probabilities float32 [n, C], true classes int64 [n]."""
        true = probabilities.gather(1, class_ids[:, None]).flatten()
        return cls(true.sort().values)

    def class_ids(self, probabilities: Sequence[float], coverage: float) -> list[int]:
        """The smallest set that holds the true class with probability `coverage`, likeliest first.

        It has every class whose score is within the ceil((n + 1)·coverage)-th smallest calibration score, and always
        the likeliest, which can only add to the coverage.

        Args:
            probabilities: one image's, by class.
            coverage: above 0 and below 1. Where it is above n / (n + 1), the set has all classes.
        """
        least = self._least_probability(coverage)
        ranked = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)
        return ranked[: max(1, sum(probability >= least for probability in probabilities))]

    def sets(self, probabilities: Tensor, coverage: float) -> Tensor:
        """The same for many images: probabilities float32 [N, C] -> bool [N, C], which classes are in each set."""
        likeliest = torch.zeros_like(probabilities, dtype=torch.bool)
        likeliest.scatter_(1, probabilities.argmax(1, keepdim=True), value=True)
        return likeliest | (probabilities >= self._least_probability(coverage))

    def _least_probability(self, coverage: float) -> float:
        images = len(self.probabilities)
        rank = _rank(images, coverage)
        return self.probabilities[images - rank].item() if rank <= images else 0


def least_images(coverage: float) -> int:
    """How many calibration images it takes before a set may have less than all classes; `coverage` is below 1."""
    return next(images for images in count(1) if _rank(images, coverage) <= images)


def _rank(images: int, coverage: float) -> int:
    """Which calibration image's score decides: counted from the smallest score, or the largest p."""
    return math.ceil((images + 1) * coverage)
