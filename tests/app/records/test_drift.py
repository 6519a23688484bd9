"""Drift: against an independent computation, and on traffic that does and does not shift."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from app.classifier import artifact
from app.records.drift import Drift, drift
from app.records.sums import BINS
from tests.conftest import REPOSITORY
from training.data.mnist_family import load_mnist
from training.data.splits import Split

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


class Traffic:
    """Fashion-MNIST's test images, half of them as reference, and what the shipped model answers to the others."""

    def __init__(self) -> None:
        self.model = artifact.load(REPOSITORY / "models/fashion-mnist/model.safetensors").model
        test = load_mnist("fashion-mnist", REPOSITORY / "data").test
        assert isinstance(test, Split)
        order = torch.randperm(len(test.class_ids), generator=torch.Generator().manual_seed(0))
        self.pixels, self.class_ids = test.pixels.view(-1, 784)[order], test.class_ids[order]
        self.reference = counts(self.answers(self.pixels[:5000]))

    def answers(self, pixels: torch.Tensor) -> torch.Tensor:
        """Each answer's class and bin of confidence, int64 [2, N]."""
        probabilities = self.model.classify(pixels.float())
        bins = (probabilities.amax(1).double() * BINS).long().clamp(max=BINS - 1)
        return torch.stack([probabilities.argmax(1), bins])

    def drifts(self, answers: torch.Tensor) -> list[Drift]:
        found = [drift(seen, usual) for seen, usual in zip(counts(answers), self.reference, strict=True)]
        return [one for one in found if one is not None]


def counts(answers: torch.Tensor) -> tuple[list[int], list[int]]:
    """How many there are of each class, and of each bin."""
    return torch.bincount(answers[0], minlength=10).tolist(), torch.bincount(answers[1], minlength=BINS).tolist()


@pytest.fixture(scope="module")
def traffic() -> Traffic:
    if not (REPOSITORY / "data" / "FashionMNIST").exists():
        pytest.skip("needs Fashion-MNIST in data/: run `make train` once")
    return Traffic()


def blurred(pixels: torch.Tensor) -> torch.Tensor:
    """Each pixel the mean of the 5×5 around it."""
    images = pixels.view(-1, 1, 28, 28).float()
    return torch.nn.functional.avg_pool2d(images, 5, stride=1, padding=2).round().to(torch.uint8).view(-1, 784)


def of_few_classes(traffic: Traffic) -> torch.Tensor:
    """Sandals, sneakers and boots as often as all others together."""
    shoes = torch.isin(traffic.class_ids[5000:], torch.tensor([5, 7, 9]))
    later = traffic.pixels[5000:]
    return torch.cat([later[shoes][:500], later[~shoes][:500]])


def test_a_thousand_inverted_blurred_or_class_shifted_images_are_found(traffic: Traffic) -> None:
    usual = traffic.pixels[5000:6000]

    assert not any(found["drifted"] for found in traffic.drifts(traffic.answers(usual)))
    for shifted in (255 - usual, blurred(usual), of_few_classes(traffic)):
        assert any(found["drifted"] for found in traffic.drifts(traffic.answers(shifted)))


def test_ten_weeks_of_the_real_images_are_without_an_alarm_but_for_one(traffic: Traffic) -> None:
    """A window of 1,000 images every hour for ten weeks."""
    generator = torch.Generator().manual_seed(2)
    answers = traffic.answers(traffic.pixels[5000:])

    alarms = 0
    for _ in range(70 * 24):
        drawn = answers[:, torch.randint(5000, (1000,), generator=generator)]
        alarms += any(found["drifted"] for found in traffic.drifts(drawn))

    assert alarms <= 1
