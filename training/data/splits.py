"""Images with their classes, in memory or in a file, and a stratified part split off."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from app.classifier.softmax import PIXELS
from training.errors import DataError
from training.names import counted

__all__ = ["BLOCK", "FileSplit", "Split", "check_share", "split_off"]

BLOCK = 4096  # images read or measured at a time: 3 MB


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Images in memory.

    Attributes:
        pixels: uint8 [N, 784], row-major, 0-255.
        class_ids: int64 [N], 0 to C - 1.
        names: of the N files that the images come from; empty where they come from none.
    """

    pixels: Tensor
    class_ids: Tensor
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.class_ids)

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels and class ids of BLOCK images at a time, in order."""
        yield from zip(torch.split(self.pixels, BLOCK), torch.split(self.class_ids, BLOCK), strict=True)

    def only(self, chosen: Tensor) -> "Split":
        """The images that `chosen`, bool [N], marks."""
        places = chosen.nonzero().flatten()  # a third of the time that a mask takes
        names = tuple(compress(self.names, chosen.tolist()))
        return Split(self.pixels.index_select(0, places), self.class_ids[places], names)

    def without(self, chosen: Tensor) -> "Split":
        """The images that `chosen`, bool [N], does not mark."""
        return self.only(~chosen)


@dataclass(frozen=True, slots=True, eq=False)
class FileSplit:
    """Images in an .npy file that need not fit into memory.

    The file is mapped for each reading and unmapped after it: what has been read does not stay in the process's memory.

    Attributes:
        path: the file, uint8 [M, 28, 28].
        offset: of the first pixel in the file, in bytes.
        rows: int64 [N], where in the file the split's images lie, ascending.
        class_ids: int64 [N].
    """

    path: Path
    offset: int
    rows: Tensor
    class_ids: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def pixels(self, places: Tensor) -> Tensor:
        """The pixels, uint8 [n, 784], of the split's images number `places`, int64 [n]."""
        rows = self.rows[places].numpy()
        if not len(rows):
            return torch.empty(0, PIXELS, dtype=torch.uint8)
        mapped = np.memmap(self.path, np.uint8, "r", self.offset, shape=(int(rows.max()) + 1, PIXELS))
        return torch.from_numpy(np.take(mapped, rows, axis=0))

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels and class ids of BLOCK images at a time, in order."""
        for places in torch.split(torch.arange(len(self)), BLOCK):
            yield self.pixels(places), self.class_ids[places]

    def only(self, chosen: Tensor) -> Split:
        """The images that `chosen`, bool [N], marks, in memory."""
        return Split(self.pixels(chosen.nonzero().flatten()), self.class_ids[chosen])

    def without(self, chosen: Tensor) -> "FileSplit":
        """The images that `chosen`, bool [N], does not mark."""
        return FileSplit(self.path, self.offset, self.rows[~chosen], self.class_ids[~chosen])


def check_share(share: float, option: str) -> None:
    """Raises DataError: it is no share of what is to be split."""
    if not 0 <= share < 1:
        raise DataError(f"{option} {share} must be at least 0 and below 1.")


def split_off(
    split: Split | FileSplit, share: float, labels: Sequence[str], *, seed: int = 0, option: str = "--validation"
) -> tuple[Split | FileSplit, Split]:
    """Split at random, class by class, so that each class keeps its share (stratified).

    Args:
        split: what is to be split.
        share: of each class, rounded to whole images, that goes to the second part; 0 to below 1.
        labels: the classes' names, for errors.
        seed: draws which images; the same seed always takes the same ones.
        option: what errors call the share.

    Returns:
        The larger part, and the part split off, which is in memory.

    Raises:
        DataError: a class would have no image left in one of the parts.
    """
    check_share(share, option)
    generator = torch.Generator().manual_seed(seed)
    class_ids = split.class_ids
    chosen = torch.zeros(len(split), dtype=torch.bool)
    if share:
        for class_id, count in enumerate(torch.bincount(class_ids).tolist()):
            if not count:
                continue
            taken = round(count * share)
            if not 0 < taken < count:
                name = labels[class_id] if class_id < len(labels) else str(class_id)
                if option == "--validation":
                    noun, advice = "training image", "--validation 0 keeps none apart"
                else:
                    noun, advice = "image", f"{option} 0.5 takes half" if count > 1 else "add some"
                found = f"the class {name!r} has {counted(count, noun)}"
                raise DataError(f"{found}, too few for {option} {share:g} of them; {advice}.")
            members = (class_ids == class_id).nonzero().flatten()
            chosen[members[torch.randperm(count, generator=generator)[:taken]]] = True
    return split.without(chosen), split.only(chosen)
