"""How often `training learn` writes, promotes and takes back models that are no better, looking again and again.

    python -m benchmarks.looks

Simulated is the worst that is no difference: at each look another candidate, which has nothing to do with the last and
is right as often as the champion. It challenges where it wins on the latest 500 labels; it is then weighed by all
further labels, at each look, until the next one challenges. That this one has to beat it, too, is left out.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from scipy.special import betaln
from scipy.stats import beta
from torch import Tensor

from app.rollout.evidence import _PRIOR_STRENGTH, Rule

LABELS = 50  # new ones at each look
WINDOW = 500
LEAST = 200  # labels that it takes to go back


class Case(NamedTuple):
    """So many streams of so many looks at models of which exactly one is right on `apart` of the images."""

    streams: int
    looks: int
    apart: float


CASES = tuple(Case(*size, apart) for apart in (0.06, 0.3) for size in ((1_000, 100), (1_000, 1_000), (200, 8_760)))


def main() -> None:
    print("| exactly one is right | looks | challengers | one promoted, at 20 each | at 20 k² |")
    print("| --- | --- | --- | --- | --- |")
    for case in CASES:
        print(_row_of_challengers(case))
    print("\n| exactly one is right | looks | better by | taken back, by the latest 500 | by all since the promotion |")
    print("| --- | --- | --- | --- | --- |")
    for case in CASES:
        if case.looks <= 1_000:
            for gain in (0.0, 0.005, 0.01):
                print(_row_of_returns(case, gain))


def _row_of_challengers(case: Case) -> str:
    generator = torch.Generator().manual_seed(0)
    written, promoted = 0, {False: 0, True: 0}
    for _ in range(case.streams):
        apart, hits = _drawn(torch.full((case.looks,), WINDOW), case.apart, 0.5, generator)
        places = _reached(apart, hits, Rule().e_value).nonzero().flatten().tolist()
        written += len(places)
        evidence = [_live(end - start, case.apart, generator) for start, end in pairwise([*places, case.looks])]
        for spends in promoted:
            numbered = enumerate(evidence, 1)
            promoted[spends] += any(_wins(apart, hits, number if spends else 1) for number, (apart, hits) in numbered)
    shares = " | ".join(f"{count / case.streams:.1%}" for count in promoted.values())
    return f"| {case.apart:.0%} | {case.looks:,} | {written / case.streams:.2f} | {shares} |"


def _row_of_returns(case: Case, gain: float) -> str:
    """Of streams in which the champion is better by `gain`, those in which the version before comes back."""
    generator = torch.Generator().manual_seed(0)
    share, latest, since = 0.5 - gain / (2 * case.apart), 0, 0
    for _ in range(case.streams):
        apart, hits = _live(case.looks, case.apart, generator, share)
        window_apart, window_hits = _latest(apart), _latest(hits)
        latest += bool(_reached(window_apart, window_hits, Rule().e_value)[LEAST // LABELS :].any())
        since += bool(_reached(apart, hits, Rule().e_value)[LEAST // LABELS :].any())
    return (
        f"| {case.apart:.0%} | {case.looks:,} | {gain:.1%} | {latest / case.streams:.1%} | {since / case.streams:.1%} |"
    )


def _latest(counts: Tensor) -> Tensor:
    """Of counts so far, int64 [n], those of the latest window."""
    before = torch.cat([torch.zeros(WINDOW // LABELS, dtype=torch.int64), counts])
    return counts - before[: len(counts)]


def _drawn(labels: Tensor, apart: float, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Of so many labels, int64 [n]: those on which exactly one is right, and those on which it is the second."""
    ones = torch.binomial(labels.double(), torch.full(labels.shape, apart, dtype=torch.float64), generator)
    return ones.long(), torch.binomial(ones, torch.full_like(ones, share), generator).long()


def _live(looks: int, apart: float, generator: torch.Generator, share: float = 0.5) -> tuple[Tensor, Tensor]:
    """The same of all labels so far, at each look."""
    ones, hits = _drawn(torch.full((looks,), LABELS), apart, share, generator)
    return ones.cumsum(0), hits.cumsum(0)


def _wins(apart: Tensor, hits: Tensor, number: int) -> bool:
    first = Rule().labels // LABELS
    return bool(_reached(apart, hits, Rule().for_challenger(number).e_value)[first:].any())


def _reached(apart: Tensor, hits: Tensor, e_value: float) -> Tensor:
    """Where the evidence is enough, bool [n]: as by `log_e_value`, which takes one pair of numbers after the other."""
    reached = 2 * hits - apart >= 2 * apart.sqrt()  # at less than two standard deviations no e-value is above 8
    misses = (apart - hits)[reached].numpy()
    prior = _PRIOR_STRENGTH / 2
    a, b = prior + hits[reached].numpy(), prior + misses
    mixture = betaln(a, b) + beta.logsf(0.5, a, b) - betaln(prior, prior) - beta.logsf(0.5, prior, prior)
    reached[reached.clone()] = torch.from_numpy(mixture) + apart[reached] * math.log(2) >= math.log(e_value)
    return reached


if __name__ == "__main__":
    main()
