"""Names in pictures: drawn as they are where a font of this machine has their characters, else by their numbers."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

from matplotlib import rc_context
from matplotlib.font_manager import FontProperties, findfont, fontManager
from matplotlib.ft2font import FT2Font

from training.names import shortened, visible

__all__ = ["drawable", "fonts_for"]

_OWN = "DejaVu Sans"  # comes with matplotlib
_PLACEHOLDERS = "Last Resort"  # a font of boxes, which comes with matplotlib too
_MAX_LENGTH = 28  # characters of a name in a picture


@contextmanager
def fonts_for(names: Iterable[str]) -> Iterator[None]:
    """Draw text within as it is, no `$` as mathematics, and in fonts that have the names' characters if any do."""
    with rc_context({"text.parse_math": False, "font.family": [_OWN, *_further_fonts("".join(names))]}):
        yield


def drawable(name: str) -> str:
    """The name, short and on one line; a character that no font has becomes its number, such as U+6C34."""
    shown = shortened(visible(name), _MAX_LENGTH)
    lacking = _lacking(shown)
    for font in _further_fonts(shown):
        lacking -= _characters(findfont(FontProperties(family=[font])))
    return "".join(f"U+{ord(one):04X}" if ord(one) in lacking else one for one in shown)


def _further_fonts(text: str) -> list[str]:
    """Families that have characters which matplotlib's own font lacks."""
    lacking, found = _lacking(text), []
    real = (font for font in fontManager.ttflist if not font.name.startswith(_PLACEHOLDERS))
    for font in real if lacking else ():
        here = lacking & _characters(font.fname)
        if here:
            found.append(font.name)
            lacking -= here
    return found


def _lacking(text: str) -> set[int]:
    return set(map(ord, text)) - _characters(findfont(_OWN))


@cache
def _characters(path: str) -> frozenset[int]:
    try:
        return frozenset(FT2Font(path).get_charmap())
    except RuntimeError:  # a font of pictures, which can't be drawn either
        return frozenset()
