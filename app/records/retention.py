"""Removal in time, or on request. The sums keep what they have: they name nobody."""

from collections.abc import Collection

from sqlalchemy import delete, select

from app.records.database import ROWS, Database, batches
from app.records.schema import answers, labels

__all__ = ["delete_answers", "purge"]


def delete_answers(database: Database, ids: Collection[str]) -> int:
    """Remove answers and all labels of them; how many rows there were."""
    removed = sum(_delete(database, some) for some in batches(sorted(ids)))
    database.forget_removed()
    return removed


def purge(database: Database, before: float) -> int:
    """Remove answers and labels of before a time, seconds since 1970; how many rows there were.

    A label goes with its answer; one whose answer is not there goes by its own time.
    """
    removed = _purge_answers(database, before) + _purge_labels(database, before)
    if removed:
        database.forget_removed()
    return removed


def _purge_answers(database: Database, before: float) -> int:
    removed = 0
    old = select(answers.c.id).where(answers.c.time < before).limit(ROWS)
    while True:
        with database.reading() as connection:
            ids = list(connection.scalars(old))
        if not ids:
            return removed
        removed += _delete(database, ids)


def _purge_labels(database: Database, before: float) -> int:
    removed = 0
    has_answer = select(answers.c.id).where(answers.c.id == labels.c.id).exists()
    is_old = (labels.c.time < before) & ~has_answer
    while True:
        with database.transaction() as connection:
            ids = list(connection.scalars(select(labels.c.id).where(is_old).limit(ROWS)))
            removed += connection.execute(delete(labels).where(labels.c.id.in_(ids), is_old)).rowcount
        if not ids:
            return removed


def _delete(database: Database, ids: Collection[str]) -> int:
    """Remove a few answers and their labels, in one transaction."""
    with database.transaction(durable=True) as connection:
        connection.execute(select(answers.c.id).where(answers.c.id.in_(ids)).order_by(answers.c.id).with_for_update())
        return sum(connection.execute(delete(table).where(table.c.id.in_(ids))).rowcount for table in (labels, answers))
