"""Recorded images with the labels that people told of them: what one can learn from."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import desc, select

from app.records.database import Database
from app.records.schema import answers, labels

__all__ = ["LabeledImage", "read_labeled_images"]


class LabeledImage(NamedTuple):
    """One image of which somebody told the truth.

    Attributes:
        id: of its answer.
        time: of its answer, in seconds since 1970.
        digest: SHA-256 of the pixels.
        pixels: 784 of them.
        labels: the newest of each source.
        reviewed: whether it is labeled only since review chose it, so that it does not speak for all images.
    """

    id: str
    time: float
    digest: bytes
    pixels: bytes
    labels: Mapping[str, str]
    reviewed: bool


def read_labeled_images(database: Database, model: str, limit: int) -> list[LabeledImage]:
    """Images with their pixels and labels, by the time of their answers; each image once, with its newest answer.

    Args:
        database: with the records.
        model: its name; whichever of its versions answered.
        limit: the most labels that are read, the newest answers' first.

    Raises:
        RecordsUnavailableError: the database can't be read.
    """
    image = (answers.c.id, answers.c.time, answers.c.digest, answers.c.pixels, answers.c.reviewed)
    query = (
        select(*image, labels.c.source, labels.c.label)
        .join(labels, labels.c.id == answers.c.id)
        .where(answers.c.model == model, answers.c.pixels.is_not(None), labels.c.label.is_not(None))
        .order_by(desc(answers.c.time), desc(answers.c.id), labels.c.source)
        .limit(limit)
    )
    found: dict[bytes, LabeledImage] = {}
    with database.reading() as connection:
        for row in connection.execute(query):
            newest = found.setdefault(
                row.digest, LabeledImage(row.id, row.time, row.digest, row.pixels, {}, row.reviewed)
            )
            if newest.id == row.id:
                found[row.digest] = newest._replace(labels={**newest.labels, row.source: row.label})
    return list(found.values())[::-1]
