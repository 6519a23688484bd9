"""`make loop`: a model serves, the world changes, and it learns: some two minutes on two cores.

python -m benchmarks.loop [--picture build/loop.png]

The service is a process of its own on loopback, with its real records. Its images are those of Fashion-MNIST where
that is in data/, and drawn ones else; no image that is asked about was trained on, or is in the test set. From day 4
on, stray light falls on all of them. It ends with exit code 1 unless all of this holds: the challenger is promoted by
the evidence, half of what was lost comes back, the old test set loses at most half a point, and the bad source wins
nothing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from app.classifier import artifact
from app.classifier.artifact import FILE_NAME
from app.records.database import Database
from benchmarks.loop.images import drawn, fashion
from benchmarks.loop.picture import draw
from benchmarks.loop.service import running
from benchmarks.loop.story import Day, days
from training.data.catalog import DataOptions
from training.data.splits import Split
from training.learn.learner import Learner, Plan

_NAME = "garments"
_TRAIN, _TEST = 8_000, 4_000  # images of the data set
_TRAFFIC = 10_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--picture", type=Path, default=Path("build/loop.png"))
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    options = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="softmax-loop-") as folder:
        lived, accuracies, what = _live(Path(folder), options.data_dir)
    draw(lived, f"{what}: a model that learns", options.picture)
    print(f"{options.picture} shows it; {time.monotonic() - start:.0f} s.")
    failures = list(_failures(lived, *accuracies))
    sys.exit("\n".join(failures) or 0)


def _live(folder: Path, data_dir: Path) -> tuple[list[Day], tuple[float, float], str]:
    """All days; the test accuracy of the first and of the last model; and what the images are."""
    found = fashion(data_dir)
    train, test, labels = found or (drawn(_TRAIN + _TRAFFIC, 0), drawn(_TEST, 1), tuple("ABCDEFGHIJ"))
    what = "Fashion-MNIST" if found else "Drawn images"
    _write(folder / "data" / "train", _part(train, 0, _TRAIN), labels)
    _write(folder / "data" / "test", _part(test, 0, _TEST), labels)
    models, records = folder / "models", f"sqlite:///{folder}/records.sqlite"
    data = f"npy:{folder / 'data'}"
    command = [sys.executable, "-m", "training", "fit", "--dataset", data, "--out", str(models / _NAME)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - our own
    first = artifact.load(models / _NAME / FILE_NAME)
    print(
        f"{what}: {_TRAIN:,} images trained the first model, {first.metadata.evaluation.accuracy:.1%} of the test set."
    )
    plan = Plan(_NAME, lambda prepared: DataOptions(data, folder, None, preparation=prepared), window=300, decides=True)
    learner, lived = Learner(plan, models, Database(records)), []
    with running(models, _NAME, records) as client:
        for day in days(client, learner, first.model, _part(train, _TRAIN, _TRAFFIC), labels):
            if day.look.outcome in {"promotion", "rollback"}:
                client.wait_for("champion", artifact.load(models / _NAME / FILE_NAME).version)
            print(_line(day), flush=True)
            lived.append(day)
    learner.close()
    last = artifact.load(models / _NAME / FILE_NAME)
    return lived, (first.metadata.evaluation.accuracy, last.metadata.evaluation.accuracy), what


def _line(day: Day) -> str:
    look, learned = day.look, day.look.learned
    night = {"challenge": f"version {look.version} challenges", "nothing": "no new challenger"}.get(look.outcome)
    parts = [night or f"{look.outcome}: {' '.join(look.reasons)}"]
    if learned is not None:
        parts.append(
            f"of the latest {learned['window']} right about {learned['window_correct']}, the champion about "
            f"{learned['parent_window_correct']}"
        )
        parts += [f"{source} left out ({100 * by:.0f} points)" for source, by in learned["left_out"].items()]
    parts += [reason for reason in look.reasons if "waits" in reason]
    moments = "".join(f"[{moment.text}] " for moment in day.moments if not moment.after)
    return f"day {day.number:2}  {moments}{day.served:.1%} right, the first model {day.first:.1%}; {'; '.join(parts)}"


def _failures(lived: Sequence[Day], first_accuracy: float, last_accuracy: float) -> Iterator[str]:
    shift = next(day.number for day in lived if any(moment.text == "stray light" for moment in day.moments))
    bad = next(day.number for day in lived if any("bad source" in moment.text for moment in day.moments))
    promoted = [day.number for day in lived if day.look.outcome == "promotion"]
    if not promoted or promoted[0] >= bad:
        yield "No challenger was promoted before the bad source began."
        return
    before = float(np.mean([day.served for day in lived if day.number < shift]))
    after = [day for day in lived if day.number > promoted[-1]]
    low, regained = (float(np.mean([getattr(day, name) for day in after])) for name in ("first", "served"))
    share = (regained - low) / (before - low)
    print(
        f"Before the light {before:.1%} were right; with it the first model is right about {low:.1%}, the one that "
        f"learned about {regained:.1%}: {share:.0%} of the loss came back. On the old test set: {first_accuracy:.2%} "
        f"before, {last_accuracy:.2%} since."
    )
    if share < 0.5:
        yield "Less than half of what was lost came back."
    if last_accuracy < first_accuracy - 0.005:
        yield "The old test set lost more than half a point."
    won = [day.number for day in lived if day.number > bad and day.look.outcome in {"challenge", "promotion"}]
    if won:
        yield f"Something was won on the days {won}, when the bad source told."


def _part(split: Split, start: int, count: int) -> Split:
    return Split(split.pixels[start : start + count], split.class_ids[start : start + count])


def _write(folder: Path, split: Split, labels: Sequence[str]) -> None:
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", split.pixels.view(-1, 28, 28).numpy())
    np.save(folder / "labels.npy", split.class_ids.numpy())
    (folder / "classes.json").write_text(json.dumps(list(labels)))


if __name__ == "__main__":
    main()
