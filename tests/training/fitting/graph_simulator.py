"""CUDA graphs without CUDA: what is recorded is repeated on the same addresses with the same numbers.

While a body is recorded, each operation's tensors and numbers are kept, and nothing is computed. A replay
repeats the operations on them. In between, whatever the recording itself allocated is poisoned, as another kernel may
have used its memory, and what the body only saw through Python stays as it was.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from training.fitting.graphs import Body, Repeated

FORBIDDEN = (  # in a recording: they draw random numbers, read values back, or move between devices
    *("randperm", "randn", "rand", "normal_", "uniform_", "multinomial"),
    *("item", "_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "equal", "unique"),
    *("_to_copy_to_cpu", "all_reduce_", "allreduce_", "broadcast_", "bincount"),
)


class SimulatedGraphs:
    """A Runner as `CudaGraphs`, on the CPU.

    Attributes:
        recorded: for each recording, the names of its operations.
        replays: how often each recording was replayed.
    """

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
        self.recorded.append([str(call.func.__name__).split(".")[0] for call in recording.calls])
        self.replays.append(0)

        def replay() -> None:
            self.replays[number] += 1
            recording.poison()
            for call in recording.calls:
                call()
            recording.poison(but=recording.kept_up)

        return replay


class _Call:
    def __init__(self, func: Any, arguments: tuple[Any, ...], options: dict[str, Any], results: list[Tensor]) -> None:
        self.func, self._arguments, self._options, self._results = func, arguments, options, results

    def __call__(self) -> None:
        found = [one for one in tree_iter(self.func(*self._arguments, **self._options)) if isinstance(one, Tensor)]
        for kept, new in zip(self._results, found, strict=True):
            if kept.data_ptr() != new.data_ptr():
                kept.copy_(new)


class _Recording(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[_Call] = []
        self.kept_up: set[int] = set()
        self._own: dict[int, Tensor] = {}  # what the recording allocated, by address
        self._before: dict[int, Tensor] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.__name__.split(".")[0]
        assert name not in FORBIDDEN, f"{name} must not be recorded"
        outside = {
            id(one): (one, one.clone())
            for one in tree_iter((args, kwargs))
            if isinstance(one, Tensor) and one.untyped_storage().data_ptr() not in self._own
        }
        result = func(*args, **(kwargs or {}))
        for one, value in outside.values():
            if func._schema.is_mutable:
                one.copy_(value)  # nothing is computed while recording
        results = [one for one in tree_iter(result) if isinstance(one, Tensor)]
        known = {one.untyped_storage().data_ptr() for one, _ in outside.values()} | self._own.keys()
        for one in results:
            address = one.untyped_storage().data_ptr()
            if address not in known:
                self._own[address] = one
        self.calls.append(_Call(func, args, kwargs or {}, results))
        return result

    def poison(self, but: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        for address, tensor in self._own.items():
            if address not in but:
                whole = torch.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())  # type: ignore[call-overload]
                whole.fill_(float("nan") if tensor.is_floating_point() else 77)


Recorder = Callable[[Body], Body]
