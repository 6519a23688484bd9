"""The evidence, held against exact fractions and numerical integration, and against chance."""

import math
from fractions import Fraction
from typing import Any

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from app.rollout.evidence import Comparison, Outcomes, Rule, fall, judge, log_e_value

NO_GUARDS = Rule(labels=0, recall_loss=1, calibration_loss=1, unusual_share=1)

counts = st.integers(0, 3000)
nulls = st.floats(0.02, 0.98)


def exact_e_value(hits: int, misses: int) -> Fraction:
    """Against 1/2 with Beta(20, 20) above it, the integral of a polynomial, term by term."""
    a, b = 20 + hits, 20 + misses

    def integral(a: int, b: int) -> Fraction:
        """Of p^(a-1) (1-p)^(b-1) from 1/2 to 1; with q = 1 - p, from 0 to 1/2 of q^(b-1) (1-q)^(a-1)."""
        terms = (Fraction((-1) ** k * math.comb(a - 1, k), (b + k) * 2 ** (b + k)) for k in range(a))
        return sum(terms, start=Fraction(0))

    return integral(a, b) / integral(20, 20) * Fraction(2 ** (hits + misses))


def outcomes(champion: int = 0, challenger: int = 0, both: int = 0, neither: int = 0) -> Outcomes:
    return Outcomes(both, champion, challenger, neither)


@pytest.mark.parametrize(("hits", "misses"), [(0, 0), (1, 0), (0, 1), (35, 25), (25, 35), (130, 80), (3, 200)])
def test_the_e_value_against_a_half_is_the_exact_fraction(hits: int, misses: int) -> None:
    expected = exact_e_value(hits, misses)

    log_expected = math.log(expected.numerator) - math.log(expected.denominator)
    assert log_e_value(hits, misses) == pytest.approx(log_expected, abs=1e-10)


@pytest.mark.parametrize(("hits", "misses", "null"), [(0, 0, 0.15), (9, 40, 0.1543), (300, 1200, 0.16), (7, 3, 0.9)])
def test_the_e_value_against_any_share_is_the_integral_of_the_likelihood_ratio(
    hits: int, misses: int, null: float
) -> None:
    a, b = max(1, round(40 * null)), max(1, round(40 * (1 - null)))

    def integrand(p: Any) -> Any:
        ratio = hits * mpmath.log(p / null) + misses * mpmath.log((1 - p) / (1 - null))
        density = (a - 1) * mpmath.log(p) + (b - 1) * mpmath.log(1 - p) - mpmath.log(mpmath.beta(a, b))
        return mpmath.exp(ratio + density)

    with mpmath.workdps(30):
        points = [null + (1 - null) * step / 10 for step in range(10)] + [mpmath.mpf(1) - mpmath.mpf(10) ** -25]
        expected = mpmath.quad(integrand, points) / float(beta(a, b).sf(null))

    assert log_e_value(hits, misses, null) == pytest.approx(float(mpmath.log(expected)), abs=1e-6)


@settings(deadline=None)
@given(hits=counts, misses=counts, null=nulls)
def test_on_average_the_next_observation_adds_no_evidence_if_the_null_is_true(
    hits: int, misses: int, null: float
) -> None:
    now = log_e_value(hits, misses, null)
    hit, miss = log_e_value(hits + 1, misses, null) - now, log_e_value(hits, misses + 1, null) - now

    assert null * math.exp(hit) + (1 - null) * math.exp(miss) == pytest.approx(1, abs=1e-6)
    assert hit > -1e-6 > miss - 2e-6


def test_the_evidence_of_a_million_images_is_a_number() -> None:
    verdict = judge(Comparison({"Coat": outcomes(champion=100_000, challenger=900_000)}))

    assert math.isfinite(verdict.e_value)
    assert verdict.e_value > 1e250
    assert verdict.is_enough


def thresholds(observations: int, null: float = 0.5) -> torch.Tensor:
    """How many hits it takes at each number of observations, int64 [observations], by the rule itself."""
    needed, hits = [], 0
    for count in range(1, observations + 1):
        while hits <= count and log_e_value(hits, count - hits, null) < math.log(Rule().e_value):
            hits += 1
        needed.append(hits)
    return torch.tensor(needed)


def test_of_ten_thousand_equal_challengers_looked_at_after_every_label_one_in_twenty_is_promoted_at_most() -> None:
    generator = torch.Generator().manual_seed(22)
    needed = thresholds(1500)  # discordant images: of 25,000 labels, at 6 %

    hits = (torch.rand(10_000, 1500, generator=generator) < 0.5).cumsum(dim=1)
    promoted = (hits >= needed).any(dim=1).double().mean().item()

    assert promoted <= 0.05
    assert promoted > 0.01  # a rule that nothing passes would be no rule


