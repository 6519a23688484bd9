"""Kernels recorded once and replayed: launched one by one from Python they would take most of an epoch on CUDA.

A graph repeats its kernels on the same addresses with the same numbers. So what is recorded works on tensors that stay,
and what changes (pixels, class ids, learning rates) is copied into them before each replay. Never recorded: what draws
random numbers, reads a value back to the CPU, copies from or to the CPU, or talks to other processes.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch

__all__ = ["CudaGraphs", "Eager", "Repeated", "Runner"]

Body = Callable[[], None]


class Runner(Protocol):
    """Where the kernels of a fit run, and how the same ones run again."""

    few_kernels: bool  # whether one large kernel is better than several whose data stay in the core's own cache

    def running(self) -> AbstractContextManager[None]:
        """Kernels that are launched within go to this runner's device and stream."""
        ...

    def repeated(self, body: Body) -> Body:
        """A function that does what `body` does, which works on the same tensors each time."""
        ...


class Eager:
    """Launches each kernel each time."""

    few_kernels = False

    def __init__(self, device: torch.device) -> None:
        self._device = device

    @contextmanager
    def running(self) -> Iterator[None]:
        if self._device.type == "cuda":
            with torch.cuda.device(self._device):
                yield
        else:
            yield

    def repeated(self, body: Body) -> Body:
        return body


class CudaGraphs:
    """Records on a stream that no other fit uses.

    The stream is its own because destroying a graph frees the cuBLAS workspaces of the stream that it was recorded on,
    also under a graph of someone else (PyTorch's issue 193402).
    """

    few_kernels = True

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    @contextmanager
    def running(self) -> Iterator[None]:
        with torch.cuda.device(self._device):
            around = torch.cuda.current_stream()
            self._stream.wait_stream(around)
            with torch.cuda.stream(self._stream):
                yield
            around.wait_stream(self._stream)

    def repeated(self, body: Body) -> Body:
        return Repeated(body, self._record)

    def _record(self, body: Body) -> Body:
        graph = torch.cuda.CUDAGraph()
        # "thread_local": another thread's call to CUDA, such as freeing memory, does not spoil the recording.
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            body()
        return graph.replay


class Repeated:
    """Runs its body once, while kernels and libraries warm up; the second call records it; each from then on replays.

    So nothing is recorded that is not replayed.
    """

    def __init__(self, body: Body, record: Callable[[Body], Body]) -> None:
        """`record` returns what replays its argument, without having run it."""
        self._body = body
        self._record = record
        self._warm = False
        self._replay: Body | None = None

    def __call__(self) -> None:
        if not self._warm:
            self._body()
            self._warm = True
            return
        if self._replay is None:
            self._replay = self._record(self._body)
        self._replay()
