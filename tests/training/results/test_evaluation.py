"""Evaluation against counts made by hand."""

import pytest
import torch

from app.classifier.intervals import wilson_interval
from app.classifier.softmax import SoftmaxRegression
from training.data.splits import Split
from training.results.evaluation import evaluate


def brightness_model() -> SoftmaxRegression:
    """Says 1 when the first pixel is bright."""
    weight = torch.zeros(2, 784)
    weight[1, 0] = 10
    return SoftmaxRegression(weight, torch.tensor([0.0, -5.0]))


def test_every_score_is_the_one_counted_by_hand() -> None:
    pixels = torch.zeros(8, 784, dtype=torch.uint8)
    pixels[4:, 0] = 255
    class_ids = torch.tensor([0, 0, 0, 1, 0, 1, 1, 1])

    evaluation = evaluate(brightness_model(), Split(pixels, class_ids), ("dark", "bright"))

    confidence = 1 / (1 + torch.tensor(-5.0).exp().item())
    assert evaluation.accuracy == 0.75
    assert evaluation.confusion_matrix == ((3, 1), (1, 3))
    assert evaluation.classes[0].precision == pytest.approx(3 / 4)
    assert evaluation.classes[1].recall == pytest.approx(3 / 4)
    assert [scores.sample_count for scores in evaluation.classes] == [4, 4]
    assert evaluation.calibration_error == pytest.approx(confidence - 0.75, abs=1e-6)


def test_a_class_that_is_never_predicted_scores_0() -> None:
    split = Split(torch.zeros(3, 784, dtype=torch.uint8), torch.tensor([0, 0, 1]))

    evaluation = evaluate(brightness_model(), split, ("dark", "bright"))

    assert evaluation.classes[1].model_dump() == {
        "label": "bright",
        "precision": 0,
        "recall": 0,
        "f1": 0,
        "sample_count": 1,
    }


def test_the_interval_is_wilsons() -> None:
    low, high = wilson_interval(8450, 10000)

    assert low == pytest.approx(0.83777, abs=1e-5)
    assert high == pytest.approx(0.85197, abs=1e-5)
    assert wilson_interval(0, 10)[0] == 0
    assert wilson_interval(10, 10)[1] == pytest.approx(1)
