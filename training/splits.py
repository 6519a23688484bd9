"""A validation split out of the training data."""

import torch

from training.datasets import Split
from training.errors import DataError

__all__ = ["split_off"]


def split_off(split: Split, share: float, seed: int = 0) -> tuple[Split, Split]:
    """Split at random, class by class, so that each class keeps its share (stratified).

    Args:
        split: what is to be split.
        share: of each class, rounded to whole images, that goes to the second part; 0 to below 1.
        seed: draws which images; the same seed always takes the same ones.

    Returns:
        The larger part and the part split off.

    Raises:
        DataError: a class would have no image left in one of the parts.
    """
    if not 0 <= share < 1:
        raise DataError(f"--validation {share} must be at least 0 and below 1.")
    generator = torch.Generator().manual_seed(seed)
    held_out = torch.zeros(len(split), dtype=torch.bool)
    if share:
        for class_id, count in enumerate(torch.bincount(split.class_ids).tolist()):
            taken = round(count * share)
            if not 0 < taken < count:
                raise DataError(
                    f"class {class_id} has {count} images: too few to take {share:g} of them for validation."
                )
            members = (split.class_ids == class_id).nonzero().flatten()
            held_out[members[torch.randperm(count, generator=generator)[:taken]]] = True
    return _select(split, ~held_out), _select(split, held_out)


def _select(split: Split, chosen: torch.Tensor) -> Split:
    return Split(split.pixels[chosen], split.class_ids[chosen])
