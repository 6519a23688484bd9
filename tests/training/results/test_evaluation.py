"""Evaluation against counts made by hand."""

import pytest
import torch
from torchmetrics.functional import classification as metrics

from app.classifier.intervals import wilson_interval
from app.classifier.softmax import SoftmaxRegression
from tests.training.conftest import make_split
from training.data.splits import Split
from training.results.evaluation import calibrate, evaluate, logits_of, pixel_statistics, scores_of


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
    assert evaluation.confidence_counts == (0,) * 14 + (8,)  # all with the same, 0.993


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


def test_the_scores_are_those_of_torchmetrics() -> None:
    split, labels = make_split(500, class_count=7), tuple("abcdefg")
    model = SoftmaxRegression(torch.randn(7, 784, generator=torch.Generator().manual_seed(0)) * 0.02, torch.zeros(7))
    answers = torch.softmax(logits_of(model, split), dim=1), split.class_ids

    found = evaluate(model, split, labels)

    for name, score in (("precision", "precision"), ("recall", "recall"), ("f1", "f1_score")):
        expected = getattr(metrics, f"multiclass_{score}")(*answers, num_classes=7, average=None).tolist()
        assert [getattr(one, name) for one in found.classes] == pytest.approx(expected, abs=1e-6)
    assert found.top_2_accuracy == pytest.approx(
        float(metrics.multiclass_accuracy(*answers, 7, average="micro", top_k=2))
    )
    assert found.calibration_error == pytest.approx(float(metrics.multiclass_calibration_error(*answers, 7)), abs=1e-6)
    assert torch.tensor(found.confusion_matrix).equal(metrics.multiclass_confusion_matrix(*answers, 7))


def test_classes_are_ranked_also_where_their_probabilities_are_all_0() -> None:
    weight = torch.tensor([[0.0], [-200.0], [-300.0]]).expand(3, 784)
    split = Split(torch.full((4, 784), 255, dtype=torch.uint8), torch.tensor([0, 1, 2, 1]))

    found = evaluate(SoftmaxRegression(weight, torch.zeros(3)), split, ("a", "b", "c"))

    assert found.top_2_accuracy == 0.75


def test_prediction_sets_are_those_that_serving_chooses() -> None:
    split = make_split(300, class_count=5)
    model = SoftmaxRegression(torch.randn(5, 784, generator=torch.Generator().manual_seed(0)) * 0.01, torch.zeros(5))
    conformal = calibrate(model, make_split(100, class_count=5, seed=1))
    assert conformal is not None
    logits = logits_of(model, split)
    rows = torch.softmax(logits, dim=1).tolist()

    found = scores_of(logits, split, tuple("abcde"), conformal=conformal)

    for one in found.coverages:
        sets = [conformal.class_ids(row, one.coverage) for row in rows]
        truths = split.class_ids.tolist()
        assert one.mean_set_size == pytest.approx(sum(map(len, sets)) / 300)
        assert one.measured_coverage == sum(truth in found for truth, found in zip(truths, sets, strict=True)) / 300


def test_the_images_that_serving_warns_of_are_counted() -> None:
    train, test = make_split(500), make_split(200, seed=1)
    statistics = pixel_statistics(train)
    test.pixels[:20] = 255 - test.pixels[:20]
    test.pixels[20] = 9
    # blank to the eye, though usual
    test.pixels[21] = train.pixels.float().mean(0).round().clamp(116, 140).to(torch.uint8)

    found = scores_of(torch.randn(200, 10), test, tuple("abcdefghij"), statistics=statistics)

    warned = statistics.warnings([row.tobytes() for row in test.pixels.numpy()], test.pixels.float())
    assert found.flagged_share == (200 - warned.count(None)) / 200
