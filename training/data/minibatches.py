"""Shuffled minibatches: of images in memory, on the device that trains, or streamed from a file.

Both give an epoch in chunks of several minibatches, so that gathering and scaling are done a few times per epoch only.
"""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from training.seeds import random_stream
from training.data.splits import BLOCK, FileSplit, Split

__all__ = ["MIXED_BLOCKS", "InMemory", "Minibatches", "Streamed", "minibatches"]

MIXED_BLOCKS = 32  # that a streamed minibatch draws from: 131,072 images, 103 MB


class Minibatches(Protocol):
    """An epoch's images in an order that is a function of the seed and the epoch."""

    def __len__(self) -> int: ...

    def shuffle(self, epoch: int) -> None: ...

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels uint8 [n, 784] and class ids int64 [n] of whole minibatches; a chunk is valid until the next."""
        ...


def minibatches(split: Split | FileSplit, batch_size: int, seed: int, device: torch.device) -> Minibatches:
    kind = InMemory if isinstance(split, Split) else Streamed
    return kind(split, batch_size, seed, device)  # type: ignore[arg-type]  # the kind fits the split


class InMemory:
    """Every order of the images is equally likely."""

    def __init__(self, split: Split, batch_size: int, seed: int, device: torch.device) -> None:
        self._pixels = split.pixels.to(device)
        self._class_ids = split.class_ids.to(device)
        self._seed = seed
        self._order = torch.arange(len(self), device=device)
        self._chunk = _chunk(batch_size)
        self._gathered = torch.empty(self._chunk, self._pixels.shape[1], dtype=torch.uint8, device=device)

    def __len__(self) -> int:
        return len(self._class_ids)

    def shuffle(self, epoch: int) -> None:
        generator = random_stream(self._seed, epoch, self._order.device)
        torch.randperm(len(self), generator=generator, out=self._order)

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        for order in torch.split(self._order, self._chunk):
            pixels = torch.index_select(self._pixels, 0, order, out=self._gathered[: len(order)])
            yield pixels, self._class_ids[order]


class Streamed:
    """Each image once per epoch; a minibatch is drawn from 32 blocks of consecutive images that were picked at random.

    That is as good as a full shuffle unless the file is sorted by class *and* has few blocks per class; peak memory is
    three times the mixed blocks, 0.3 GB, whatever the size of the file.
    """

    def __init__(self, split: FileSplit, batch_size: int, seed: int, device: torch.device) -> None:
        self._split = split
        self._length = len(split)
        self._seed = seed
        self._device = device
        self._chunk = _chunk(batch_size)
        self._generator = random_stream(seed, 1, torch.device("cpu"))

    def __len__(self) -> int:
        return self._length

    def shuffle(self, epoch: int) -> None:
        self._generator = random_stream(self._seed, epoch, torch.device("cpu"))

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        blocks = torch.randperm(self._split.block_count, generator=self._generator)
        rest: list[tuple[Tensor, Tensor]] = []
        for mixed in torch.split(blocks, MIXED_BLOCKS):
            pool = rest + [self._split.read(int(block)) for block in mixed]
            pixels, class_ids = (torch.cat(tensors) for tensors in zip(*pool, strict=True))
            del pool
            order = torch.randperm(len(class_ids), generator=self._generator)
            whole = len(order) // self._chunk * self._chunk
            for rows in torch.split(order[:whole], self._chunk):
                yield pixels[rows].to(self._device), class_ids[rows].to(self._device)
            rest = [(pixels[order[whole:]], class_ids[order[whole:]])]
        if len(rest[0][1]):
            yield rest[0][0].to(self._device), rest[0][1].to(self._device)


def _chunk(batch_size: int) -> int:
    return max(1, BLOCK // batch_size) * batch_size
