"""The pictures of a model."""

from io import BytesIO

import torch
from PIL import Image

from app.classifier.softmax import SoftmaxRegression
from tests.training.conftest import make_split
from training.data.splits import Split
from training.fitting.scores import EpochScores
from training.results.evaluation import evaluate, logits_of
from training.results.report import PICTURES, render_report


def test_each_picture_is_written_whatever_the_number_of_classes() -> None:
    labels = tuple(f"class {number}" for number in range(23))
    model = SoftmaxRegression(torch.randn(23, 784), torch.zeros(23))
    test = make_split(100, class_count=23)
    history = [EpochScores(1, 0.1, 2.0, 0.5, None, None)]

    report = render_report(model, history, evaluate(model, test, labels), test, logits_of(model, test))

    assert report.keys() == {*PICTURES, "mistakes.png"}
    for content in report.values():
        with Image.open(BytesIO(content)) as picture:
            assert min(picture.size) > 300


def test_a_model_without_mistakes_has_a_report_too() -> None:
    test = Split(torch.tensor([[0], [255]], dtype=torch.uint8).expand(2, 784), torch.tensor([0, 1]))
    model = SoftmaxRegression(torch.tensor([[-1.0], [1.0]]).expand(2, 784), torch.tensor([1.0, 0.0]))
    evaluation = evaluate(model, test, ("a", "b"))

    history = [EpochScores(1, 0.1, 0.0, 1.0, 0.0, 1.0)]
    report = render_report(model, history, evaluation, test, logits_of(model, test))

    assert evaluation.accuracy == 1
    assert report["mistakes.png"]
