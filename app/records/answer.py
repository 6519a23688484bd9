"""One answer, and its row."""

import struct
from collections.abc import Collection, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection

from app.classifier.pixel_statistics import WarningCode
from app.records.database import Database
from app.serving.live_model import LiveModel

__all__ = ["COLUMNS", "Answer", "ChallengerAnswer", "row", "unpack", "write_answers"]

_NAMES = (
    "id, time, model, version, class_id, probabilities, digest, warning, share, pixels, "
    "challenger_version, challenger_probabilities, challenger_warning"
)
COLUMNS = len(_NAMES.split())  # of a row


class ChallengerAnswer(NamedTuple):
    """The challenger's answer to the same image, which nobody was given."""

    version: str
    probabilities: Sequence[float]
    warning: WarningCode | None = None


class Answer(NamedTuple):
    """The answer to one image."""

    id: str
    class_id: int
    confidence: float
    probabilities: Collection[float]  # in the order of the labels
    warning: WarningCode | None = None
    challenger: ChallengerAnswer | None = None


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
    other = answer.challenger
    return (
        answer.id,
        time,
        model.name,
        model.version,
        answer.class_id,
        _pack(answer.probabilities),
        sha256(image).digest(),
        answer.warning,
        share,
        bytes(image) if keeps_pixels else None,
        *((None, None, None) if other is None else (other.version, _pack(other.probabilities), other.warning)),
    )


def _pack(probabilities: Collection[float]) -> bytes:
    return struct.pack(f"<{len(probabilities)}f", *probabilities)


def write_answers(database: Database, connection: Connection, rows: Sequence[Any]) -> None:
    """Write rows, given as their columns one after another; those that are there already stay."""
    database.write_rows(connection, f"INSERT INTO answers ({_NAMES})", COLUMNS, rows, "ON CONFLICT DO NOTHING")


def unpack(probabilities: bytes) -> Sequence[float]:
    """The probabilities in a row, by class."""
    return struct.unpack(f"<{len(probabilities) // 4}f", probabilities)
