"""An explanation as a picture for a report: the input, the evidence for and against, and what would change the answer.

Drawn with Pillow alone. Blue speaks for a class and orange against it, a pair that color-blind readers tell apart.
"""

import io
from collections.abc import Sequence
from functools import cache

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from app.classifier.explanation import Explanation
from app.classifier.softmax import SIDE

__all__ = ["AGAINST", "FOR", "draw"]

_SCALE = 12  # screen pixels for one of the model's
_TILE = SIDE * _SCALE
_GAP = 40
_TOP = 118
_WIDTH = 4 * _TILE + 5 * _GAP
_HEIGHT = _TOP + _TILE + 150

_PAPER = (255, 255, 255)
_INK = (24, 28, 36)
_FAINT = (98, 106, 120)
FOR = (0, 90, 181)  # these two as on the page, and in a report's pictures
AGAINST = (182, 77, 0)
_LONGEST_LABEL = 24  # characters
_COMPRESSION = 1  # of 9: 46 KB instead of 34, in three fifths of the time


def draw(explanation: Explanation, pixels: bytes, labels: Sequence[str]) -> bytes:
    """A PNG file of 1544×604 pixels.

    Args:
        explanation: of the answer to `pixels`.
        pixels: 784 values 0-255, as the model saw them.
        labels: of the classes, in the order of class_id.
    """
    winner, rival = _shorten(labels[explanation.class_id]), _shorten(labels[explanation.rival])
    probabilities = torch.softmax(explanation.logits, dim=0)
    strongest = max(float(explanation.contributions.abs().max()), float(explanation.difference.abs().max()))
    canvas = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    sheet = ImageDraw.Draw(canvas)
    confidence = float(probabilities[explanation.class_id])
    sheet.text((_GAP, 30), f"{winner}, {confidence:.1%}", fill=_INK, font=_font(34))
    margin = float(explanation.logits[explanation.class_id] - explanation.logits[explanation.rival])
    tiles = (
        (_gray(pixels), "The input", "as the model saw it"),
        (_evidence(explanation.contributions, strongest), f"Evidence: {winner}", _logit_sum(explanation)),
        (
            _evidence(explanation.difference, strongest),
            f"{winner} or {rival}",
            f"ahead by {margin:.2f}, {_bias_difference(explanation):+.2f} of it bias",
        ),
        _counterfactual_tile(explanation, pixels, labels),
    )
    for column, (tile, title, note) in enumerate(tiles):
        left = _GAP + column * (_TILE + _GAP)
        canvas.paste(tile, (left, _TOP))
        sheet.text((left, _TOP + _TILE + 16), title, fill=_INK, font=_fitting_font(title, 22))
        sheet.text((left, _TOP + _TILE + 48), note, fill=_FAINT, font=_fitting_font(note, 17))
    _draw_key(sheet, strongest)
    file = io.BytesIO()
    canvas.save(file, "PNG", compress_level=_COMPRESSION)
    return file.getvalue()


def _logit_sum(explanation: Explanation) -> str:
    winner = explanation.class_id
    logit, bias = float(explanation.logits[winner]), float(explanation.bias[winner])
    return f"logit {logit:.2f} = pixels {logit - bias:+.2f}, bias {bias:+.2f}"


def _bias_difference(explanation: Explanation) -> float:
    return float(explanation.bias[explanation.class_id] - explanation.bias[explanation.rival])


def _counterfactual_tile(
    explanation: Explanation, pixels: bytes, labels: Sequence[str]
) -> tuple[Image.Image, str, str]:
    found = explanation.counterfactual
    if found is None:
        return _gray(pixels), "Nothing would change it", "no image has the other answer"
    label = _shorten(labels[int(found.probabilities.argmax())])
    note = f"change: L2 {found.l2:.2f}, {round(found.linf * 255)} of 255 at most"
    return _gray(bytes(found.pixels.flatten().tolist())), f"This would be: {label}", note


def _gray(pixels: bytes) -> Image.Image:
    return _enlarge(Image.frombytes("L", (SIDE, SIDE), pixels).convert("RGB"))


def _evidence(values: Tensor, strongest: float) -> Image.Image:
    """White where a pixel says nothing, to full color where it says most; float64 [28, 28]."""
    strength = (values.abs() / max(strongest, 1e-12)).sqrt().unsqueeze(2)  # square root: small evidence stays visible
    color = torch.where((values > 0).unsqueeze(2), torch.tensor(FOR), torch.tensor(AGAINST))
    rgb = (255 + strength * (color - 255)).round().to(torch.uint8)
    return _enlarge(Image.frombytes("RGB", (SIDE, SIDE), bytes(rgb.flatten().tolist())))


def _enlarge(image: Image.Image) -> Image.Image:
    tile = image.resize((_TILE, _TILE), Image.Resampling.NEAREST)
    ImageDraw.Draw(tile).rectangle((0, 0, _TILE - 1, _TILE - 1), outline=(198, 204, 214))
    return tile


def _draw_key(sheet: ImageDraw.ImageDraw, strongest: float) -> None:
    top, left, length = _HEIGHT - 50, 2 * _GAP + _TILE, 2 * _TILE + _GAP - 260
    steps = torch.linspace(-1, 1, length).tolist()
    for offset, step in enumerate(steps):
        color = FOR if step > 0 else AGAINST
        shade = tuple(round(255 + abs(step) ** 0.5 * (part - 255)) for part in color)
        sheet.line((left + 130 + offset, top, left + 130 + offset, top + 16), fill=shade)
    font = _font(17)
    sheet.text((left + 118, top - 2), f"against  {-strongest:.2f}", fill=AGAINST, font=font, anchor="ra")
    sheet.text((left + 142 + length, top - 2), f"{strongest:+.2f}  for", fill=FOR, font=font)


def _shorten(label: str) -> str:
    label = " ".join(label.split())
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 3] + "..."


def _fitting_font(text: str, size: int) -> ImageFont.FreeTypeFont:
    """The font at that size, or as much smaller as the text needs to fit under its tile."""
    length = _font(size).getlength(text)
    return _font(size if length <= _TILE else max(9, int(size * _TILE / length)))


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType; install a build that has it.")
    return font
