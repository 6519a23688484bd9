"""The tables and the chart of the queueing benchmark; no number is typed by hand."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.queueing.measurement import Point, Server, predict
from benchmarks.queueing.simulation import Autoscaler, Balancer, Farm, Second, poisson, simulate, simulate_autoscaling

__all__ = ["write_report"]

_BEGIN, _END = "<!-- results: written by python -m benchmarks.queueing -->", "<!-- end of results -->"
_UTILIZATIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
_WORKERS = 16
_BALANCERS: tuple[Balancer, ...] = ("random", "two choices", "least connections")
_MAX_DELAY = 0.04  # seconds: two turns of the default of SOFTMAX_MAX_DELAY_MS
_LOADS = (0.8, 1.0, 1.2, 1.5, 2.0)
_STEP = 4  # times the load that the workers were sized for
_SIZED = 4  # workers before the step
_STEP_SECONDS = 90


def write_report(results: dict[str, Any], folder: Path) -> None:
    """Simulate what follows from the measured server; write README.md's tables and chart.png."""
    server = Server(**results["server"])
    measured = [Point(**point) for point in results["points"]]
    one = [predict(server, utilization) for utilization in _UTILIZATIONS]
    many = {
        balancer: [predict(server, utilization, Farm(_WORKERS, balancer)) for utilization in _UTILIZATIONS]
        for balancer in _BALANCERS
    }
    admitted = [_overload(server, load) for load in _LOADS]
    scaler = Autoscaler()
    seconds = _step(server, scaler)
    parts = [
        _facts(results, server),
        _check_table(measured, [predict(server, point.utilization) for point in measured]),
        _tail_table(one, many),
        _admission_table(admitted),
        _step_table(seconds, scaler),
    ]
    readme = folder / "README.md"
    before, _, rest = readme.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    readme.write_text(f"{before}{_BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{_END}{after}")
    _draw(folder / "chart.png", measured, one, many, seconds)


def _overload(server: Server, load: float) -> tuple[float, float, float]:
    """Load over capacity -> answered over capacity, p99 in seconds of the answered, refused as a share."""
    generator = np.random.default_rng(2)
    count = 100_000
    arrivals = poisson(load * server.capacity, count, generator)
    found = simulate(arrivals, server.services(count, generator), Farm(1, max_delay=_MAX_DELAY))
    answered = np.count_nonzero(~np.isnan(found))
    goodput = answered / arrivals[-1] / server.capacity
    return float(goodput), float(np.nanpercentile(found, 99)), 1 - answered / count


def _step(server: Server, scaler: Autoscaler) -> list[Second]:
    """The load of some workers at the autoscaler's target, and then all at once a multiple of it."""
    generator = np.random.default_rng(3)
    rate = _SIZED * scaler.target * server.capacity
    calm = poisson(rate, int(rate * scaler.interval), generator)
    storm = calm[-1] + poisson(_STEP * rate, int(_STEP * rate * _STEP_SECONDS), generator)
    arrivals = np.concatenate((calm, storm))
    farm = Farm(_SIZED, "least connections", max_delay=_MAX_DELAY)
    return simulate_autoscaling(arrivals, server.services(len(arrivals), generator), farm, scaler)


def _facts(results: dict[str, Any], server: Server) -> str:
    machine = results["machine"]
    return (
        f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}; {results['measured_at'][:10]}; other "
        f"processes took {results['foreign_share']:.2f} cores. One worker: {server.capacity:,.0f} requests/s, so "
        f"{1e6 / server.capacity:.0f} µs of work each; a round trip has {1e6 * server.overhead:.0f} µs beside it."
    )


def _check_table(measured: Sequence[Point], predicted: Sequence[Point]) -> str:
    rows = []
    for real, simulated in zip(measured, predicted, strict=True):
        cells = [f"{real.utilization:.0%}", f"{real.rate:,.0f}", f"{real.count:,}"]
        for name in ("p50", "p99"):
            pair = getattr(real, name), getattr(simulated, name)
            cells += [f"{1000 * pair[0]:.2f}", f"{1000 * pair[1]:.2f} ({pair[1] / pair[0]:.2f}×)"]
        rows.append([*cells, f"{real.refused:.1%}"])
    header = ["utilization of the real server", "requests/s", "requests", "p50, ms", "p50 simulated"]
    return _markdown([*header, "p99, ms", "p99 simulated", "refused"], rows)


