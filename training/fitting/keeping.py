"""How often a fit's state is saved."""

import time
from collections.abc import Callable
from pathlib import Path

from training.fitting.checkpoints import Purpose, save_checkpoint
from training.fitting.fit import Fit

__all__ = ["SECONDS", "Keeper"]

SECONDS = 1.0  # at least, between two checkpoints: one takes as long as many epochs of a small data set


class Keeper:
    """Saves a fit's state at most once in SECONDS, and whenever it is told to."""

    def __init__(self, path: Path, purpose: Purpose, fit: Fit, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` tells seconds; the fit may have been resumed, and what it has done then is not saved again."""
        self._path, self._purpose, self._fit, self._clock = path, purpose, fit, clock
        self._epochs, self._time = len(fit.history), clock()  # of the last checkpoint

    def epoch_done(self) -> None:
        """Save the state, if it is time."""
        if self._clock() - self._time >= SECONDS:
            self.save()

    def save(self) -> None:
        """Save the state after the last whole epoch, unless that has been done."""
        if len(self._fit.history) > self._epochs:
            save_checkpoint(self._path, self._fit.checkpoint(self._purpose))
            self._epochs, self._time = len(self._fit.history), self._clock()
