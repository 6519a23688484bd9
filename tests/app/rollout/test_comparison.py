"""The comparison of two models, held against a plain loop and torchmetrics."""

from hashlib import sha256

import pytest
import torch
from torchmetrics.classification import MulticlassCalibrationError

from app.records.pairs import Pairs
from app.rollout.comparison import compare, weigh, without
from app.rollout.evidence import Outcomes
from tests.conftest import LABELS
from training.data.datasets import digests
from training.data.splits import Split


def draw(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Pairs]:
    generator = torch.Generator().manual_seed(seed)
    truths = torch.randint(0, 9, (count,), generator=generator)  # none of the last class
    rows = [torch.randn(count, 10, generator=generator).mul(2).softmax(dim=1) for _ in range(2)]
    for row, share in zip(rows, (0.4, 0.6), strict=True):
        helped = torch.rand(count, generator=generator) < share
        row[helped, truths[helped]] += 1
        row.div_(row.sum(dim=1, keepdim=True))
    champion, challenger = (row.numpy().astype("<f4").tobytes() for row in rows)
    pairs = Pairs(truths.tolist(), champion, challenger, [number % 10 == 0 for number in range(count)], [b""] * count)
    return truths, rows[0], rows[1], pairs


def test_the_outcomes_are_those_of_a_plain_loop() -> None:
    truths, champion, challenger, pairs = draw(3000)
    expected: dict[str, list[int]] = {}
    for truth, one, other in zip(truths.tolist(), champion.tolist(), challenger.tolist(), strict=True):
        rights = (one.index(max(one)) == truth, other.index(max(other)) == truth)
        place = [(True, True), (True, False), (False, True), (False, False)].index(rights)
        expected.setdefault(LABELS[truth], [0] * 4)[place] += 1

    found = compare(pairs, LABELS)

    assert found.classes == {label: Outcomes(*expected[label]) for label in LABELS[:9]}
    assert found.unusual_share == 0.1


def test_the_calibration_errors_are_torchmetrics() -> None:
    truths, champion, challenger, pairs = draw(3000, seed=1)
    oracle = MulticlassCalibrationError(num_classes=10, n_bins=15, norm="l1")

    found = compare(pairs, LABELS)

    assert found.champion_calibration_error == pytest.approx(oracle(champion, truths).item(), abs=1e-4)
    assert found.challenger_calibration_error == pytest.approx(oracle(challenger, truths).item(), abs=1e-4)


def test_the_evidence_counts_who_is_right() -> None:
    truths, champion, challenger, pairs = draw(3000, seed=2)

    found = weigh(pairs, LABELS, "champion-1", "challenger-1")

    rights = champion.argmax(1) == truths, challenger.argmax(1) == truths
    assert found["labels"] == 3000
    assert (found["champion_correct"], found["challenger_correct"]) == (rights[0].sum().item(), rights[1].sum().item())
    assert found["only_challenger_correct"] == (rights[1] & ~rights[0]).sum().item()
    assert found["e_value"] > 20
    assert found["enough"] is (not found["missing"])


def test_images_that_a_model_was_trained_on_do_not_count() -> None:
    _, _, _, pairs = draw(50)
    images = torch.arange(50 * 784).remainder(251).to(torch.uint8).view(50, 784)
    pairs = pairs._replace(digests=[sha256(image.numpy()).digest() for image in images])
    known = digests(Split(images[10:30], torch.zeros(20, dtype=torch.int64)))

    left = without(pairs, known)

    kept = [*range(10), *range(30, 50)]
    assert left.truths == [pairs.truths[number] for number in kept]
    assert left.champion == b"".join(pairs.champion[40 * number : 40 * number + 40] for number in kept)
    assert left.digests == [pairs.digests[number] for number in kept]
    assert without(Pairs([], b"", b"", [], []), known).truths == []


def test_without_labels_the_evidence_says_what_is_missing() -> None:
    found = weigh(Pairs([], b"", b"", [], []), LABELS, "a", "b")

    assert (found["labels"], found["enough"]) == (0, False)
    assert found["missing"][0] == "0 images are labeled, 500 are needed."
