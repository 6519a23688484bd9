"""Drift: against an independent computation, and on traffic that does and does not shift."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from app.records.drift import drift

REFERENCE = [1000] * 10


@given(
    st.lists(st.integers(20, 5000), min_size=10, max_size=10),
    st.lists(st.integers(200, 5000), min_size=10, max_size=10),
)
def test_the_test_is_pearsons(counts: list[int], reference: list[int]) -> None:
    expected = min(1.0, sum(counts) / sum(reference)) * min(reference)
    if expected < 5:
        return

    found = drift(counts, reference)

    oracle = chi2_contingency([counts, reference], correction=False)
    assert found is not None
    assert found["p_value"] == pytest.approx(oracle.pvalue, rel=1e-6, abs=1e-300)


def test_the_effect_is_cohens_w() -> None:
    found = drift([200, 100, *[87] * 8], [1000] * 10)

    assert found is not None
    shares = np.array([200, 100, *[87] * 8]) / 996
    assert found["effect_size"] == pytest.approx(np.sqrt(((shares - 0.1) ** 2 / 0.1).sum()))


def test_too_little_says_nothing() -> None:
    assert drift([0] * 10, REFERENCE) is None
    assert drift([1, *[0] * 9], REFERENCE) is None


def test_cells_in_which_little_is_expected_are_taken_together() -> None:
    found = drift([0, 0, 0, 50, 950], [1, 2, 3, 494, 9500])

    assert found is not None
    assert not found["drifted"]


def test_much_traffic_alone_is_no_drift() -> None:
    found = drift([105_000, 95_000, *[100_000] * 8], [100_000] * 10)

    assert found is not None
    assert found["p_value"] < 1e-9
    assert not found["drifted"]


@pytest.mark.parametrize("images", [300, 1000])
def test_one_class_three_times_as_often_is_found(images: int) -> None:
    generator = np.random.default_rng(0)
    shares = np.array([3.0, *[1.0] * 9])

    found = drift(generator.multinomial(images, shares / shares.sum()).tolist(), REFERENCE)

    assert found is not None
    assert found["drifted"]


def test_ten_weeks_without_a_shift_are_without_an_alarm_but_for_one() -> None:
    """Every window of every hour of ten weeks, of traffic between 20 and 2,000 images an hour."""
    generator = np.random.default_rng(1)
    hours = 24 * 70
    sizes = np.exp(generator.uniform(np.log(20), np.log(2000), hours)).astype(int)
    arrived = np.array([generator.multinomial(size, [0.1] * 10) for size in sizes])
    cumulated = np.vstack([np.zeros((1, 10), int), arrived.cumsum(0)])

    alarms = 0
    for reach in (2, 25, 169):
        was_on = False
        for hour in range(reach, hours + 1):
            found = drift((cumulated[hour] - cumulated[hour - reach]).tolist(), REFERENCE)
            is_on = found is not None and found["drifted"]
            alarms += is_on and not was_on
            was_on = is_on

    assert alarms <= 1
