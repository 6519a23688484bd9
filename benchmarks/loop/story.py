"""The days of one model: it is asked, told the truth a day later, and learns each night."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from app.classifier.softmax import SoftmaxRegression
from benchmarks.loop.images import flipped, lit
from benchmarks.loop.service import Client, Told
from training.data.splits import Split
from training.learn.learner import Learner, Look
from training.results.evaluation import logits_of

__all__ = ["IMAGES", "Day", "days"]

_DAYS = 14
_SHIFT = 4  # the first day with stray light
_NEWCOMER = 11  # the first day of which the bad source tells
IMAGES = 500  # a day
_TOLD = 300  # of them are told by the returns desk, the next day
_TOLD_BADLY = 200  # by the newcomer, too
_FLIPPED = 0.2  # share of the newcomer's labels


class Moment(NamedTuple):
    """What is marked in the picture."""

    text: str
    after: bool  # the day, and not before it


@dataclass
class Day:
    """One day and the night after it.

    Attributes:
        number: from 1.
        served: share of the right answers.
        first: the same, had the first model answered.
        look: of the night.
        moments: to be marked.
    """

    number: int
    served: float
    first: float
    look: Look
    moments: list[Moment] = field(default_factory=list)


def days(
    client: Client, learner: Learner, first: SoftmaxRegression, images: Split, labels: Sequence[str]
) -> Iterator[Day]:
    """Live through them, one each time that the next is asked for."""
    yesterday: list[Told] = []
    for number, today in enumerate(_daily(images), 1):
        shown = lit(today) if number >= _SHIFT else today
        answers = client.ask(shown)
        right = sum(class_id == truth for (_, class_id), truth in zip(answers, shown.class_ids.tolist(), strict=True))
        client.tell(yesterday)
        look = learner.look()
        first_right = (logits_of(first, shown).argmax(dim=1) == shown.class_ids).double().mean().item()
        day = Day(number, right / len(shown), first_right, look)
        if number == _SHIFT:
            day.moments.append(Moment("stray light", after=False))
        if number == _NEWCOMER:
            day.moments.append(Moment("a bad source begins", after=False))
        if look.outcome == "challenge":
            day.moments.append(Moment("challenger", after=True))
            client.wait_for("challenger", look.version or "")
        if look.outcome in {"promotion", "rollback"}:
            day.moments.append(Moment("promoted" if look.outcome == "promotion" else "taken back", after=True))
        yesterday = _labels(number, answers, shown, labels)
        yield day


def _daily(images: Split) -> Iterator[Split]:
    for number in range(_DAYS):
        rows = slice(number * IMAGES, (number + 1) * IMAGES)
        yield Split(images.pixels[rows], images.class_ids[rows])


def _labels(number: int, answers: Sequence[tuple[str, int]], shown: Split, labels: Sequence[str]) -> list[Told]:
    """What is told of a day: the desk knows a part of it, the newcomer another, and that badly."""
    truths, wrong = shown.class_ids.tolist(), flipped(shown, _FLIPPED, number).class_ids.tolist()
    told = [Told(answers[row][0], labels[truths[row]], "returns") for row in range(_TOLD)]
    if number >= _NEWCOMER:
        rows = range(_TOLD, _TOLD + _TOLD_BADLY)
        told += [Told(answers[row][0], labels[wrong[row]], "newcomer") for row in rows]
    return told
