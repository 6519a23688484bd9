"""Labeled answers of a champion beside those that its challenger would have given."""

from typing import NamedTuple

from sqlalchemy import select

from app.records.database import Database
from app.records.schema import answers
from app.records.settling import NO_CLASS

__all__ = ["Pairs", "read_pairs"]


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
        .where(answers.c.model == model, answers.c.version == version)
        .where(answers.c.challenger_version == challenger_version)
        .where(answers.c.truth.is_not(None), answers.c.truth != NO_CLASS, answers.c.reviewed.is_(False))
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
