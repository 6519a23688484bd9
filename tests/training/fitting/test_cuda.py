"""The captured epoch; everything else runs the same code as on the CPU."""

import pytest
import torch

from tests.training.conftest import make_split
from training.fitting.fit import Fit
from training.fitting.recipes import Recipe

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


def fit_on(device: str) -> Fit:
    run = Fit(Recipe(epochs=4), make_split(1000), make_split(200, seed=1), 10, torch.device(device))
    run.finish()
    return run


def test_the_captured_epochs_are_repeated_to_the_last_bit() -> None:
    first, again = fit_on("cuda"), fit_on("cuda")

    assert torch.equal(first.model.weight, again.model.weight)


def test_a_fit_on_cuda_learns_what_one_on_the_cpu_does() -> None:
    on_cuda, on_cpu = fit_on("cuda").history[-1], fit_on("cpu").history[-1]

    assert on_cuda.loss == pytest.approx(on_cpu.loss, rel=0.05)
    assert on_cuda.validation_accuracy == pytest.approx(on_cpu.validation_accuracy, abs=0.03)
