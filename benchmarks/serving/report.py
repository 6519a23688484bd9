"""results.json to the tables of README.md and to chart.png; no number is typed by hand."""

from pathlib import Path
from statistics import mean, median
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.serving.declarations import BASELINE
from benchmarks.serving.workloads import WORKLOADS

__all__ = ["write_report"]

_BEGIN, _END = "<!-- results: written by python -m benchmarks.serving -->", "<!-- end of results -->"
_LOADS = WORKLOADS["single"].connections
_QUIET = 0.1  # cores; more than this taken by others makes a run noisy
_COLORS = ("#9ecae1", "#4292c6", "#08519c")

Entry = dict[str, Any]


def write_report(results: dict[str, Any], folder: Path) -> None:
    """Write the tables between the marks in README.md, and the chart."""
    readme = folder / "README.md"
    before, _, rest = readme.read_text().partition(_BEGIN)
    _, _, after = rest.partition(_END)
    readme.write_text(f"{before}{_BEGIN}\n\n{_tables(results)}\n{_END}{after}")
    _draw_chart(results, folder / "chart.png")


def _tables(results: dict[str, Any]) -> str:
    peers: dict[str, Entry] = results["peers"]
    measured = {name: entry for name, entry in peers.items() if "loads" in entry}
    on_one_core = {name: entry for name, entry in measured.items() if entry["baseline"] == BASELINE}
    parts = [_machine(results, measured, on_one_core), _single_table(on_one_core), _latency_table(on_one_core)]
    parts += [_workload_table(name, on_one_core) for name in WORKLOADS if name != "single"]
    parts += [_scaling_table(measured, peers), _failures(peers)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _machine(results: dict[str, Any], measured: dict[str, Entry], on_one_core: dict[str, Entry]) -> str:
    machine = results["machine"]
    dates = sorted(entry["measured_at"][:10] for entry in measured.values())
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Linux {machine['kernel']}, "
        f"Python {machine['python']}, wrk {machine['wrk']}; {' to '.join(dict.fromkeys((dates[0], dates[-1])))}; "
        f"`{results['command']}`.{_noise(on_one_core)} A figure in brackets is the ratio to plain FastAPI as measured "
        "alternately with this peer."
    )


def _noise(entries: dict[str, Entry]) -> str:
    foreign = max((run["foreign_share"] for run in _runs(entries)), default=0)
    return f" **Noisy: other processes took up to {foreign:.2f} cores.**" if foreign > _QUIET else ""


def _single_table(entries: dict[str, Entry]) -> str:
    header = [WORKLOADS["single"].title, *(f"requests/s at {count}" for count in _LOADS), "CPU µs a request at 64"]
    header += ["memory, MB", "first answer, s"]
    rows = [_baseline_row(entries)]
    for entry in _by_rate(entries):
        loads = {load["connections"]: load for load in _loads(entry, "single")}
        cells = [_rate(loads[count]) for count in _LOADS]
        cells.append(_cell(_both(loads[_LOADS[-1]], "cpu_microseconds", mean), digits=0))
        memory = entry["memory"]["peer"]["pss"] / 1e6, entry["memory"]["baseline"]["pss"] / 1e6
        first = entry["first_answer_seconds"]["peer"], entry["first_answer_seconds"]["baseline"]
        rows.append([_title(entry), *cells, _cell(memory, digits=0), _cell(first, digits=1)])
    return _markdown(header, rows)


def _baseline_row(entries: dict[str, Entry]) -> list[str]:
    """Plain FastAPI itself: the median over all the peers that it was measured with."""
    cells = []
    for count in _LOADS:
        rates = [run["rate"] for entry in entries.values() for run in _baseline_runs(entry, count)]
        cells.append(f"{median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})")
    cpu = [run["cpu_microseconds"] for entry in entries.values() for run in _baseline_runs(entry, _LOADS[-1])]
    memory = [entry["memory"]["baseline"]["pss"] / 1e6 for entry in entries.values()]
    first = [entry["first_answer_seconds"]["baseline"] for entry in entries.values()]
    return ["plain FastAPI", *cells, f"{median(cpu):,.0f}", f"{median(memory):,.0f}", f"{median(first):.1f}"]


def _latency_table(entries: dict[str, Entry]) -> str:
    header = ["Latency, ms", *(f"{name} at {count}" for count in _LOADS for name in ("p50", "p99"))]
    rows = []
    for entry in _by_rate(entries):
        loads = {load["connections"]: load for load in _loads(entry, "single")}
        cells = [_cell(_both(loads[count], name, mean), digits=2) for count in _LOADS for name in ("p50", "p99")]
        rows.append([_title(entry), *cells])
    return _markdown(header, rows)


