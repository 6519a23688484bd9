"""Why a model answers as it does, exactly: contributions of pixels, and the smallest change that flips the answer.

A linear model needs no approximation to be explained. A class's logit is its bias plus one product per pixel. Two
classes w and k tie where m(x) = (W_w - W_k)·x + (b_w - b_k) is 0: a plane. Going from x to that plane, one
spends change on the pixels that lower m, and an image bounds what each can give: `room`, its way to black or white.

    minimise ‖x' - x‖  subject to  m(x') = 0  and  0 <= x' <= 1

Its Karush-Kuhn-Tucker conditions (Boyd and Vandenberghe, "Convex Optimization", section 5.5.3) leave one unknown, the
level s to which every pixel moves unless its room ends first:

    L2:  |x'_i - x_i| = min(s·|d_i|, room_i)        L∞:  |x'_i - x_i| = min(s, room_i)        d = W_w - W_k

so that the drop of m is a piecewise linear, increasing function of s. Sorting its kinks gives s exactly, as in
water-filling (there, section 5.5.3, example 5.2).
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from app.classifier.softmax import SIDE, SoftmaxRegression

__all__ = ["Border", "Counterfactual", "Explanation", "explain"]

Norm = Literal["l2", "linf"]
_ORDER = {"l2": 2.0, "linf": torch.inf}
_DUAL_ORDER = {"l2": 2, "linf": 1}

# How far beyond the border, in logits, a counterfactual lies: more than float32 rounds off in 784 products.
_BEYOND = 1e-4


@dataclass(frozen=True, slots=True)
class Border:
    """Where the answer changes to that of another class.

    Attributes:
        class_id: the class on the other side.
        distance: the smallest change that reaches it through valid pixels, in inputs of 0-1.
    """

    class_id: int
    distance: float


@dataclass(frozen=True, slots=True, eq=False)
class Counterfactual:
    """A valid image just beyond the L2 border.

    Attributes:
        pixels: uint8 [28, 28].
        probabilities: float32 [C], the model's own answer to these pixels.
        l2: Euclidean length of the change, in inputs of 0-1: the border's distance and what rounding to 8 bits adds.
        linf: the largest change of one pixel, in inputs of 0-1.
    """

    pixels: Tensor
    probabilities: Tensor
    l2: float
    linf: float


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """One answer taken apart; everything float64.

    Attributes:
        class_id: the winner.
        rival: the class it is held against.
        logits: [C], each its bias plus its sum.
        bias: [C].
        sums: [C], the contributions of all pixels to each class, summed.
        contributions: [28, 28], weight times input, of the winner.
        difference: [28, 28], the winner's contributions less the rival's.
        l2: the border that the smallest Euclidean change reaches, or None where no valid image lies beyond it.
        linf: the border that the smallest change of the most changed pixel reaches, or None likewise.
        counterfactual: None where `l2` is.
    """

    class_id: int
    rival: int
    logits: Tensor
    bias: Tensor
    sums: Tensor
    contributions: Tensor
    difference: Tensor
    l2: Border | None
    linf: Border | None
    counterfactual: Counterfactual | None


def explain(model: SoftmaxRegression, pixels: Tensor, against: int | None = None) -> Explanation:
    """Take the answer to one image apart.

    Args:
        model: with at least two classes.
        pixels: uint8 [784].
        against: the class to hold the winner against; None, or the winner itself: for each norm, the one whose border
            is nearest. Between the winner and one that is not nearest, a third may win: the counterfactual's
            probabilities tell.
    """
    winner = int(model.classify(pixels.float()).argmax())
    x = pixels.double() / 255  # (784,)
    weight, bias = model.weight.double(), model.bias.double()
    contributions = weight * x  # (C, 784)
    sums = contributions.sum(dim=1)
    logits = bias + sums
    rivals = torch.tensor([k for k in range(len(bias)) if k != winner] if against in (None, winner) else [against])
    slopes = weight[winner] - weight[rivals]  # (R, 784)
    planes = _Planes(x, rivals, slopes, (logits[winner] - logits[rivals]).clamp(min=0))
    l2, linf = planes.nearest("l2"), planes.nearest("linf")
    rival = l2.class_id if l2 else int(rivals[logits[rivals].argmax()])
    return Explanation(
        class_id=winner,
        rival=rival,
        logits=logits,
        bias=bias,
        sums=sums,
        contributions=contributions[winner].view(SIDE, SIDE),
        difference=(contributions[winner] - contributions[rival]).view(SIDE, SIDE),
        l2=l2,
        linf=linf,
        counterfactual=_counterfactual(model, pixels, planes.crossing(l2.class_id)) if l2 else None,
    )


class _Planes:
    """The borders between the winner and its rivals, seen from one image, less those that no valid image crosses."""

    def __init__(self, x: Tensor, rivals: Tensor, slopes: Tensor, margins: Tensor) -> None:
        rooms = torch.where(slopes > 0, x, 1 - x)
        crossable = (slopes.abs() * rooms).sum(dim=1) > margins + 2 * _BEYOND
        self._x = x  # (784,)
        self._rivals = rivals[crossable].tolist()  # R of them
        self._slopes = slopes[crossable]  # (R, 784)
        self._rooms = rooms[crossable]  # (R, 784)
        self._margins = margins[crossable]  # (R,), not negative

    def nearest(self, norm: Norm) -> Border | None:
        """The border nearest in this norm.

        Without pixel bounds a plane is margin / dual norm of its slope away, and bounds only lengthen the way. Taken in
        that order, a rival whose unbounded distance is over the best bounded one ends the search.
        """
        unbounded = self._margins / torch.linalg.vector_norm(self._slopes, _DUAL_ORDER[norm], dim=1)
        best: Border | None = None
        for row in unbounded.argsort().tolist():
            if best is not None and unbounded[row] >= best.distance:
                break
            distance = float(torch.linalg.vector_norm(self._change(row, norm, beyond=0.0), _ORDER[norm]))
            if best is None or distance < best.distance:
                best = Border(self._rivals[row], distance)
        return best

    def crossing(self, class_id: int) -> Tensor:
        """uint8 [784]: the image just over this class's L2 border, rounded to 8 bits without falling back over it."""
        row = self._rivals.index(class_id)
        slope = self._slopes[row]
        levels = ((self._x + self._change(row, "l2", _BEYOND)) * 255).round()
        missing = self._margins[row] + _BEYOND + slope @ (levels / 255 - self._x)
        if missing > 0:  # take one more level from the pixels that matter most
            step = -slope.sign()
            gains = slope.abs() / 255 * ((levels + step >= 0) & (levels + step <= 255))
            gains, pixels = gains.sort(descending=True)
            count = int(torch.searchsorted(gains.cumsum(0), missing)) + 1
            levels[pixels[:count]] += step[pixels[:count]]
        return levels.to(torch.uint8)

    def _change(self, row: int, norm: Norm, beyond: float) -> Tensor:
        """float64 [784]: the smallest change that lowers the margin to -beyond."""
        gain, room = self._slopes[row].abs(), self._rooms[row]
        speed = gain if norm == "l2" else (gain > 0).double()
        level = _fill_level(gain, speed, room, float(self._margins[row]) + beyond)
        return -self._slopes[row].sign() * torch.minimum(level * speed, room)


def _fill_level(gain: Tensor, speed: Tensor, room: Tensor, target: float) -> Tensor:
    """The least s >= 0 with Σ gain_i · min(s · speed_i, room_i) = target, which must be below the sum's limit.

    All [784]; between two kinks s_i = room_i / speed_i the sum is a line, and s is where that line meets the target.
    """
    kinks, order = (room / speed.clamp(min=1e-30)).sort()
    gain, speed, room = gain[order], speed[order], room[order]
    full = (gain * room).cumsum(0) - gain * room  # before each kink: given by the pixels whose room has ended,
    rates = (gain * speed).flip(0).cumsum(0).flip(0)  # and by the others, for each unit of s
    kink = int(torch.searchsorted(full + rates * kinks, target))
    return (target - full[kink]) / rates[kink]


def _counterfactual(model: SoftmaxRegression, pixels: Tensor, crossed: Tensor) -> Counterfactual:
    change = (crossed.double() - pixels.double()) / 255
    return Counterfactual(
        pixels=crossed.view(SIDE, SIDE),
        probabilities=model.classify(crossed.float()),
        l2=float(torch.linalg.vector_norm(change)),
        linf=float(change.abs().max()),
    )
