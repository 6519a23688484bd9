"""What a fit produced, as one value."""

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from app.classifier.conformal import ConformalScores
from app.classifier.metadata import Evaluation
from app.classifier.pixel_statistics import PixelStatistics
from app.classifier.softmax import SoftmaxRegression
from training.data.datasets import Dataset
from training.data.splits import Split
from training.fitting.fit import Fit
from training.fitting.scores import EpochScores
from training.results.evaluation import calibrate, logits_of, pixel_statistics, scores_of

__all__ = ["Measured"]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A model, and what was found of it.

    Attributes:
        model: C classes.
        history: one entry per epoch.
        logits: of the N test images, float32 [N, C].
        evaluation: on the test images.
        pixel_statistics: of the training images.
        conformal: of the validation images; None where there were none.
    """

    model: SoftmaxRegression
    history: list[EpochScores]
    logits: Tensor
    evaluation: Evaluation
    pixel_statistics: PixelStatistics
    conformal: ConformalScores | None

    @classmethod
    def of(cls, fit: Fit, data: Dataset, validation: Split, statistics: PixelStatistics | None = None) -> Self:
        """Measure a finished fit: on the test images, once; without statistics, those of the training images.

        Raises:
            DivergedError: the loss on the test images is not finite.
        """
        model = fit.model
        conformal, statistics = calibrate(model, validation), statistics or pixel_statistics(data.train)
        logits = logits_of(model, data.test)
        evaluation = scores_of(logits, data.test, data.labels, conformal=conformal, statistics=statistics)
        return cls(model, fit.history, logits, evaluation, statistics, conformal)

    @property
    def seconds(self) -> float:
        """Of training in all epochs."""
        return sum(scores.seconds for scores in self.history)
