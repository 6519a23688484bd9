"""Images with their classes, in memory or in a file, and a stratified part split off."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.classifier.softmax import PIXELS
from training.errors import DataError

__all__ = ["BLOCK", "FileSplit", "Split", "split_off"]

BLOCK = 4096  # images read or measured at a time: 3 MB


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images in memory.

    Attributes:
        pixels: uint8 [N, 784], row-major, 0-255.
        class_ids: int64 [N], 0 to C - 1.
    """

    pixels: Tensor
    class_ids: Tensor

    def __len__(self) -> int:
        return len(self.class_ids)

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels and class ids of BLOCK images at a time, in order."""
        yield from zip(torch.split(self.pixels, BLOCK), torch.split(self.class_ids, BLOCK), strict=True)

    def only(self, chosen: Tensor) -> "Split":
        """The images that `chosen`, bool [N], marks."""
        return Split(self.pixels[chosen], self.class_ids[chosen])

    def without(self, chosen: Tensor) -> "Split":
        """The images that `chosen`, bool [N], does not mark."""
        return self.only(~chosen)


@dataclass(frozen=True, slots=True, eq=False)
class FileSplit:
    """Images in an .npy file that need not fit into memory.

    A block is mapped, copied and unmapped: what has been read does not stay in the process's memory.

    Attributes:
        path: the file, uint8 [M, 28, 28].
        offset: of the first pixel in the file, in bytes.
        all_class_ids: int64 [M].
        kept: bool [M], which of the file's images belong to the split.
    """

    path: Path
    offset: int
    all_class_ids: Tensor
    kept: Tensor

    def __len__(self) -> int:
        return int(self.kept.sum())

    @property
    def class_ids(self) -> Tensor:
        """int64 [N]."""
        return self.all_class_ids[self.kept]

    @property
    def block_count(self) -> int:
        return -(-len(self.kept) // BLOCK)

    def read(self, block: int) -> tuple[Tensor, Tensor]:
        """Pixels and class ids of one block; at most BLOCK images."""
        rows = slice(block * BLOCK, min((block + 1) * BLOCK, len(self.kept)))
        shape = (rows.stop - rows.start, PIXELS)
        mapped = np.memmap(self.path, np.uint8, mode="c", offset=self.offset + rows.start * PIXELS, shape=shape)
        return torch.from_numpy(mapped)[self.kept[rows]], self.all_class_ids[rows][self.kept[rows]]

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels and class ids, block by block, in order."""
        yield from map(self.read, range(self.block_count))

    def only(self, chosen: Tensor) -> Split:
        """The images that `chosen`, bool [N], marks, in memory."""
        part = FileSplit(self.path, self.offset, self.all_class_ids, self._spread(chosen))
        pixels, class_ids = zip(*part.blocks(), strict=True)
        return Split(torch.cat(pixels), torch.cat(class_ids))

    def without(self, chosen: Tensor) -> "FileSplit":
        """The images that `chosen`, bool [N], does not mark."""
        return FileSplit(self.path, self.offset, self.all_class_ids, self._spread(~chosen))

    def _spread(self, chosen: Tensor) -> Tensor:
        return self.kept.clone().masked_scatter_(self.kept, chosen)


def split_off(
    split: Split | FileSplit, share: float, seed: int = 0, option: str = "--validation"
) -> tuple[Split | FileSplit, Split]:
    """Split at random, class by class, so that each class keeps its share (stratified).

    Args:
        split: what is to be split.
        share: of each class, rounded to whole images, that goes to the second part; 0 to below 1.
        seed: draws which images; the same seed always takes the same ones.
        option: what errors call the share.

    Returns:
        The larger part, and the part split off, which is in memory.

    Raises:
        DataError: a class would have no image left in one of the parts.
    """
    if not 0 <= share < 1:
        raise DataError(f"{option} {share} must be at least 0 and below 1.")
    generator = torch.Generator().manual_seed(seed)
    class_ids = split.class_ids
    chosen = torch.zeros(len(split), dtype=torch.bool)
    if share:
        for class_id, count in enumerate(torch.bincount(class_ids).tolist()):
            if not count:
                continue
            taken = round(count * share)
            if not 0 < taken < count:
                raise DataError(f"class {class_id} has {count} images, too few for {option} {share:g} of them.")
            members = (class_ids == class_id).nonzero().flatten()
            chosen[members[torch.randperm(count, generator=generator)[:taken]]] = True
    return split.without(chosen), split.only(chosen)
