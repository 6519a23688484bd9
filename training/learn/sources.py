"""Sources whose labels can't be believed: a model that learned from all of them contradicts one far more than others.

A source whose labels are often wrong is contradicted by a model that learned from many others, too, and so is one whose
images a linear model can't learn. From neither there is anything to learn. A shift that all sources see, or one that
can be learned, sets no source apart.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from app.records.labeled_images import LabeledImage

__all__ = ["Contradicted", "most_contradicted"]

_EXCESS = 0.1  # share of a source's labels that may be contradicted beyond that of the source contradicted least
_LEAST = 200  # labels of a source; those of fewer are judged together, as one


class Contradicted(NamedTuple):
    """Sources that are contradicted too often, and how much more often than the others, as a share of labels."""

    sources: Sequence[str]
    excess: float


def most_contradicted(
    images: Sequence[LabeledImage], answers: Sequence[int], recalls: Tensor, labels: Sequence[str]
) -> Contradicted | None:
    """The source that a model contradicts most, if that is too often; None: there is none, or nobody to compare with.

    How often a model is expected to be right depends on the classes: a source that sees hard ones is not blamed for it.

    Args:
        images: with the labels that each source told.
        answers: class ids, the model's for each image.
        recalls: float [C], the model's on the test set.
        labels: the C classes.
    """
    surplus: dict[str, list[float]] = defaultdict(list)  # by source, for each label: expected less actual agreement
    for image, answer in zip(images, answers, strict=True):
        for source, label in image.labels.items():
            if label in labels:
                class_id = labels.index(label)
                surplus[source].append(float(recalls[class_id]) - (answer == class_id))
    groups = _groups(surplus)
    means = {group: sum(values) / len(values) for group, values in groups.items()}
    if len(means) < 2:
        return None
    worst = max(means, key=lambda group: (means[group], group))
    excess = means[worst] - min(means.values())
    return Contradicted(worst, excess) if excess > _EXCESS else None


def _groups(surplus: Mapping[str, list[float]]) -> dict[tuple[str, ...], list[float]]:
    """Each source that has told enough, and all others as one if they have together."""
    groups = {(source,): values for source, values in surplus.items() if len(values) >= _LEAST}
    small = tuple(sorted(source for source, values in surplus.items() if len(values) < _LEAST))
    together = [value for source in small for value in surplus[source]]
    return groups | ({small: together} if len(together) >= _LEAST else {})
