"""Recorded images of which a label would teach most, each with the reason it was chosen.

Three in four are chosen for what they teach, by turns: those between two classes, those that could be of most classes,
those unlike the training images. One in four is drawn by chance, from a quarter of the answers of which nothing else is
chosen: labels of these alone are fair, and count towards the accuracy.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import Row, desc, select

from app.records.answer import unpack
from app.records.database import Database
from app.records.schema import answers
from app.records.settling import is_drawn_by_chance

__all__ = ["Reason", "ToReview", "choose"]

Reason = Literal["smallest margin", "largest prediction set", "unlike the training images", "drawn by chance"]

_LOOKED_AT = 2_000  # the newest images without a label: choosing among them takes some milliseconds


class ToReview(NamedTuple):
    """An image that is worth a label."""

    id: str
    time: float  # seconds since 1970
    model: str
    version: str
    probabilities: Sequence[float]
    pixels: bytes  # 784
    reason: Reason


def choose(
    database: Database, model: str, version: str, limit: int, set_size: Callable[[Sequence[float]], int] | None
) -> list[ToReview]:
    """Images to review, in the order in which they are to be shown.

    Args:
        database: with the records.
        model: its name.
        version: that answered.
        limit: the most images.
        set_size: of the prediction set that probabilities lead to; None: the model has none.

    Raises:
        RecordsUnavailableError: the database can't be read.
    """
    of_version = (answers.c.model == model, answers.c.version == version, answers.c.pixels.is_not(None))
    newest = select(answers).where(*of_version, answers.c.truth.is_(None)).order_by(desc(answers.c.time))
    with database.reading() as connection:
        found = connection.execute(newest.limit(_LOOKED_AT)).all()
    return _by_turns(_ranked(found, set_size), limit)


def _ranked(
    found: Sequence[Row[Any]], set_size: Callable[[Sequence[float]], int] | None
) -> dict[Reason, Iterator[Row[Any]]]:
    """For each reason, the images that have it, the best first."""
    chance = [answer for answer in found if is_drawn_by_chance(answer.id)]
    others = [answer for answer in found if not is_drawn_by_chance(answer.id)]
    ranked: dict[Reason, Iterator[Row[Any]]] = {"smallest margin": iter(sorted(others, key=_margin))}
    if set_size is not None:
        size_of = {answer.id: set_size(unpack(answer.probabilities)) for answer in others}
        ranked["largest prediction set"] = iter(sorted(others, key=lambda answer: -size_of[answer.id]))
    ranked["unlike the training images"] = (answer for answer in others if answer.warning is not None)
    ranked["drawn by chance"] = iter(sorted(chance, key=lambda answer: answer.id[::-1]))  # the digits are random
    return ranked


def _by_turns(ranked: dict[Reason, Iterator[Row[Any]]], limit: int) -> list[ToReview]:
    chosen: dict[str, ToReview] = {}
    while ranked and len(chosen) < limit:
        for reason, candidates in list(ranked.items()):
            best = next((answer for answer in candidates if answer.id not in chosen), None)
            if best is None:
                del ranked[reason]
            elif len(chosen) < limit:
                chosen[best.id] = _to_review(best, reason)
    return list(chosen.values())


def _margin(answer: Row[Any]) -> float:
    """Between the likeliest class and the next."""
    first, second = sorted(unpack(answer.probabilities), reverse=True)[:2]
    return first - second


def _to_review(answer: Row[Any], reason: Reason) -> ToReview:
    probabilities = unpack(answer.probabilities)
    return ToReview(answer.id, answer.time, answer.model, answer.version, probabilities, answer.pixels, reason)
