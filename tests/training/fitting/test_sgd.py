"""The hand-written gradient and step against autograd and torch.optim.SGD."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from app.classifier.softmax import to_inputs
from tests.training.conftest import make_split
from training.fitting.recipes import Recipe
from training.fitting.sgd import WHITE, Sgd

CPU = torch.device("cpu")


def minibatch(count: int = 64, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """The model's inputs [785, B], one-hot targets [10, B] and class ids [B]."""
    split = make_split(count, seed=seed)
    inputs = torch.cat([to_inputs(split.pixels), torch.ones(count, 1)], dim=1)
    return inputs.t(), functional.one_hot(split.class_ids, 10).t().float(), split.class_ids


def test_the_gradient_of_the_loss_by_the_logits_is_softmax_minus_target() -> None:
    _, targets, class_ids = minibatch()
    logits = torch.randn(64, 10, requires_grad=True)

    functional.cross_entropy(logits, class_ids, reduction="sum").backward()  # type: ignore[no-untyped-call]

    torch.testing.assert_close(logits.grad, torch.softmax(logits.detach(), dim=1) - targets.t())


def test_a_plain_step_goes_down_the_gradient_that_autograd_finds() -> None:
    sgd = Sgd([Recipe(momentum=0, weight_decay=0)], 10, CPU)
    inputs, targets, class_ids = minibatch()
    parameters = sgd.parameters[0].clone().requires_grad_()
    functional.cross_entropy((parameters @ inputs).t(), class_ids).backward()  # type: ignore[no-untyped-call]
    assert parameters.grad is not None

    sgd.step(WHITE * inputs, targets, torch.tensor([[[0.5]]]), 64)

    torch.testing.assert_close(sgd.parameters[0], parameters.detach() - 0.5 * parameters.grad)


@pytest.mark.parametrize(("momentum", "weight_decay"), [(0.0, 0.0), (0.9, 0.0), (0.0, 0.01), (0.9, 0.01)])
def test_ten_steps_are_those_of_torch_optim_sgd(momentum: float, weight_decay: float) -> None:
    recipe = Recipe(lr=0.1, momentum=momentum, weight_decay=weight_decay)
    sgd = Sgd([recipe], 10, CPU)
    parameters = sgd.parameters[0].clone().requires_grad_()
    optimizer = torch.optim.SGD([parameters], lr=0.1, momentum=momentum, weight_decay=weight_decay)

    for seed in range(10):
        inputs, targets, class_ids = minibatch(seed=seed)
        optimizer.zero_grad()
        functional.cross_entropy((parameters @ inputs).t(), class_ids).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        sgd.step(WHITE * inputs, targets, torch.tensor([[[0.1]]]), 64)

    torch.testing.assert_close(sgd.parameters[0], parameters.detach(), rtol=1e-4, atol=1e-6)


def test_runs_side_by_side_do_not_touch_each_other() -> None:
    recipes = [Recipe(lr=0.1, seed=1, shuffle_seed=0), Recipe(lr=0.01, weight_decay=0.1, seed=2, shuffle_seed=0)]
    together = Sgd(recipes, 10, CPU)
    alone = [Sgd([recipe], 10, CPU) for recipe in recipes]

    for seed in range(5):
        inputs, targets, _ = minibatch(seed=seed)
        together.step(WHITE * inputs, targets, torch.tensor([0.1, 0.01])[:, None, None], 64)
        for sgd, recipe in zip(alone, recipes, strict=True):
            sgd.step(WHITE * inputs, targets, torch.tensor([[[recipe.lr]]]), 64)

    torch.testing.assert_close(together.parameters, torch.cat([sgd.parameters for sgd in alone]))
