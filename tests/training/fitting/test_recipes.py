"""Hyperparameters and the learning rates that follow from them."""

import math

import pytest

from training.errors import RecipeError
from training.fitting.recipes import Recipe, Schedule, shared


def test_a_constant_schedule_keeps_the_rate() -> None:
    recipe = Recipe(epochs=2, batch_size=10, lr=0.3, schedule=Schedule.CONSTANT)

    assert recipe.rates(2, 25) == [0.3, 0.3, 0.3]


def test_a_linear_schedule_falls_evenly_over_all_epochs() -> None:
    recipe = Recipe(epochs=2, batch_size=10, lr=0.6, schedule=Schedule.LINEAR)

    assert recipe.rates(1, 25) + recipe.rates(2, 25) == pytest.approx([0.6, 0.5, 0.4, 0.3, 0.2, 0.1])


def test_a_cosine_schedule_falls_slowly_at_both_ends() -> None:
    recipe = Recipe(epochs=1, batch_size=1, lr=1, schedule=Schedule.COSINE)

    first, second, third, fourth = recipe.rates(1, 4)

    assert first == 1
    assert third == pytest.approx(0.5)
    assert second == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert fourth == pytest.approx(1 - second)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"epochs": 10**30},
        {"batch_size": 2**53},
        {"lr": 0},
        {"lr": math.nan},
        {"momentum": 1},
        {"weight_decay": -1},
        {"seed": -1},
        {"seed": 2**32},
        {"shuffle_seed": -1},
    ],
)
def test_a_value_out_of_range_is_refused_and_named(wrong: dict[str, int]) -> None:
    [(name, value)] = wrong.items()

    with pytest.raises(RecipeError, match=rf"^--{name.replace('_', '-')} {value} must be "):
        Recipe(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [{"momentum": 0.5}, {"epochs": 3}, {"batch_size": 7}, {"shuffle_seed": 1}, {"class_weights": "balanced"}],
)
def test_recipes_that_cannot_be_fitted_together_are_refused(other: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match="fitted together must have one"):
        shared([Recipe(), Recipe(**other)])  # type: ignore[arg-type]


def test_few_images_are_seen_in_as_many_steps_as_the_loss_needs() -> None:
    assert Recipe().settling(57_000).epochs == 20
    assert Recipe().settling(95).epochs == 1000
    assert Recipe().settling(5000).epochs == 50
    assert Recipe(batch_size=64).settling(95).epochs == 500
