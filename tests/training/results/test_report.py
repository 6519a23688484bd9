"""The pictures of a model."""

from io import BytesIO

import pytest
import torch
from PIL import Image

from app.classifier.picture import AGAINST, FOR
from app.classifier.softmax import SoftmaxRegression
from tests.conftest import REPOSITORY
from tests.training.conftest import make_split
from training.data.splits import Split
from training.fitting.scores import EpochScores
from training.results.evaluation import evaluate, logits_of
from training.results.model_folder import PICTURES
from training.results.report import EVIDENCE, _confusion_matrix, render_report


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


def test_an_axis_of_very_many_classes_names_some_of_them() -> None:
    labels = tuple(f"class {number}" for number in range(500))
    model = SoftmaxRegression(torch.randn(500, 784), torch.zeros(500))
    test = make_split(500, class_count=500)

    figure = _confusion_matrix(evaluate(model, test, labels), list(labels))

    [axes] = figure.axes
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert shown == list(labels[::5])
    assert axes.get_xticks().tolist() == list(range(0, 500, 5))


def test_mistakes_have_the_names_of_their_files() -> None:
    model = SoftmaxRegression(torch.randn(3, 784, generator=torch.Generator().manual_seed(0)), torch.zeros(3))
    plain = make_split(30, class_count=3)
    named = Split(plain.pixels, plain.class_ids, tuple(f"IMG {number} 'ö$'.jpg" for number in range(30)))
    history, labels = [EpochScores(1, 0.1, 2.0, 0.5, None, None)], ("a", "b", "c")

    without, pictured = (
        render_report(model, history, evaluate(model, test, labels), test, logits_of(model, test))["mistakes.png"]
        for test in (plain, named)
    )

    assert len(pictured) > len(without) + 1000  # more is written
    chosen = torch.arange(30) % 7 == 0
    assert named.only(chosen).names == tuple(named.names[number] for number in range(0, 30, 7))


def test_for_and_against_have_one_color_each_in_pictures_and_on_the_page() -> None:
    styles = (REPOSITORY / "app" / "static" / "base.css").read_text()

    assert "--for: #{:02x}{:02x}{:02x};".format(*FOR) in styles
    assert "--against: #{:02x}{:02x}{:02x};".format(*AGAINST) in styles
    assert EVIDENCE(1.0)[:3] == pytest.approx([part / 255 for part in FOR])
    assert EVIDENCE(0.0)[:3] == pytest.approx([part / 255 for part in AGAINST])


def test_a_model_without_mistakes_has_a_report_too() -> None:
    test = Split(torch.tensor([[0], [255]], dtype=torch.uint8).expand(2, 784), torch.tensor([0, 1]))
    model = SoftmaxRegression(torch.tensor([[-1.0], [1.0]]).expand(2, 784), torch.tensor([1.0, 0.0]))
    evaluation = evaluate(model, test, ("a", "b"))

    history = [EpochScores(1, 0.1, 0.0, 1.0, 0.0, 1.0)]
    report = render_report(model, history, evaluation, test, logits_of(model, test))

    assert evaluation.accuracy == 1
    assert report["mistakes.png"]
