"""Shuffled minibatches: of images in memory, on the device that trains, or streamed from a file.

Both show an epoch's images in the same order, which is drawn on the CPU: it follows from the seed, the epoch and the
number of images alone, not from the device. They come in chunks of several minibatches, so that gathering is done a few
times per epoch only, and each chunk lies in the same two buffers, so that a CUDA graph finds it there.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from app.classifier.softmax import PIXELS
from training.data.splits import BLOCK, FileSplit, Split
from training.seeds import random_stream

__all__ = ["POOL", "Chunk", "InMemory", "Minibatches", "Streamed", "minibatches"]

RUN = 256  # consecutive images that come into a pool together: 200 kB, which a disk reads at full speed
POOL = 512 * RUN  # images that are shuffled among each other: 103 MB
_MOST_STEPS = 64  # minibatches in a chunk, so that the graph of a chunk stays small where minibatches are


class Chunk:
    """One chunk's pixels uint8 [n, 784] and class ids int64 [n], which keep their address."""

    def __init__(self, size: int, device: torch.device, *, pinned: bool = False) -> None:
        self.size = size
        self.pixels = torch.empty(size, PIXELS, dtype=torch.uint8, device=device, pin_memory=pinned)
        self.class_ids = torch.empty(size, dtype=torch.int64, device=device, pin_memory=pinned)

    def part(self, first: int, count: int) -> tuple[Tensor, Tensor]:
        return self.pixels[first : first + count], self.class_ids[first : first + count]


class Minibatches(Protocol):
    """An epoch's images in an order that is a function of the seed and the epoch."""

    chunk: Chunk  # the buffers of every chunk; all but an epoch's last fill them

    def __len__(self) -> int: ...

    def shuffle(self, epoch: int) -> None: ...

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels uint8 [n, 784] and class ids int64 [n] of whole minibatches: the start of `chunk`, until the next."""
        ...


def minibatches(split: Split | FileSplit, batch_size: int, seed: int, device: torch.device) -> Minibatches:
    kind = InMemory if isinstance(split, Split) else Streamed
    return kind(split, batch_size, seed, device)  # type: ignore[arg-type]  # the kind fits the split


class InMemory:
    """Images that stay on the device as uint8."""

    def __init__(self, split: Split, batch_size: int, seed: int, device: torch.device) -> None:
        self.chunk = Chunk(_chunk_size(batch_size, len(split)), device)
        self._pixels = split.pixels.to(device)
        self._class_ids = split.class_ids.to(device)
        self._seed = seed
        self._order = torch.arange(len(split), device=device)

    def __len__(self) -> int:
        return len(self._class_ids)

    def shuffle(self, epoch: int) -> None:
        generator = random_stream(self._seed, epoch, torch.device("cpu"))
        pools = [members[order] for members, order in _pools(len(self), generator)]
        self._order.copy_(torch.cat(pools))

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        for order in torch.split(self._order, self.chunk.size):
            pixels, class_ids = self.chunk.part(0, len(order))
            torch.index_select(self._pixels, 0, order, out=pixels)
            torch.index_select(self._class_ids, 0, order, out=class_ids)
            yield pixels, class_ids


class Streamed:
    """Images that are read pool by pool; memory is that of one pool and some chunks, whatever the size of the file."""

    def __init__(self, split: FileSplit, batch_size: int, seed: int, device: torch.device) -> None:
        self.chunk = Chunk(_chunk_size(batch_size, len(split)), device)
        self._split = split
        self._seed = seed
        self._epoch = 1
        # On CUDA one chunk is gathered while the one before it is on its way.
        self._staged = [_Staged(self.chunk.size) for _ in range(2)] if device.type == "cuda" else []

    def __len__(self) -> int:
        return len(self._split)

    def shuffle(self, epoch: int) -> None:
        self._epoch = epoch

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        number = filled = 0
        for pixels, class_ids, order in self._pools():
            left = order
            while len(left):
                buffers = self._staged[number % 2].free() if self._staged else self.chunk
                taken, left = left[: self.chunk.size - filled], left[self.chunk.size - filled :]
                into, class_ids_into = buffers.part(filled, len(taken))
                torch.index_select(pixels, 0, taken, out=into)
                torch.index_select(class_ids, 0, taken, out=class_ids_into)
                filled += len(taken)
                if filled == self.chunk.size:
                    yield self._sent(number, filled)
                    number, filled = number + 1, 0
        if filled:
            yield self._sent(number, filled)

    def _pools(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        generator = random_stream(self._seed, self._epoch, torch.device("cpu"))
        for members, order in _pools(len(self), generator):
            yield self._split.pixels(members), self._split.class_ids[members], order

    def _sent(self, number: int, count: int) -> tuple[Tensor, Tensor]:
        if self._staged:
            self._staged[number % 2].send(self.chunk, count)
        return self.chunk.part(0, count)


class _Staged:
    """A chunk in pinned memory, from which CUDA copies while the CPU goes on."""

    def __init__(self, size: int) -> None:
        self._buffers = Chunk(size, torch.device("cpu"), pinned=True)
        self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]

    def free(self) -> Chunk:
        """The buffers, once their last copy has been made."""
        self._copied.synchronize()
        return self._buffers

    def send(self, chunk: Chunk, count: int) -> None:
        for target, source in zip(chunk.part(0, count), self._buffers.part(0, count), strict=True):
            target.copy_(source, non_blocking=True)
        self._copied.record()


def _chunk_size(batch_size: int, count: int) -> int:
    """Images of whole minibatches: some BLOCK of them, but no more than there are, and in no more than _MOST_STEPS."""
    steps = min(max(1, BLOCK // batch_size), _MOST_STEPS, max(1, -(-count // batch_size)))
    return steps * batch_size


def _pools(count: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Split `count` images into pools of POOL, and shuffle each pool.

    Where there is one pool, every order is equally likely. Else a pool is made of runs of consecutive images that are
    drawn at random: as good, unless a class has only a few runs, and read from a disk without seeking for each image.

    Yields:
        A pool's members, int64 [n], ascending, and the order in which they come, int64 [n].
    """
    if count <= POOL:
        yield torch.arange(count), torch.randperm(count, generator=generator)
        return
    runs = torch.randperm(-(-count // RUN), generator=generator)
    for drawn in torch.split(runs, POOL // RUN):
        members = (drawn.sort().values[:, None] * RUN + torch.arange(RUN)).flatten()
        members = members[members < count]
        yield members, torch.randperm(len(members), generator=generator)