def _workload_table(workload: str, entries: dict[str, Entry]) -> str:
    images = WORKLOADS[workload].images
    rows = []
    for entry in _by_rate(entries):
        for load in _loads(entry, workload):
            rate, baseline = _both(load, "rate", mean)
            single = max((mean(run["rate"] for run in one["peer"]) for one in _loads(entry, "single")), default=0)
            cells = [
                str(load["connections"]),
                f"{rate:,.0f}{_errors(load)}",
                _cell((rate * images, baseline * images), digits=0),
                f"{rate * images / single:.1f}×" if single else "",
                *(_cell(_both(load, name, mean), digits=1) for name in ("p50", "p99")),
            ]
            rows.append([entry["title"], *cells])
    header = [
        WORKLOADS[workload].title.lower(),
        "connections",
        "requests/s",
        "images/s",
        "best rate of single requests",
    ]
    return _markdown([*header, "p50, ms", "p99, ms"], rows) if rows else ""


def _scaling_table(measured: dict[str, Entry], peers: dict[str, Entry]) -> str:
    rows = []
    others = {name: entry for name, entry in measured.items() if entry["baseline"] != BASELINE}
    for entry in others.values():
        for load in _loads(entry, "single"):
            rate, one = _both(load, "rate", mean)
            shares = _both(load, "load_generator_share", mean)
            cells = [f"{rate:,.0f}{_errors(load)}", f"{one:,.0f}", f"{rate / one:.2f}×", *(f"{x:.2f}" for x in shares)]
            cells.append(_cell(_both(load, "cpu_microseconds", mean), digits=0))
            rows.append([entry["title"], str(load["connections"]), *cells])
    bases = (entry["baseline"] for entry in others.values())
    other = next((peers[base]["title"] for base in bases if base in peers), "")
    header = ["Other ways to run it", "connections", "requests/s", f"{other} on 1 core", "ratio", "wrk's share, cores"]
    table = _markdown([*header, "wrk's share beside 1 core", "CPU µs a request"], rows)
    return f"Next to one worker on one core.{_noise(others)}\n\n{table}" if rows else ""


def _failures(peers: dict[str, Entry]) -> str:
    failed = [(entry["title"], entry["error"]) for entry in peers.values() if "error" in entry]
    for entry in peers.values():
        reasons = entry.get("failures", {})
        failed += [(f"{entry['title']}, {WORKLOADS[name].title}", reason) for name, reason in reasons.items()]
    lines = [f"- {what}: {' '.join(reason.split())}" for what, reason in failed]
    return "\n".join(["Not measured:", "", *lines]) if lines else ""


def _draw_chart(results: dict[str, Any], path: Path) -> None:
    entries = [
        entry
        for entry in reversed(_by_rate(results["peers"]))
        if entry["baseline"] == BASELINE and _loads(entry, "single")
    ]
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(9, 0.6 * len(entries) + 1.6), layout="constrained")
    height = 0.26
    for index, (count, color) in enumerate(zip(_LOADS, _COLORS, strict=True)):
        ratios = [_ratio(_loads(entry, "single")[index]) for entry in entries]
        positions = [row + (1 - index) * height for row in range(len(entries))]
        bars = axes.barh(positions, ratios, height, color=color, label=f"{count} connection{'s' * (count > 1)}")
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=7)
    axes.axvline(1, color="black", linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(entries)), [entry["title"] for entry in entries])
    axes.set_xlabel("requests a second on one core, as a multiple of plain FastAPI")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _by_rate(entries: dict[str, Entry]) -> list[Entry]:
    """The measured ones, the fastest at the highest load of single requests first."""
    measured = [entry for entry in entries.values() if _loads(entry, "single")]
    return sorted(measured, key=lambda entry: -_ratio(_loads(entry, "single")[-1]))


def _loads(entry: Entry, workload: str) -> list[dict[str, Any]]:
    return [load for load in entry.get("loads", []) if load["workload"] == workload]


def _baseline_runs(entry: Entry, connections: int) -> list[dict[str, float]]:
    return [run for load in _loads(entry, "single") if load["connections"] == connections for run in load["baseline"]]


def _runs(entries: dict[str, Entry]) -> list[dict[str, float]]:
    return [run for entry in entries.values() for load in entry["loads"] for run in load["peer"] + load["baseline"]]


def _both(load: dict[str, Any], name: str, average: Any) -> tuple[float, float]:
    return average(run[name] for run in load["peer"]), average(run[name] for run in load["baseline"])


def _ratio(load: dict[str, Any]) -> float:
    rate, baseline = _both(load, "rate", mean)
    return rate / baseline


def _rate(load: dict[str, Any]) -> str:
    return _cell(_both(load, "rate", mean), digits=0) + _errors(load)


def _errors(load: dict[str, Any]) -> str:
    errors = sum(int(run["errors"]) for run in load["peer"])
    return f" ⚠ {errors:,} errors" if errors else ""


def _cell(pair: tuple[float, float], digits: int) -> str:
    value, baseline = pair
    return f"{value:,.{digits}f} ({value / baseline:.2f}×)"


def _title(entry: Entry) -> str:
    version = next(iter(entry.get("versions", {}).values()), "")
    return entry["title"] if entry["title"] == "softmax-serving" else f"{entry['title']} {version}"


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
