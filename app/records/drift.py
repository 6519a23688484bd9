"""Whether answers are spread otherwise than on the test set: by a test and by its size, both of which must speak.

The test is Pearson's chi-squared test of homogeneity of two samples (Pearson 1911). With much traffic it finds what
does not matter, so there must also be an effect: Cohen's w (Cohen 1988, "Statistical Power Analysis", 7.2), the root of
Σ (p - r)² / r over the shares p in use and r in reference; 0.1 is called small there, 0.3 medium and 0.5 large.
"""

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from typing_extensions import TypedDict

__all__ = ["Drift", "drift"]

_LEAST_EFFECT = 0.25  # w; what a warning takes
_MOST_LIKELY = 1e-5  # p; each hour is tested several times, for years
_LEAST_EXPECTED = 5  # in each cell; below, the distribution of the statistic is another


class Drift(TypedDict):
    """How far answers in use are from those on the test set."""

    effect_size: Annotated[float, Field(description="Cohen's w")]
    p_value: Annotated[float, Field(description="of Pearson's chi-squared test of homogeneity")]
    drifted: Annotated[bool, Field(description="the effect is at least 0.25, and p below 0.00001")]


def drift(counts: Sequence[int], reference: Sequence[int]) -> Drift | None:
    """Compare how answers fall into cells, such as classes, with how they did on the test set.

    Args:
        counts: answers in each cell.
        reference: the same on the test set.

    Returns:
        None where there are too few to say anything.
    """
    cells = _merged(counts, reference)
    if len(cells) < 2:
        return None
    total, reference_total = sum(counts), sum(reference)
    scale = math.sqrt(reference_total / total)
    statistic = sum((scale * count - usual / scale) ** 2 / (count + usual) for count, usual in cells)
    shares = [(count / total, usual / reference_total) for count, usual in cells]
    effect = math.sqrt(sum((share - usual) ** 2 / usual for share, usual in shares))
    p_value = _chi_squared_above(statistic, len(cells) - 1)
    return {
        "effect_size": effect,
        "p_value": p_value,
        "drifted": effect >= _LEAST_EFFECT and p_value < _MOST_LIKELY,
    }


def _merged(counts: Sequence[int], reference: Sequence[int]) -> list[tuple[int, int]]:
    """Cells next to each other together, where too little is expected in them: count and reference of each."""
    share = min(1.0, sum(counts) / max(1, sum(reference)))  # of the reference that is expected, or the reference itself
    cells: list[tuple[int, int]] = []
    count = usual = 0
    for its_count, its_usual in zip(counts, reference, strict=True):
        count += its_count
        usual += its_usual
        if usual * share >= _LEAST_EXPECTED:
            cells.append((count, usual))
            count = usual = 0
    if cells and (count or usual):
        last_count, last_usual = cells.pop()
        cells.append((last_count + count, last_usual + usual))
    return cells


def _chi_squared_above(statistic: float, degrees: int) -> float:
    """The probability that a chi-squared variable is larger: Q(degrees / 2, statistic / 2)."""
    half = torch.tensor([degrees / 2, statistic / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))
