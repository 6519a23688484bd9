"""How sure a measured share is."""

import math

__all__ = ["wilson_interval"]

_Z = 1.959964  # 95 % of a normal distribution lie within so many deviations


def wilson_interval(correct: float, total: float) -> tuple[float, float]:
    """The 95 % interval of a share, by Wilson's score (Wilson 1927, "Probable Inference"); `total` is over 0."""
    share = correct / total
    center = (share + _Z * _Z / (2 * total)) / (1 + _Z * _Z / total)
    half = _Z / (1 + _Z * _Z / total) * math.sqrt(share * (1 - share) / total + _Z * _Z / (4 * total * total))
    return max(0.0, center - half), min(1.0, center + half)
