"""The training loop on generated images."""

from dataclasses import replace

import pytest
import torch

from app.classifier.softmax import SoftmaxRegression
from tests.training.conftest import make_split
from training.data.splits import BLOCK, Split
from training.errors import DivergedError
from training.fitting.fit import Fit
from training.fitting.fits import Fits
from training.fitting.graphs import Body, Eager
from training.fitting.recipes import ClassWeights, Recipe
from training.fitting.scores import EpochScores, complaint, sums
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


def test_progress_counts_the_part_of_an_epoch_that_is_done() -> None:
    seen: list[float] = []

    class Watching(Eager):
        def repeated(self, body: Body) -> Body:
            def watched() -> None:
                seen.append(run.progress)
                body()

            return watched

    run = Fit(Recipe(epochs=2), make_split(4 * BLOCK), NOTHING, 10, CPU, runner=Watching(CPU))
    run.finish()

    assert seen == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    assert run.progress == 2


def test_a_loss_that_is_not_finite_stops_the_training_and_is_explained() -> None:
    with pytest.raises(DivergedError, match=r"epoch \d.*--lr 1e\+30 is too high"):
        train(Recipe(lr=1e30, momentum=0.99), make_split(1000))


def test_a_weight_decay_that_alone_drives_the_weights_away_is_named() -> None:
    with pytest.raises(DivergedError, match=r"epoch \d: --weight-decay 1e\+20 with --lr 0\.1 is too high"):
        train(Recipe(weight_decay=1e20), make_split(1000))


def test_the_loss_of_a_model_that_is_surely_wrong_is_its_true_one() -> None:
    train_split = make_split(256, class_count=2)
    validation = Split(train_split.pixels, 1 - train_split.class_ids)

    [*_, scores], model = train(Recipe(epochs=200, lr=0.5), train_split, validation)

    logits = (validation.pixels.double() / 255) @ model.weight.double().t() + model.bias
    expected = torch.nn.functional.cross_entropy(logits, validation.class_ids).item()
    assert expected > 17
    assert scores.validation_loss == pytest.approx(expected, rel=1e-4)


def test_a_loss_beyond_all_probabilities_of_float32_is_its_true_one() -> None:
    logits = torch.tensor([[[0.0], [-2733.6]], [[0.0], [0.0]]])  # K = 2, C = 2, one image of class 1

    losses, correct = sums(logits, torch.softmax(logits, dim=1), torch.tensor([1]))

    assert losses.tolist() == pytest.approx([2733.6, 0.6931472])
    assert correct.tolist()[0] == 0


def test_balanced_class_weights_make_a_rare_class_count_as_much() -> None:
    common, rare = make_split(3000, class_count=2), make_split(3000, class_count=2)
    kept = (common.class_ids == 0) | (torch.arange(3000) % 100 == 1)
    split = common.only(kept)  # 1,500 of class 0 and 30 of class 1
    recipe = Recipe(epochs=5, lr=0.01, momentum=0)

    (_, plain), (_, balanced) = (
        train(one, split) for one in (recipe, replace(recipe, class_weights=ClassWeights.BALANCED))
    )

    recalls = [evaluate(model, rare, LABELS).classes[1].recall for model in (plain, balanced)]
    assert recalls[0] < 0.7
    assert recalls[1] > 0.9


def test_class_weights_are_those_of_a_weighted_cross_entropy() -> None:
    split = make_split(60, class_count=3).without(torch.arange(60) % 3 == 2)
    split = Split(split.pixels, torch.where(torch.arange(40) < 4, 2, split.class_ids))
    counts = torch.bincount(split.class_ids, minlength=10)
    weights = 40 / (10 * counts.clamp(min=1))
    start = Fits([Recipe(epochs=1)], split, NOTHING, 10, CPU).models()[0]
    weight = start.weight.clone().requires_grad_()
    logits = (split.pixels / 255) @ weight.t() + start.bias
    losses = torch.nn.functional.cross_entropy(logits, split.class_ids, reduction="none")
    (losses * weights[split.class_ids]).mean().backward()  # type: ignore[no-untyped-call]

    recipe = Recipe(epochs=1, lr=1, momentum=0, weight_decay=0, class_weights=ClassWeights.BALANCED)
    _, model = train(recipe, split)

    torch.testing.assert_close(start.weight - model.weight, weight.grad)


@pytest.mark.parametrize(
    ("losses", "word"),
    [
        ([2 / epoch for epoch in range(1, 21)], "still falling"),
        ([0.5] * 18 + [0.5, 0.9], "jumped"),
        ([2.0, 1.0], None),
        ([0.45 - 0.001 * epoch for epoch in range(20)], None),
        ([0.02 / epoch for epoch in range(1, 21)], None),
    ],
)
def test_a_loss_that_still_falls_or_jumps_is_complained_of(losses: list[float], word: str | None) -> None:
    history = [EpochScores(epoch, 0.1, loss, 0.5, None, None) for epoch, loss in enumerate(losses, 1)]

    found = complaint(history)

    assert (found is None) == (word is None)
    assert word is None or word in str(found)
