"""One sweep from the data set to the ranking."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.data.catalog import DataOptions, load_dataset
from training.data.splits import split_off
from training.display import show_progress, show_ranking, show_start
from training.fitting.devices import choose_device, choose_threads, describe_device, why_not_cuda
from training.fitting.fits import Fits
from training.fitting.recipes import Recipe
from training.fitting.sweep import grid, rank

__all__ = ["Sweep"]


@dataclass(frozen=True, slots=True)
class Sweep:
    base: Recipe
    rates: Sequence[float]
    decays: Sequence[float]
    seeds: Sequence[int]
    data: DataOptions
    validation: float  # share of the training data by which the settings are ranked; more than 0
    device: str
    more_epochs: bool = False  # than the base has, where there are few images
    as_json: bool = False

    def run(self) -> Recipe:
        """Fit all combinations at once, show how they rank, and return the best.

        Raises:
            TrainingError: see its tree.
        """
        self._settings(self.base)  # refuses what is out of range before anything is read
        device = choose_device(self.device)
        data = load_dataset(self.data)
        train, held_out = split_off(data.train, self.validation, data.labels)
        recipes = self._settings(self.base.settling(len(train)) if self.more_epochs else self.base)
        reason = why_not_cuda(self.device, device)
        show_start(describe_device(device), reason, data, train, as_json=self.as_json)
        choose_threads(len(data.labels) * len(recipes))
        fits = Fits(recipes, train, held_out, len(data.labels), device)
        ranked = rank(recipes, show_progress(fits.epochs(), recipes[0].epochs), len(held_out))
        show_ranking(ranked, as_json=self.as_json)
        return ranked[0].recipe

    def _settings(self, base: Recipe) -> list[Recipe]:
        return grid(base, self.rates, self.decays, self.seeds)
