"""The training loop on generated images."""

import pytest
import torch

from app.classifier.softmax import SoftmaxRegression
from tests.training.conftest import make_split
from training.data.splits import Split
from training.errors import DivergedError
from training.fitting.fit import Fit
from training.fitting.recipes import Recipe
from training.fitting.scores import EpochScores
from training.results.evaluation import evaluate

CPU = torch.device("cpu")
NOTHING = make_split(0)
LABELS = tuple("abcdefghij")


def train(recipe: Recipe, split: Split, validation: Split = NOTHING) -> tuple[list[EpochScores], SoftmaxRegression]:
    run = Fit(recipe, split, validation, 10, CPU)
    return list(run.epochs()), run.model


def test_a_short_training_learns() -> None:
    scores, model = train(Recipe(epochs=5, batch_size=50), make_split(2000))

    assert scores[-1].loss < scores[0].loss / 2
    assert evaluate(model, make_split(500, seed=1), LABELS).accuracy > 0.85


def test_one_seed_gives_the_same_weights_to_the_last_bit() -> None:
    (_, first), (_, again), (_, other) = (train(Recipe(epochs=2, seed=seed), make_split(1000)) for seed in (3, 3, 4))

    assert torch.equal(first.weight, again.weight)
    assert torch.equal(first.bias, again.bias)
    assert not torch.equal(first.weight, other.weight)


def test_the_last_minibatch_of_an_epoch_may_be_smaller() -> None:
    split = make_split(70)
    pixels = split.pixels.double() / 255

    [scores], model = train(Recipe(epochs=1, batch_size=64, lr=1e-9), split)

    logits = pixels @ model.weight.t().double() + model.bias
    loss = torch.nn.functional.cross_entropy(logits, split.class_ids)
    assert scores.loss == pytest.approx(loss.item(), abs=1e-4)
    assert scores.accuracy == pytest.approx((logits.argmax(1) == split.class_ids).double().mean().item())


def test_validation_scores_are_those_of_the_model_after_the_epoch() -> None:
    validation = make_split(333, seed=2)

    scores, model = train(Recipe(epochs=2), make_split(1000), validation)

    evaluation = evaluate(model, validation, LABELS)
    assert scores[-1].validation_accuracy == pytest.approx(evaluation.accuracy)
    assert scores[-1].validation_loss == pytest.approx(evaluation.loss, rel=1e-4)


def test_without_validation_images_there_are_no_validation_scores() -> None:
    [scores], _ = train(Recipe(epochs=1), make_split(100))

    assert scores.validation_loss is None
    assert scores.validation_accuracy is None


def test_a_loss_that_is_not_finite_stops_the_training_and_is_explained() -> None:
    with pytest.raises(DivergedError, match=r"epoch \d.*--lr 1e\+30 is too high"):
        train(Recipe(lr=1e30, momentum=0.99), make_split(1000))
