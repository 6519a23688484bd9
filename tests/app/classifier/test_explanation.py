"""Explanations against what they claim: sums, shortest ways to a border, images that are answered otherwise."""

import pytest
import torch
from torch import Tensor

from app.classifier.explanation import Explanation, explain
from app.classifier.softmax import PIXELS, SIDE, SoftmaxRegression, to_inputs
from tests.conftest import make_model


def image(seed: int) -> Tensor:
    """uint8 [784]: noise with a black and a white band, so that many pixels can move one way only."""
    pixels = torch.randint(0, 256, (SIDE, SIDE), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    pixels[:9] = 0
    pixels[-5:] = 255
    return pixels.flatten()


def margin(model: SoftmaxRegression, inputs: Tensor, explanation: Explanation, rival: int) -> float:
    """How far the winner's logit is ahead of the rival's at these inputs, float64 [784]."""
    winner = explanation.class_id
    slope = model.weight[winner].double() - model.weight[rival].double()
    return float(slope @ inputs + model.bias[winner].double() - model.bias[rival].double())


def dykstra(slope: Tensor, offset: float, start: Tensor) -> Tensor:
    """The point nearest to `start` in the unit box with slope·x + offset <= 0, by alternating projections.

    Boyle and Dykstra, 1986: converges to the projection onto the intersection of two convex sets.
    """
    point, box_correction, plane_correction = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    for _ in range(2000):
        before = point
        boxed = (point + box_correction).clamp(0, 1)
        box_correction = point + box_correction - boxed
        shifted = boxed + plane_correction
        point = shifted - slope * max(0.0, float(slope @ shifted) + offset) / float(slope @ slope)
        plane_correction = shifted - point
        if float((point - before).norm()) < 1e-10:
            break
    return point


@pytest.mark.parametrize("seed", range(5))
def test_a_logit_is_its_bias_plus_the_contributions(seed: int) -> None:
    model = make_model(seed=seed)

    found = explain(model, image(seed))

    logits = model.logits(to_inputs(image(seed)))[0].double()
    assert torch.allclose(found.logits, logits, rtol=0, atol=1e-5)
    assert torch.allclose(found.bias + found.sums, found.logits, rtol=0, atol=1e-12)
    assert float(found.contributions.sum()) == pytest.approx(float(found.sums[found.class_id]), abs=1e-9)
    ahead = float(found.sums[found.class_id] - found.sums[found.rival])
    assert float(found.difference.sum()) == pytest.approx(ahead, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_l2_border_is_where_alternating_projections_find_it(seed: int) -> None:
    model = make_model(seed=seed)
    start = image(seed).double() / 255

    found = explain(model, image(seed))

    distances = []
    for rival in set(range(10)) - {found.class_id}:
        slope = model.weight[found.class_id].double() - model.weight[rival].double()
        offset = float(model.bias[found.class_id].double() - model.bias[rival].double())
        distances.append(float((dykstra(slope, offset, start) - start).norm()))
    assert found.l2 is not None
    assert found.l2.distance == pytest.approx(min(distances), abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_linf_border_is_reached_at_its_distance_and_by_nothing_smaller(seed: int) -> None:
    model = make_model(seed=seed)
    start = image(seed).double() / 255

    found = explain(model, image(seed))

    assert found.linf is not None
    slope = model.weight[found.class_id].double() - model.weight[found.linf.class_id].double()
    furthest = (start - found.linf.distance * slope.sign()).clamp(0, 1)  # the best that this distance allows
    assert margin(model, furthest, found, found.linf.class_id) == pytest.approx(0, abs=1e-9)
    for rival in set(range(10)) - {found.class_id}:
        slope = model.weight[found.class_id].double() - model.weight[rival].double()
        nearer = (start - 0.999 * found.linf.distance * slope.sign()).clamp(0, 1)
        assert margin(model, nearer, found, rival) > 0


@pytest.mark.parametrize("seed", range(50))
def test_the_8_bit_counterfactual_is_answered_otherwise_and_stays_near_the_border(seed: int) -> None:
    model = make_model(seed=seed % 7)
    pixels = image(seed)

    found = explain(model, pixels)

    assert found.counterfactual is not None
    assert found.l2 is not None
    answer = model.classify(found.counterfactual.pixels.flatten().float())
    assert int(answer.argmax()) == found.rival != found.class_id
    assert torch.equal(answer, found.counterfactual.probabilities)
    assert found.counterfactual.l2 < found.l2.distance + 0.5 * SIDE / 255  # half a level for each pixel
    change = (found.counterfactual.pixels.flatten().double() - pixels.double()) / 255
    assert found.counterfactual.l2 == pytest.approx(float(change.norm()))
    assert found.counterfactual.linf == pytest.approx(float(change.abs().max()))


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_a_border_named_by_against_is_never_nearer_than_the_nearest(norm: str) -> None:
    model, pixels = make_model(), image(0)
    nearest = getattr(explain(model, pixels), norm)
    others = set(range(10)) - {explain(model, pixels).class_id}

    distances = {rival: getattr(explain(model, pixels, against=rival), norm).distance for rival in others}

    assert min(distances.values()) == nearest.distance
    assert distances[nearest.class_id] == nearest.distance


def test_the_rival_is_the_one_named_by_against() -> None:
    model, pixels = make_model(), image(0)
    rival = int(model.logits(to_inputs(pixels))[0].argmin())

    found = explain(model, pixels, against=rival)

    assert found.rival == rival
    assert found.l2 is not None
    assert found.l2.class_id == rival


def test_held_against_itself_the_answer_is_held_against_the_nearest() -> None:
    model, pixels = make_model(), image(0)
    nearest = explain(model, pixels)

    found = explain(model, pixels, against=nearest.class_id)

    assert (found.rival, found.l2, found.linf) == (nearest.rival, nearest.l2, nearest.linf)


def test_where_no_valid_image_has_another_answer_there_is_no_border() -> None:
    model = SoftmaxRegression(torch.zeros(3, PIXELS), torch.tensor([0.0, 1.0, 0.5]))

    found = explain(model, image(0))

    assert (found.class_id, found.rival) == (1, 2)
    assert found.l2 is None
    assert found.linf is None
    assert found.counterfactual is None


def test_a_border_that_only_white_pixels_reach_is_reached_by_white_pixels() -> None:
    weight = torch.zeros(2, PIXELS)
    weight[1, :4] = 1.0  # all four white outweigh the bias by a hair
    model = SoftmaxRegression(weight, torch.tensor([3.999, 0.0]))

    found = explain(model, torch.zeros(PIXELS, dtype=torch.uint8))

    assert found.l2 is not None
    assert found.l2.distance == pytest.approx(2 * 3.999 / 4, abs=1e-6)
    assert found.counterfactual is not None
    assert found.counterfactual.pixels.flatten().tolist() == [255] * 4 + [0] * (PIXELS - 4)


def test_a_tie_is_at_its_own_border() -> None:
    weight = torch.zeros(2, PIXELS)
    weight[0, 0], weight[1, 1] = 1.0, 1.0
    model = SoftmaxRegression(weight, torch.zeros(2))

    found = explain(model, torch.zeros(PIXELS, dtype=torch.uint8))

    assert found.class_id == 0
    assert found.l2 is not None
    assert found.l2.distance == 0
    assert found.counterfactual is not None
    assert int(found.counterfactual.probabilities.argmax()) == 1
