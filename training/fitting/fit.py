"""One recipe's fit, which can be interrupted and go on."""

from collections.abc import Iterator

import torch

from app.classifier.softmax import SoftmaxRegression
from training.data.splits import FileSplit, Split
from training.fitting.checkpoints import Checkpoint, Purpose
from training.fitting.fits import Fits, State
from training.fitting.graphs import Runner
from training.fitting.processes import ALONE, Processes
from training.fitting.recipes import Recipe
from training.fitting.scores import EpochScores

__all__ = ["Fit"]


class Fit:
    """Fits softmax regression by one recipe."""

    def __init__(
        self,
        recipe: Recipe,
        train: Split | FileSplit,
        validation: Split,
        class_count: int,
        device: torch.device,
        *,
        processes: Processes = ALONE,
        runner: Runner | None = None,
    ) -> None:
        """Take what `Fits` takes, but for one recipe."""
        self._fits = Fits([recipe], train, validation, class_count, device, processes=processes, runner=runner)
        # In one assignment, as an interruption may come between two.
        self._done: tuple[list[EpochScores], State] = ([], self._fits.state())

    def epochs(self) -> Iterator[EpochScores]:
        """Train, one epoch each time that the next scores are asked for.

        Raises:
            DivergedError: the loss is not finite any longer.
        """
        for [scores] in self._fits.epochs():
            self._done = ([*self.history, scores], self._fits.state())
            yield scores

    def finish(self) -> None:
        """Train all epochs that are left."""
        for _ in self.epochs():
            pass

    @property
    def history(self) -> list[EpochScores]:
        """One entry per epoch that is done."""
        return self._done[0]

    @property
    def model(self) -> SoftmaxRegression:
        """As it is now, on the CPU."""
        [model] = self._fits.models()
        return model

    @property
    def seconds(self) -> float:
        """Of training in all epochs."""
        return sum(scores.seconds for scores in self.history)

    @property
    def progress(self) -> float:
        """Epochs, counting a part of the one under way."""
        return self._fits.progress

    def checkpoint(self, purpose: Purpose) -> Checkpoint:
        """The state after the last whole epoch."""
        history, (parameters, velocity) = self._done
        return Checkpoint(purpose, history, parameters, velocity)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on after the epochs that a fit of the same recipe and data has done."""
        self._fits.resume(len(checkpoint.history), checkpoint.parameters, checkpoint.velocity)
        self._done = (list(checkpoint.history), self._fits.state())
