"""The curves of `overload`: what is answered, and how soon, against what is asked."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from benchmarks.reliability.points import Point

mpl.use("Agg")

from matplotlib import pyplot as plt

__all__ = ["draw"]

_STYLES = {True: ("with admission", "#1b6ca8", "-"), False: ("without", "#b0413e", "--")}


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw accepted requests and their p99 over the offered load, with and without admission."""
    figure, (answered, delay) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for protected, (label, color, style) in _STYLES.items():
        ours = [point for point in points if point.protected is protected]
        shares = [point.share for point in ours]
        accepted = [point.accepted / point.capacity for point in ours]
        answered.plot(shares, accepted, style, color=color, marker="o", label=label)
        delay.plot(shares, [point.p99 for point in ours], style, color=color, marker="o", label=label)
    answered.plot([0, 1, 4], [0, 1, 1], color="#999999", linewidth=1, label="ideal")
    answered.set(xlabel="offered load, of the capacity", ylabel="answered, of the capacity", ylim=(0, None))
    delay.axhline(50, color="#999999", linewidth=1, label="50 ms")
    delay.set(xlabel="offered load, of the capacity", ylabel="p99 of the answered, ms", yscale="log")
    for axes in (answered, delay):
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
