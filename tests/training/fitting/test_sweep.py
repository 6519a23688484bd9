"""A sweep fits many settings at once, each as its own fit would."""

import pytest
import torch

from tests.training.conftest import make_split
from training.errors import RecipeError
from training.fitting.fit import Fit
from training.fitting.fits import Fits
from training.fitting.recipes import Recipe
from training.fitting.sweep import grid, rank

CPU = torch.device("cpu")


def test_each_setting_equals_its_own_single_fit() -> None:
    recipes = grid(Recipe(epochs=3), [0.05, 0.1], [0, 1e-3], [5, 6])
    train, validation = make_split(2000), make_split(500, seed=1)
    together = Fits(recipes, train, validation, 10, CPU)
    *_, last = together.epochs()

    for recipe, scores, model in zip(recipes, last, together.models(), strict=True):
        alone = Fit(recipe, train, validation, 10, CPU)
        alone.finish()
        assert alone.history[-1].validation_accuracy == scores.validation_accuracy
        torch.testing.assert_close(alone.model.weight, model.weight, rtol=1e-3, atol=1e-5)


def test_too_many_settings_are_refused_before_one_is_made() -> None:
    with pytest.raises(RecipeError, match="make 1,000,000,000,000 combinations; 10,000 are the most"):
        grid(Recipe(), [0.1] * 10**6, [0.0] * 10**3, range(10**3))


def test_settings_that_diverge_come_last_and_stop_nobody() -> None:
    recipes = grid(Recipe(epochs=2), [1e30, 0.1], [0], [0])
    *_, last = Fits(recipes, make_split(1000), make_split(200, seed=1), 10, CPU).epochs()

    ranked = rank(recipes, last, 200)

    assert [one.recipe.lr for one in ranked] == [0.1, 1e30]
    assert ranked[0].interval[0] < ranked[0].accuracy < ranked[0].interval[1]
