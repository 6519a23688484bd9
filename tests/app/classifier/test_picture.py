"""The picture of an explanation: a PNG whose tiles show what they name."""

import io

import pytest
import torch
from PIL import Image

from app.classifier.explanation import explain
from app.classifier.picture import draw
from app.classifier.softmax import PIXELS, SIDE, SoftmaxRegression
from tests.conftest import LABELS, make_model


def test_the_input_is_drawn_pixel_by_pixel() -> None:
    pixels = bytes(value % 256 for value in range(PIXELS))
    explanation = explain(make_model(), torch.tensor(list(pixels), dtype=torch.uint8))

    picture = Image.open(io.BytesIO(draw(explanation, pixels, LABELS)))

    assert (picture.format, picture.size) == ("PNG", (1544, 604))
    assert picture.getpixel((40 + 5 * 12 + 6, 118 + 3 * 12 + 6)) == (3 * SIDE + 5,) * 3


def test_evidence_for_is_blue_and_against_is_orange() -> None:
    weight = torch.zeros(2, PIXELS)
    weight[0, 0], weight[0, 1] = 2.0, -1.0
    pixels = bytes([255, 255] + [0] * (PIXELS - 2))
    image = torch.tensor(list(pixels), dtype=torch.uint8)
    explanation = explain(SoftmaxRegression(weight, torch.zeros(2)), image)

    picture = Image.open(io.BytesIO(draw(explanation, pixels, ("cat", "dog"))))

    left, top = 40 + 28 * 12 + 40, 118
    assert picture.getpixel((left + 6, top + 6)) == (0, 90, 181)
    red, _, blue = picture.getpixel((left + 18, top + 6))  # type: ignore[misc] # an RGB picture has tuples
    assert red > blue
    assert picture.getpixel((left + 30, top + 30)) == (255, 255, 255)


@pytest.mark.parametrize("label", ["x" * 400, "ö", "雪", "a\nb"])
def test_any_label_is_drawn_within_the_picture(label: str) -> None:
    explanation = explain(make_model(("a", "b")), torch.zeros(PIXELS, dtype=torch.uint8))

    picture = Image.open(io.BytesIO(draw(explanation, bytes(PIXELS), (label, f"{label}2"))))

    margins = [picture.crop((0, 0, 39, 604)), picture.crop((1505, 0, 1544, 604))]
    assert all(margin.getextrema() == ((255, 255),) * 3 for margin in margins)


def test_without_a_counterfactual_the_picture_says_so() -> None:
    model = SoftmaxRegression(torch.zeros(2, PIXELS), torch.tensor([1.0, 0.0]))
    explanation = explain(model, torch.zeros(PIXELS, dtype=torch.uint8))

    picture = Image.open(io.BytesIO(draw(explanation, bytes(PIXELS), ("a", "b"))))

    assert picture.size == (1544, 604)
