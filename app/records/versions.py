"""Versions of models that have answered, and what their classes are called."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, select

from app.records.database import Database
from app.records.schema import versions

__all__ = ["Version", "read_versions", "write_versions"]


class Version(NamedTuple):
    """One version of a model."""

    labels: tuple[str, ...]
    first_answer: float  # seconds since 1970


def write_versions(database: Database, connection: Connection, found: Mapping[tuple[str, str], Version]) -> None:
    """Note versions, by model and version; those that are known stay as they are."""
    values = [
        value
        for key in sorted(found)
        for value in (*key, json.dumps(found[key].labels, ensure_ascii=False), found[key].first_answer)
    ]
    start = "INSERT INTO versions (model, version, labels, first_answer)"
    database.write_rows(connection, start, 4, values, "ON CONFLICT DO NOTHING")


def read_versions(connection: Connection) -> dict[tuple[str, str], Version]:
    """All versions, by model and version, in the order of their first answers."""
    return {
        (row.model, row.version): Version(tuple(json.loads(row.labels)), row.first_answer)
        for row in connection.execute(select(versions).order_by(versions.c.first_answer))
    }
