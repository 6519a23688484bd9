"""What a real GPU computes; test_graphs.py has what can be shown without one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.training.conftest import make_split
from training.data.splits import FileSplit, Split
from training.fitting.fit import Fit
from training.fitting.fits import Fits
from training.fitting.graphs import Eager
from training.fitting.recipes import Recipe

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")

CUDA, CPU = torch.device("cuda", 0), torch.device("cpu")
TRAIN, VALIDATION = make_split(8500), make_split(200, seed=1)


def new_fit(device: torch.device = CUDA, train: Split | FileSplit = TRAIN, *, eager: bool = False) -> Fit:
    return Fit(Recipe(epochs=4), train, VALIDATION, 10, device, runner=Eager(device) if eager else None)


def finished(fit: Fit) -> Fit:
    fit.finish()
    return fit


def test_graphs_give_the_weights_of_the_eager_loop_to_the_last_bit() -> None:
    one, other = finished(new_fit()), finished(new_fit(eager=True))

    assert torch.equal(one.model.weight, other.model.weight)
    assert [scores.loss for scores in one.history] == [scores.loss for scores in other.history]


def test_cuda_gives_the_weights_of_the_cpu() -> None:
    on_cuda, on_cpu = finished(new_fit()), finished(new_fit(CPU))

    torch.testing.assert_close(on_cuda.model.weight, on_cpu.model.weight, rtol=0, atol=1e-5)
    torch.testing.assert_close(on_cuda.model.bias, on_cpu.model.bias, rtol=0, atol=1e-5)


def test_two_interleaved_fits_give_what_each_gives_alone() -> None:
    alone, one, other = finished(new_fit()), new_fit(), new_fit()

    for _ in zip(one.epochs(), other.epochs(), strict=True):
        pass

    assert torch.equal(one.model.weight, alone.model.weight)
    assert torch.equal(other.model.weight, alone.model.weight)


def test_three_recipes_side_by_side_give_what_each_gives_alone() -> None:
    recipes = [Recipe(epochs=3, lr=lr, shuffle_seed=0) for lr in (0.02, 0.05, 0.1)]
    fits = Fits(recipes, TRAIN, VALIDATION, 10, CUDA)
    for _ in fits.epochs():
        pass

    for recipe, model in zip(recipes, fits.models(), strict=True):
        alone = finished(Fit(recipe, TRAIN, VALIDATION, 10, CUDA))
        torch.testing.assert_close(alone.model.weight, model.weight, rtol=0, atol=1e-5)


def test_a_stream_gives_the_weights_of_memory_to_the_last_bit(tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(TRAIN.pixels.numpy().tobytes())
    stream = FileSplit(tmp_path / "images", 0, torch.arange(len(TRAIN)), TRAIN.class_ids)

    assert torch.equal(finished(new_fit(train=stream)).model.weight, finished(new_fit()).model.weight)


@pytest.mark.parametrize("device", [CUDA, CPU], ids=str)
def test_a_checkpoint_goes_on_where_it_was_made_and_on_the_other_device(device: torch.device) -> None:
    interrupted, resumed = new_fit(), new_fit(device)
    for _ in zip(range(2), interrupted.epochs(), strict=False):
        pass

    resumed.resume(interrupted.checkpoint({}))

    weights = (finished(resumed).model.weight, finished(new_fit()).model.weight)
    check: Callable[..., object] = torch.equal if device == CUDA else _close
    assert check(*weights)


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=0, atol=1e-5)
