"""One answer, and its row."""

import struct
from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection

from app.classifier.pixel_statistics import Oddity
from app.records.database import Database
from app.serving.live_model import LiveModel

__all__ = ["COLUMNS", "Answer", "row", "unpack", "write_answers"]

_NAMES = "id, time, model, version, class_id, probabilities, digest, warning, share, pixels"
COLUMNS = len(_NAMES.split())  # of a row


class Answer(NamedTuple):
    """The answer to one image."""

    id: str
    class_id: int
    confidence: float
    probabilities: Collection[float]  # in the order of the labels
    warning: Oddity | None = None


def row(
    model: LiveModel, answer: Answer, image: bytes, time: float, *, share: float, keeps_pixels: bool
) -> tuple[Any, ...]:
    """The row of one answer, without what becomes known of it later.

    Args:
        model: that answered.
        answer: its answer.
        image: 784 pixels.
        time: of the answer, seconds since 1970.
        share: of the answers that are kept.
        keeps_pixels: whether the row has them.
    """
    return (
        answer.id,
        time,
        model.name,
        model.version,
        answer.class_id,
        struct.pack(f"<{len(answer.probabilities)}f", *answer.probabilities),
        sha256(image).digest(),
        answer.warning,
        share,
        bytes(image) if keeps_pixels else None,
    )


def write_answers(database: Database, connection: Connection, rows: Sequence[Any]) -> None:
    """Write rows, given as their columns one after another; those that are there already stay."""
    database.write_rows(connection, f"INSERT INTO answers ({_NAMES})", COLUMNS, rows, "ON CONFLICT DO NOTHING")


def unpack(probabilities: bytes) -> Sequence[float]:
    """The probabilities in a row, by class."""
    return struct.unpack(f"<{len(probabilities) // 4}f", probabilities)