def _tail_table(one: Sequence[Point], many: dict[Balancer, list[Point]]) -> str:
    rows = [
        [f"{point.utilization:.0%}", f"{1000 * point.p50:.2f}", f"{1000 * point.p99:.2f}"]
        + [f"{1000 * points[index].p99:.2f}" for points in many.values()]
        for index, point in enumerate(one)
    ]
    header = ["utilization", "one worker: p50, ms", "p99, ms"]
    return _markdown([*header, *(f"{_WORKERS} workers, {balancer}: p99" for balancer in many)], rows)


def _admission_table(admitted: Sequence[tuple[float, float, float]]) -> str:
    rows = [
        [f"{load:.0%}", f"{goodput:.0%}", f"{1000 * p99:.1f}", f"{refused:.0%}"]
        for load, (goodput, p99, refused) in zip(_LOADS, admitted, strict=True)
    ]
    limit = f"load on one worker that refuses above {1000 * _MAX_DELAY:.0f} ms of delay"
    return _markdown([limit, "answered, of its capacity", "p99 of the answered, ms", "refused"], rows)


def _step_table(seconds: Sequence[Second], scaler: Autoscaler) -> str:
    step = int(scaler.interval)
    rows = []
    for index, second in enumerate(seconds):
        if index == step or (index > step and second.workers != seconds[index - 1].workers):
            until = next(
                (later.time for later in seconds[index + 1 :] if later.workers != second.workers), len(seconds)
            )
            during = seconds[index:until]
            refused = sum(each.refused for each in during) / len(during)
            worst = np.median([each.p99 for each in during])
            period = f"{second.time - step}–{until - step}"
            rows.append([period, str(second.workers), f"{refused:.0%}", f"{1000 * worst:.1f}"])
    return _markdown([f"seconds since {_STEP} times the load", "workers", "refused", "p99 of the answered, ms"], rows)


def _draw(
    path: Path,
    measured: Sequence[Point],
    one: Sequence[Point],
    many: dict[Balancer, list[Point]],
    seconds: Sequence[Second],
) -> None:
    mpl.use("Agg")
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    _draw_tails(left, measured, one, many)
    _draw_step(right, seconds)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_tails(axes: Axes, measured: Sequence[Point], one: Sequence[Point], many: dict[Balancer, list[Point]]) -> None:
    utilizations = [100 * point.utilization for point in one]
    axes.plot(utilizations, [1000 * point.p99 for point in one], color="black", label="1 worker, simulated")
    for balancer, style in zip(many, (":", "--", "-"), strict=True):
        p99s = [1000 * point.p99 for point in many[balancer]]
        axes.plot(utilizations, p99s, style, color="#4292c6", label=f"{_WORKERS} workers, {balancer}")
    xs, ys = [100 * point.utilization for point in measured], [1000 * point.p99 for point in measured]
    axes.plot(xs, ys, "o", color="#d94801", label="1 worker, measured")
    axes.set(yscale="log", xlabel="utilization, %", ylabel="p99, ms", title="Tail latency against utilization")
    axes.set_yticks([1, 2, 5, 10, 20, 50], minor=False)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def _draw_step(axes: Axes, seconds: Sequence[Second]) -> None:
    times = [second.time for second in seconds]
    axes.fill_between(times, [100 * second.refused for second in seconds], step="post", color="#fdae6b")
    axes.set(xlabel="seconds", ylabel="refused, %", ylim=(0, 100), title=f"{_STEP} times the load, all at once")
    workers = axes.twinx()
    workers.step(times, [second.workers for second in seconds], where="post", color="#08519c")
    workers.set_ylabel("workers", color="#08519c")
    workers.set_ylim(0, 1.1 * max(second.workers for second in seconds))
    for each in (axes, workers):
        each.spines["top"].set_visible(False)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---:"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
