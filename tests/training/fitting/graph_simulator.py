"""CUDA graphs without CUDA: what is recorded is repeated on the same addresses with the same numbers.

While a body is recorded, each operation's tensors and numbers are kept, and what it changes is set back. A replay
repeats the operations on them. Before and after, whatever the recording itself allocated is poisoned, as other kernels
use that memory in between.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from training.fitting.graphs import Body, Repeated

__all__ = ["FORBIDDEN", "SimulatedGraphs", "tensors_in"]

FORBIDDEN = {  # in a recording: they draw random numbers, read values back, wait, or talk to other processes
    *("randperm", "randn", "rand", "normal_", "uniform_", "multinomial", "bernoulli_"),
    *("item", "_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "bincount", "_unique2"),
    *("allreduce_", "broadcast_", "barrier"),
}


class SimulatedGraphs:
    """A Runner as `CudaGraphs`, on the CPU.

    Attributes:
        recorded: for each recording, the names of its operations.
        replays: how often each recording was replayed.
    """

    few_kernels = True

    def __init__(self) -> None:
        self.recorded: list[list[str]] = []
        self.replays: list[int] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        yield

    def repeated(self, body: Body) -> Body:
        return Repeated(body, self._record)

    def _record(self, body: Body) -> Body:
        number = len(self.recorded)
        with _Recording() as recording:
            body()
        self.recorded.append([call.name for call in recording.calls])
        self.replays.append(0)

        def replay() -> None:
            self.replays[number] += 1
            recording.poison()
            for call in recording.calls:
                call.repeat()
            recording.poison()

        return replay


def tensors_in(values: Any) -> list[Tensor]:
    return [one for one in tree_iter(values) if isinstance(one, Tensor)]


class _Call:
    """One operation, with the very tensors and numbers that it had."""

    def __init__(self, func: Any, arguments: tuple[Any, ...], options: dict[str, Any], result: Any) -> None:
        self.name = str(func.__name__).partition(".")[0]
        self._func, self._arguments, self._options, self._results = func, arguments, options, tensors_in(result)

    def repeat(self) -> None:
        found = tensors_in(self._func(*self._arguments, **self._options))
        for kept, new in zip(self._results, found, strict=True):
            if kept.data_ptr() != new.data_ptr():
                kept.copy_(new)


class _Recording(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[_Call] = []
        self._allocated: dict[int, Tensor] = {}  # by the address of its memory

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = tensors_in((args, kwargs))
        outside = [one for one in given if _address(one) not in self._allocated]
        before = [one.clone() for one in outside]
        result = func(*args, **(kwargs or {}))
        for one, value in zip(outside, before, strict=True):
            if not torch.equal(one, value):
                one.copy_(value)
        taken = set(map(_address, given))
        self._allocated |= {_address(one): one for one in tensors_in(result) if _address(one) not in taken}
        self.calls.append(_Call(func, args, kwargs or {}, result))
        return result

    def poison(self) -> None:
        for tensor in self._allocated.values():
            tensor.fill_(float("nan") if tensor.is_floating_point() else 1)


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
