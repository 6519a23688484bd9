"""One picture: accuracy day by day, what it would have been without learning, and the moments that made it."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.loop.story import Day

__all__ = ["draw"]

_INK, _PALE, _ACCENT = "#1f2430", "#9aa3b2", "#0b6e99"


def draw(days: Sequence[Day], title: str, path: Path) -> None:
    """Write the picture as PNG."""
    figure = Figure(figsize=(9, 4.6), dpi=110, layout="constrained")
    axes = figure.subplots()
    numbers = [day.number for day in days]
    served, first = (
        [100 * value for value in column] for column in zip(*((d.served, d.first) for d in days), strict=True)
    )
    axes.plot(numbers, first, color=_PALE, linestyle=(0, (4, 3)), linewidth=1.6)
    axes.plot(numbers, served, color=_ACCENT, linewidth=2.6, marker="o", markersize=4.5)
    axes.fill_between(numbers, first, served, color=_ACCENT, alpha=0.1, linewidth=0)
    _write(axes, numbers[-1], served[-1], "the model that answers", _ACCENT)
    _write(axes, numbers[-1], first[-1], "the first model", "#6b7484")
    low, high = min(*served, *first), max(*served, *first)
    axes.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
    moments = [(day.number + (0.5 if after else -0.5), text) for day in days for text, after in day.moments]
    for place, (where, text) in enumerate(moments):
        top = high + (0.37 - 0.1 * (place % 4)) * (high - low)
        axes.plot([where, where], [low - 0.08 * (high - low), top], color=_INK, linewidth=0.8, alpha=0.35, zorder=0)
        _write(axes, where, top, text, _INK)
    axes.set_title(title, loc="left", color=_INK, fontsize=12, pad=12)
    axes.set_xlabel("day", color=_INK)
    axes.set_ylabel("right answers, %", color=_INK)
    axes.set_xticks(numbers)
    axes.set_yticks(range(0, 101, 20))
    axes.set_ylim(low - 0.08 * (high - low), high + 0.42 * (high - low))
    axes.grid(axis="y", color="#e6e9ef", linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(length=0, colors=_INK)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": "softmax-serving"})


def _write(axes: Axes, x: float, y: float, text: str, color: str) -> None:
    """A few words to the right of a point, also beyond the edge."""
    axes.annotate(
        text, (x, y), (7, 0), color=color, fontsize=9.5, textcoords="offset points", va="center", annotation_clip=False
    )
