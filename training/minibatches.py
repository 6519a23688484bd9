"""Shuffled minibatches of images that lie in memory, on the device that trains."""

from collections.abc import Iterator

import torch
from torch import Tensor

from training.datasets import Split
from training.sgd import random_stream

__all__ = ["Minibatches"]

# Several minibatches are gathered at a time: 3 MB of pixels, which stay in the cache until they are used.
_CHUNK = 4096


class Minibatches:
    """A split of a data set, in an order that `shuffle` draws anew."""

    def __init__(self, split: Split, batch_size: int, seed: int, device: torch.device) -> None:
        self._pixels = split.pixels.to(device)
        self._class_ids = split.class_ids.to(device)
        self._seed = seed
        self._order = torch.arange(len(self), device=device)
        self._chunk = max(1, _CHUNK // batch_size) * batch_size
        self._gathered = torch.empty(self._chunk, self._pixels.shape[1], dtype=torch.uint8, device=device)

    def __len__(self) -> int:
        return len(self._class_ids)

    def shuffle(self, epoch: int) -> None:
        generator = random_stream(self._seed, epoch, self._order.device)
        torch.randperm(len(self), generator=generator, out=self._order)

    def chunks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels uint8 [n, 784] and class ids int64 [n] of whole minibatches; a chunk is valid until the next."""
        for order in torch.split(self._order, self._chunk):
            pixels = torch.index_select(self._pixels, 0, order, out=self._gathered[: len(order)])
            yield pixels, self._class_ids[order]
