"""How many labels it takes to promote a challenger, and how often one is promoted that is no better.

    python -m benchmarks.evidence

Streams of labeled images are drawn, and the evidence is looked at after each. Only images on which exactly one of the
two models is right change it, so those are drawn, and labels are counted by their share.
"""

import argparse
import math
from typing import NamedTuple

import torch

from app.rollout import evidence

STREAMS = 10_000
DISAGREEMENTS = 2_000  # looks at each stream


class Case(NamedTuple):
    """Two models with these shares of right answers, of which exactly one is right on `apart` of the images."""

    champion: float
    challenger: float
    apart: float

    @property
    def challenger_share(self) -> float:
        """Of the images on which exactly one is right, those on which it is the challenger."""
        return 0.5 + (self.challenger - self.champion) / (2 * self.apart)


CASES = (
    Case(0.846, 0.846, 0.06),
    Case(0.846, 0.851, 0.06),
    Case(0.846, 0.856, 0.06),
    Case(0.846, 0.866, 0.06),
    Case(0.60, 0.75, 0.25),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--priors", default="8,20,40,80,160", help="strengths of the mixture to compare")
    strengths = [int(text) for text in parser.parse_args().priors.split(",")]
    print("| prior | champion | challenger | only one is right | promoted | labels, median | 80 % | 90 % |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for strength in strengths:
        evidence._PRIOR_STRENGTH = strength  # noqa: SLF001 - compared here and nowhere else
        needed = _needed()
        for case in CASES:
            print(_row(strength, case, needed))


def _needed() -> torch.Tensor:
    """The least hits that promote at each number of disagreements, int64 [DISAGREEMENTS]."""
    needed, hits, limit = [], 0, math.log(evidence.Rule().e_value)
    for count in range(1, DISAGREEMENTS + 1):
        while hits <= count and evidence.log_e_value(hits, count - hits) < limit:
            hits += 1
        needed.append(hits)
    return torch.tensor(needed)


def _row(strength: int, case: Case, needed: torch.Tensor) -> str:
    generator = torch.Generator().manual_seed(0)
    draws = torch.rand(STREAMS, DISAGREEMENTS, generator=generator)
    reached = (draws < case.challenger_share).cumsum(dim=1) >= needed
    promoted = reached.any(dim=1)
    first = torch.where(promoted, reached.int().argmax(dim=1) + 1, math.inf)
    labels = (first.double().sort().values / case.apart).tolist()
    quantiles = [labels[round(share * STREAMS) - 1] for share in (0.5, 0.8, 0.9)]
    shown = " | ".join(f"{count:,.0f}" if math.isfinite(count) else "–" for count in quantiles)
    return (
        f"| {strength} | {case.champion:.1%} | {case.challenger:.1%} | {case.apart:.0%} "
        f"| {promoted.double().mean().item():.1%} | {shown} |"
    )


if __name__ == "__main__":
    main()
