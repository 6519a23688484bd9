"""`python -m training learn NAME`: the service's own settings say where its models and records are."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError

from app.classifier.errors import ModelFileError
from app.records.database import Database
from app.records.errors import RecordsError
from app.rollout.errors import RolloutError
from app.serving.errors import ServingError
from app.settings import Settings, complaints
from training.errors import LearningError, TrainingError
from training.failures import sentence_of
from training.learn.learner import Learner, Look, Plan
from training.terminal import note, print_json

__all__ = ["learn", "seconds_of", "settings"]

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_MOST_SECONDS = 365 * 86_400  # between two looks; a system's clocks bear no wait of centuries
_REFUSALS = (TrainingError, ModelFileError, RolloutError, RecordsError, ServingError, OSError)


def settings(models_dir: Path | None) -> Settings:
    """The service's settings; raises LearningError where one of them is none."""
    try:
        return Settings() if models_dir is None else Settings(models_dir=models_dir)
    except ValidationError as error:
        raise LearningError("\n".join(complaints(error))) from error


def seconds_of(text: str) -> float:
    """Seconds of a duration such as `90s`, `30m`, `1h` or `1d`; raises LearningError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if found is None or not float(found[1]):
        raise LearningError(f"--every {text}: write a number and s, m, h or d, such as 1h.")
    seconds = float(found[1]) * _UNITS[found[2]]
    if seconds > _MOST_SECONDS:
        raise LearningError(f"--every {text}: a year, 365d, is the most.")
    return seconds


def learn(plan: Plan, found: Settings, every: float | None, *, as_json: bool) -> None:
    """Look once, or again and again; what fails the first time ends it, what fails later is said, and tried again.

    Raises:
        TrainingError: the first look failed.
    """
    with _refusals_said():
        learner = Learner(plan, found.models_dir, Database(found.records.get_secret_value()), found.min_accuracy)
        try:
            _show(learner.look(), plan, as_json=as_json)
            while every is not None:
                time.sleep(every)
                try:
                    _show(learner.look(), plan, as_json=as_json)
                except _REFUSALS as error:
                    note(f"error: {sentence_of(error) or error} Tried again in {every:g} s.")
        finally:
            learner.close()


@contextmanager
def _refusals_said() -> Iterator[None]:
    try:
        yield
    except (RolloutError, RecordsError, ServingError) as error:
        raise LearningError(str(error)) from error


def _show(look: Look, plan: Plan, *, as_json: bool) -> None:
    if as_json:
        print_json("look", asdict(look))
        return
    for line in _lines(look, plan.name):
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _lines(look: Look, name: str) -> Iterator[str]:
    learned = look.learned
    if learned is not None:
        sources = ", ".join(f"{source} {count:,}" for source, count in learned["sources"].items())
        yield f"Learned from {learned['images']:,} of {look.labeled:,} labeled images ({sources})."
        for source, excess in learned["left_out"].items():
            yield (
                f"Source {source} is left out: the new model contradicts its labels {100 * excess:.1f} points more "
                "often than those of others."
            )
        yield (
            f"On the test set it is right about {learned['test_accuracy']:.2%}, the first model about "
            f"{learned['original_accuracy']:.2%}; on the latest {learned['window']:,} labeled images about "
            f"{learned['window_correct']:,}, version {learned['parent']} about {learned['parent_window_correct']:,}."
        )
    verbs = {"promotion": ("promoted", "promote"), "rollback": ("taken back", "rollback")}
    if look.outcome == "challenge":
        yield f"Version {look.version} challenges {name}: it answers nobody yet."
    elif look.outcome == "nothing":
        yield "There is no new challenger."
    elif look.done:
        yield f"{name} is {verbs[look.outcome][0]}."
    else:
        yield f"To do: `python -m app {verbs[look.outcome][1]} {name}`; SOFTMAX_PROMOTE=auto would do it."
    yield from look.reasons
