"""Labeled answers of a champion beside those that its challenger would have given."""

import math
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, select

from app.records.database import Database
from app.records.schema import answers
from app.records.settling import NO_CLASS

__all__ = ["Pairs", "read_number", "read_pairs"]


class Pairs(NamedTuple):
    """Answers to the same images, in columns."""

    truths: list[int]  # class ids
    champion: bytes  # probabilities, float32 [N, C], little-endian
    challenger: bytes  # the same
    unusual: list[bool]  # whether the image looks unlike the challenger's training images
    digests: list[bytes]  # SHA-256 of each image


def read_pairs(database: Database, model: str, version: str, challenger_version: str) -> Pairs:
    """All of which the truth is known, by the time of the answers.

    Each image counts once, however often it was asked about. Images that review chose because the champion was unsure
    about them are left out: they would speak against it.

    Raises:
        RecordsUnavailableError: the database can't be read.
    """
    query = (
        select(
            answers.c.digest,
            answers.c.truth,
            answers.c.probabilities,
            answers.c.challenger_probabilities,
            answers.c.challenger_warning,
        )
        .where(_counts(model, version), answers.c.challenger_version == challenger_version)
        .order_by(answers.c.time, answers.c.id)
    )
    with database.reading() as connection:
        rows = list({row.digest: row for row in reversed(connection.execute(query).all())}.values())[::-1]
    return Pairs(
        [row.truth for row in rows],
        b"".join(row.probabilities for row in rows),
        b"".join(row.challenger_probabilities for row in rows),
        [row.challenger_warning is not None for row in rows],
        [row.digest for row in rows],
    )


def read_number(database: Database, model: str, version: str, challenger_version: str) -> int:
    """Which of the challengers of a version one is, from 1: by the first answer of which the truth is known.

    Raises:
        RecordsUnavailableError: the database can't be read.
    """
    first = func.min(answers.c.time)
    query = select(answers.c.challenger_version, first).where(_counts(model, version))
    with database.reading() as connection:
        found = connection.execute(query.group_by(answers.c.challenger_version)).all()
    times: dict[str | None, float] = {row[0]: row[1] for row in found if row[0] is not None}
    its_own = times.pop(challenger_version, math.inf)
    return 1 + sum(time <= its_own for time in times.values())


def _counts(model: str, version: str) -> ColumnElement[bool]:
    """Answers of a version that speak for it or against it."""
    return and_(
        answers.c.model == model,
        answers.c.version == version,
        answers.c.truth.is_not(None),
        answers.c.truth != NO_CLASS,
        answers.c.reviewed.is_(False),
    )