def test_of_all_challengers_of_one_champion_together_one_in_twelve_is_promoted_at_most() -> None:
    rules = [Rule().for_challenger(number) for number in range(1, 10_000)]

    assert rules[0] == Rule()
    assert sum(1 / rule.e_value for rule in rules) < 1 / 12


def test_a_better_challenger_is_promoted_soon() -> None:
    generator = torch.Generator().manual_seed(23)
    needed = thresholds(800)

    hits = (torch.rand(2_000, 800, generator=generator) < 3.5 / 6).cumsum(dim=1)  # 84.6 -> 85.6 %, 6 % discordant
    promoted = (hits >= needed).any(dim=1).double().mean().item()

    assert promoted > 0.95


def test_without_labels_nothing_is_decided() -> None:
    verdict = judge(Comparison({}))

    assert verdict.e_value == pytest.approx(1)
    assert verdict.labels_to_go is None
    assert [sentence.split(",")[0] for sentence in verdict.missing] == ["0 images are labeled", "The evidence is 1"]


def test_a_lucky_start_waits_for_the_least_number_of_labels() -> None:
    verdict = judge(Comparison({"Coat": outcomes(challenger=60, both=40)}))

    assert verdict.missing == ("100 images are labeled, 500 are needed.",)
    assert verdict.labels_to_go == 400


def test_a_worse_challenger_is_never_promoted() -> None:
    verdict = judge(Comparison({"Coat": outcomes(champion=400, challenger=200, both=4000)}))

    assert verdict.e_value < 0.05
    assert verdict.labels_to_go is None
    assert "the challenger alone is right about 200 images, the champion alone about 400" in verdict.missing[0]


def test_the_labels_to_go_are_about_those_that_it_takes() -> None:
    before = {"Coat": outcomes(champion=25, challenger=35, both=800, neither=140)}

    to_go = judge(Comparison(before)).labels_to_go

    assert to_go is not None
    times = 1 + to_go / 1000
    after = outcomes(*(round(times * count) for count in (25, 35, 800, 140)))
    assert judge(Comparison({"Coat": after})).is_enough
    less = outcomes(*(round(0.95 * times * count) for count in (25, 35, 800, 140)))
    assert not judge(Comparison({"Coat": less})).is_enough


@pytest.mark.parametrize(
    ("comparison", "reason"),
    [
        (
            Comparison({"Coat": outcomes(challenger=300, both=300), "Shirt": outcomes(champion=3, both=27)}),
            "Of 'Shirt' the challenger recognizes 90.0%, the champion 100.0%; 5.0% less is allowed.",
        ),
        (
            Comparison({"Coat": outcomes(challenger=300, both=300)}, 0.02, 0.09),
            "The challenger's calibration error is 0.090, the champion's 0.020; 0.05 more is allowed.",
        ),
        (
            Comparison({"Coat": outcomes(challenger=300, both=300)}, unusual_share=0.2),
            "20.0% of the images look unlike the challenger's training images; 10.0% is allowed.",
        ),
    ],
)
def test_a_guard_holds_a_challenger_that_wins_on_the_whole(comparison: Comparison, reason: str) -> None:
    verdict = judge(comparison)

    assert verdict.missing == (reason,)
    assert judge(comparison, NO_GUARDS).is_enough


def test_the_recall_of_a_class_with_few_labels_does_not_count_yet() -> None:
    few = {"Coat": outcomes(challenger=300, both=300), "Shirt": outcomes(champion=3, both=26)}

    assert judge(Comparison(few)).is_enough


def test_a_fall_below_the_test_accuracy_is_found_and_its_absence_is_not() -> None:
    assert fall(correct=8460, count=10_000, least_accuracy=0.8386) < 1
    assert fall(correct=840, count=1_000, least_accuracy=0.8386) < 2
    assert fall(correct=600, count=1_000, least_accuracy=0.8386) > 1e6
    assert fall(correct=0, count=1_000, least_accuracy=0.0) == 0


def test_of_two_thousand_models_that_hold_their_accuracy_one_in_twenty_is_said_to_fall_at_most() -> None:
    generator = torch.Generator().manual_seed(24)
    needed = thresholds(3000, 1 - 0.8386)

    errors = (torch.rand(2_000, 3000, generator=generator) < 1 - 0.8386).cumsum(dim=1)

    assert (errors >= needed).any(dim=1).double().mean().item() <= 0.05


def test_a_class_that_the_champion_takes_everything_for_does_not_hold_a_challenger_back() -> None:
    classes = {"Bag": Outcomes(both=40, champion=10), "Coat": Outcomes(challenger=450, neither=50)}

    held_back = judge(Comparison(classes))
    judged = judge(Comparison(classes, usual_recalls={"Bag": 0.84, "Coat": 0.8}))

    assert held_back.missing == (
        "Of 'Bag' the challenger recognizes 80.0%, the champion 100.0%; 5.0% less is allowed.",
    )
    assert judged.is_enough
