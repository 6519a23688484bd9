"""The model against its definition."""

import math

import torch

from app.classifier.softmax import SoftmaxRegression, to_inputs
from tests.conftest import make_model


def test_pixels_become_inputs_between_0_and_1_row_by_row() -> None:
    pixels = torch.arange(784).remainder(256).to(torch.uint8).view(1, 28, 28)

    inputs = to_inputs(pixels)

    assert inputs.shape == (1, 784)
    assert inputs[0, 255] == 1
    assert torch.equal(inputs * 255, pixels.view(1, 784).float())


def test_probabilities_are_the_softmax_of_a_linear_function() -> None:
    model = SoftmaxRegression(torch.zeros(3, 784), torch.tensor([0.0, math.log(2), math.log(5)]))

    [row] = model.probabilities(torch.rand(1, 784)).tolist()

    torch.testing.assert_close(torch.tensor(row), torch.tensor([1 / 8, 2 / 8, 5 / 8]))


def test_each_row_sums_to_one_however_large_the_logits() -> None:
    model = make_model()
    large = SoftmaxRegression(model.weight * 1e4, model.bias)

    rows = large.probabilities(torch.rand(64, 784))

    torch.testing.assert_close(rows.sum(dim=1), torch.ones(64))
    assert bool(torch.isfinite(rows).all())


def test_one_image_is_answered_as_it_is_among_many() -> None:
    inputs = torch.rand(100, 784)

    together = make_model().probabilities(inputs)
    alone = torch.cat([make_model().probabilities(row[None]) for row in inputs])

    torch.testing.assert_close(alone, together, rtol=0, atol=1e-6)
