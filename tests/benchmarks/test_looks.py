"""The simulation of looks without end weighs as the rule does."""

import math

import pytest
import torch

from app.rollout.evidence import log_e_value
from benchmarks.looks import Case, _reached, _row_of_challengers, _row_of_returns


@pytest.mark.parametrize("e_value", [20, 2000])
def test_evidence_is_enough_where_the_rule_says_so(e_value: float) -> None:
    apart = torch.tensor([count for count in (1, 10, 30, 150, 1000, 20_000) for _ in range(40)])
    hits = torch.minimum(apart, apart // 2 + (apart.sqrt() / 10 * (torch.arange(len(apart)) % 40)).long())

    reached = _reached(apart, hits, e_value)

    pairs = zip(hits.tolist(), (apart - hits).tolist(), strict=True)
    assert reached.tolist() == [log_e_value(*pair) >= math.log(e_value) for pair in pairs]
    assert 0 < reached.sum() < len(reached)


def test_a_row_has_a_figure_for_each_rule() -> None:
    case = Case(streams=3, looks=40, apart=0.3)

    assert _row_of_challengers(case).count("%") == 3
    assert _row_of_returns(case, 0.01).count("%") == 4
