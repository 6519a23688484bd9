"""What is recorded as a CUDA graph, on any machine: in a simulation, and on tensors that are on CUDA by name only.

tests/training/fitting/test_cuda.py has what a real GPU is needed for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from tests.training.conftest import make_split
from tests.training.fitting.graph_simulator import FORBIDDEN, SimulatedGraphs, tensors_in
from training.data.splits import Split
from training.fitting.fit import Fit
from training.fitting.fits import Fits
from training.fitting.graphs import Body, Repeated
from training.fitting.recipes import ClassWeights, Recipe

CPU = torch.device("cpu")
VALIDATION = make_split(300, seed=2)


def two_recipes(batch_size: int) -> list[Recipe]:
    plain = Recipe(epochs=2, batch_size=batch_size, shuffle_seed=0)
    return [plain, Recipe(epochs=2, batch_size=batch_size, lr=0.02, weight_decay=1e-3, seed=5, shuffle_seed=0)]


@pytest.mark.parametrize(
    ("count", "batch_size"),
    [
        *product([1, 255, 256, 257, 4096, 4097, 5000, 8500], [256, 10_000]),
        *((count, 1) for count in (1, 255, 256, 257)),
        *(pytest.param(count, 1, marks=pytest.mark.slow) for count in (4096, 4097, 5000, 8500)),  # thousands of steps
    ],
)
def test_replayed_chunks_give_the_weights_of_the_eager_loop_to_the_last_bit(count: int, batch_size: int) -> None:
    train = make_split(count)
    fits = [Fits(two_recipes(batch_size), train, VALIDATION, 10, CPU, runner=one) for one in (None, SimulatedGraphs())]

    eager, replayed = (list(fit.epochs()) for fit in fits)

    for one, other in zip(*(fit.models() for fit in fits), strict=True):
        assert torch.equal(one.weight, other.weight)
        assert torch.equal(one.bias, other.bias)
    assert [[scores.loss for scores in epoch] for epoch in eager] == [[s.loss for s in epoch] for epoch in replayed]


def test_a_resumed_fit_replays_what_an_undisturbed_one_does() -> None:
    recipe, train = Recipe(epochs=4), make_split(8500)
    undisturbed, interrupted, resumed = (
        Fit(recipe, train, VALIDATION, 10, CPU, runner=SimulatedGraphs()) for _ in "abc"
    )
    undisturbed.finish()
    for _ in zip(range(2), interrupted.epochs(), strict=False):
        pass

    resumed.resume(interrupted.checkpoint({}))
    resumed.finish()

    assert torch.equal(resumed.model.weight, undisturbed.model.weight)


def test_two_interleaved_fits_do_not_touch_each_other() -> None:
    graphs, recipes = SimulatedGraphs(), two_recipes(256)
    alone = [Fit(recipe, make_split(8500), VALIDATION, 10, CPU) for recipe in recipes]
    together = [Fit(recipe, make_split(8500), VALIDATION, 10, CPU, runner=graphs) for recipe in recipes]

    for fit in alone:
        fit.finish()
    for _ in zip(*(fit.epochs() for fit in together), strict=True):
        pass

    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one.model.weight, other.model.weight)


def test_class_weights_are_replayed_too() -> None:
    recipe = Recipe(epochs=2, class_weights=ClassWeights.BALANCED)
    eager, replayed = (
        Fit(recipe, make_split(8500), VALIDATION, 10, CPU, runner=one) for one in (None, SimulatedGraphs())
    )

    eager.finish()
    replayed.finish()

    assert torch.equal(eager.model.weight, replayed.model.weight)


@pytest.mark.parametrize(
    ("count", "epochs", "replays"), [(4000, 3, []), (4096, 1, []), (4096, 2, [1]), (12_300, 1, [2])]
)
def test_nothing_is_recorded_that_is_not_replayed(count: int, epochs: int, replays: list[int]) -> None:
    graphs = SimulatedGraphs()

    Fit(Recipe(epochs=epochs), make_split(count), VALIDATION, 10, CPU, runner=graphs).finish()

    assert graphs.replays == replays


@pytest.mark.parametrize(("batch_size", "count"), [(1, 600), (256, 8500), (256, 20_000)])
def test_a_recording_is_small_and_has_nothing_that_must_not_be_recorded(batch_size: int, count: int) -> None:
    graphs = SimulatedGraphs()

    Fit(Recipe(epochs=1, batch_size=batch_size), make_split(count), VALIDATION, 10, CPU, runner=graphs).finish()

    [recorded] = graphs.recorded
    assert FORBIDDEN.isdisjoint(recorded)
    assert sum(name in {"addmm", "addmm_", "_softmax", "sub", "addcmul_", "copy_"} for name in recorded) < 400


def test_the_simulation_notices_what_a_real_graph_would_get_wrong() -> None:
    runs, total = [0], torch.zeros(1)

    def body() -> None:
        runs[0] += 1
        total.add_(runs[0])  # a number of Python's, which a graph repeats as it was

    repeated = SimulatedGraphs().repeated(body)
    for _ in range(3):
        repeated()

    assert total.item() == 1 + 2 + 2


class Collecting:
    """A runner that only keeps what it is given to repeat."""

    few_kernels = True

    def __init__(self) -> None:
        self.bodies: list[Body] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        yield

    def repeated(self, body: Body) -> Body:
        self.bodies.append(body)
        return Repeated(body, lambda recorded: recorded)


class Kernels(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations that compute, and refuses those for which the CPU would have to wait."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.__name__.partition(".")[0]
        assert name not in FORBIDDEN, name
        assert {one.device.type for one in tensors_in((args, kwargs, result))} <= {"cuda"}, name
        if not func.is_view and name != "device":
            self.names.append(name)
        return result


def kernels_of_a_chunk(batch_size: int, count: int, recipes: int = 1) -> list[str]:
    """The operations of one chunk, on tensors without data that are on CUDA by name."""
    every = [Recipe(batch_size=batch_size, seed=seed, shuffle_seed=0) for seed in range(recipes)]
    collecting = Collecting()
    with FakeTensorMode(allow_non_fake_inputs=True):
        train = Split(torch.zeros(count, 784, dtype=torch.uint8), torch.zeros(count, dtype=torch.int64))
        nothing = Split(torch.zeros(0, 784, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64))
        Fits(every, train, nothing, 10, torch.device("cuda"), runner=collecting)
        kernels = Kernels()
        with kernels:
            collecting.bodies[0]()
    return kernels.names


@pytest.mark.parametrize("recipes", [1, 3])
def test_a_step_on_cuda_takes_six_kernels_and_none_waits_for_the_cpu(recipes: int) -> None:
    many, few = (kernels_of_a_chunk(batch_size, 4096, recipes) for batch_size in (256, 512))

    assert (len(many) - len(few)) / (16 - 8) <= 6
    assert len(many) < 180
