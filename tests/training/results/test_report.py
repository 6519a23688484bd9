"""The pictures of a model."""

from pathlib import Path

import torch
from PIL import Image

from app.classifier.softmax import SoftmaxRegression
from tests.training.conftest import make_split
from training.data.splits import Split
from training.fitting.scores import EpochScores
from training.results.evaluation import evaluate
from training.results.report import PICTURES, write_report


def test_each_picture_is_written_whatever_the_number_of_classes(tmp_path: Path) -> None:
    labels = tuple(f"class {number}" for number in range(23))
    model = SoftmaxRegression(torch.randn(23, 784), torch.zeros(23))
    test = make_split(100, class_count=23)
    history = [EpochScores(1, 0.1, [2.0], [0.5], None, None)]

    write_report(tmp_path, model, history, evaluate(model, test, labels), test)

    for name in (*PICTURES, "mistakes.png"):
        with Image.open(tmp_path / name) as picture:
            assert min(picture.size) > 300


def test_a_model_without_mistakes_has_a_report_too(tmp_path: Path) -> None:
    test = Split(torch.tensor([[0], [255]], dtype=torch.uint8).expand(2, 784), torch.tensor([0, 1]))
    model = SoftmaxRegression(torch.tensor([[-1.0], [1.0]]).expand(2, 784), torch.tensor([1.0, 0.0]))
    evaluation = evaluate(model, test, ("a", "b"))

    write_report(tmp_path, model, [EpochScores(1, 0.1, [0.0], [1.0], [0.0], [1.0])], evaluation, test)

    assert evaluation.accuracy == 1
    assert (tmp_path / "mistakes.png").exists()
