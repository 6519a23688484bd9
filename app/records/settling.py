"""Labels and answers find each other: what is known of an answer is brought into the sums, once.

Which comes first does not matter, nor how many tell it. Whoever writes one of the two commits it and then looks for the
other, so that one of both finds both; an answer's row says what the sums have of it, and is locked meanwhile.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, select, update

from app.records.answer import unpack
from app.records.database import ROWS, Database, batches
from app.records.schema import answers, labels
from app.records.sums import Amount, Key, Sums, add_to_database, bin_of, hour_of
from app.records.versions import read_versions

__all__ = ["NONE_OF_THESE", "NO_CLASS", "REVIEW", "is_drawn_by_chance", "settle", "settle_everything", "settle_waiting"]

REVIEW = "review"  # the source of labels that were asked for
NONE_OF_THESE = "none of these"  # a label for what is of no class: whatever was answered was wrong
NO_CLASS = -1  # its class id


class _Truth(NamedTuple):
    """What is known of one answer; its row keeps what the sums have of it."""

    truth: int | None = None
    reviewed: bool = False
    disputed: bool = False


class _Told(NamedTuple):
    source: str
    class_id: int


def is_drawn_by_chance(answer_id: str) -> bool:
    """Whether an answer is among the quarter that review takes by chance alone.

    Ids are random, so this is a fixed, fair draw. Review takes an answer of this quarter for no other reason, so that
    its labels there speak for all answers; those of the other three quarters speak only for themselves.
    """
    return answer_id[-1:] in "0123"


def settle(database: Database, connection: Connection, ids: Collection[str]) -> set[str]:
    """Bring into the sums what is told of these answers; the ids of those that are recorded."""
    found: set[str] = set()
    sums = Sums()
    for some in batches(sorted(ids)):
        found |= _settle_some(connection, some, sums)
    if sums:
        add_to_database(database, connection, sums)
    return found


def settle_waiting(database: Database, ids: Sequence[str]) -> None:
    """Settle those of these answers, which are committed, for which labels wait."""
    with database.reading() as connection:
        if connection.execute(select(labels.c.id).where(labels.c.waits).limit(1)).first() is None:
            return
        waiting = {
            row.id
            for some in batches(ids)
            for row in connection.execute(select(labels.c.id).where(labels.c.waits, labels.c.id.in_(some)))
        }
    if waiting:
        with database.transaction() as connection:
            settle(database, connection, waiting)


def settle_everything(database: Database) -> None:
    """Settle all answers for which labels wait: after what was cut short."""
    joined = select(labels.c.id).join(answers, answers.c.id == labels.c.id).where(labels.c.waits).limit(ROWS)
    while True:
        with database.reading() as connection:
            waiting = {row.id for row in connection.execute(joined)}
        if not waiting:
            return
        with database.transaction() as connection:
            settle(database, connection, waiting)


def _settle_some(connection: Connection, ids: Sequence[str], sums: Sums) -> set[str]:
    found = connection.execute(
        select(answers).where(answers.c.id.in_(ids)).order_by(answers.c.id).with_for_update()
    ).all()
    told = _told(connection, found)
    changed = []
    for answer in found:
        before = _Truth(answer.truth, answer.reviewed, answer.disputed)
        now = _truth(answer.id, told[answer.id])
        if now != before:
            changed.append({"its_id": answer.id, **now._asdict()})
            for key, amount in _counted(answer, before):
                sums.add(key, amount.negative())
            for key, amount in _counted(answer, now):
                sums.add(key, amount)
    if changed:
        connection.execute(update(answers).where(answers.c.id == bindparam("its_id")), changed)
    known = [answer.id for answer in found]
    connection.execute(update(labels).where(labels.c.id.in_(known), labels.c.waits).values(waits=False))
    return set(known)


def _told(connection: Connection, found: Sequence[Row[Any]]) -> dict[str, list[_Told]]:
    """What the sources say of each answer, the newest last; without what was taken back or is no class."""
    version_of = {answer.id: (answer.model, answer.version) for answer in found}
    known = read_versions(connection)
    told = defaultdict(list)
    query = select(labels).where(labels.c.id.in_(version_of), labels.c.label.is_not(None))
    for row in connection.execute(query.order_by(labels.c.time, labels.c.source)):
        classes = known[version_of[row.id]].labels
        if row.label in classes:
            told[row.id].append(_Told(row.source, classes.index(row.label)))
        elif row.label == NONE_OF_THESE:
            told[row.id].append(_Told(row.source, NO_CLASS))
    return told


def _truth(answer_id: str, told: Sequence[_Told]) -> _Truth:
    if not told:
        return _Truth()
    asked_for = all(label.source == REVIEW for label in told) and not is_drawn_by_chance(answer_id)
    return _Truth(told[-1].class_id, reviewed=asked_for, disputed=len({label.class_id for label in told}) > 1)


def _counted(answer: Row[Any], known: _Truth) -> Iterator[tuple[Key, Amount]]:
    """What the sums have of one answer when this is known of it."""
    if known.truth is None:
        return
    confidence = max(unpack(answer.probabilities))
    weight = 1 / answer.share
    amount = Amount(1, weight, weight * weight, weight * confidence)
    key = Key(answer.model, answer.version, hour_of(answer.time), "labels", known.truth, answer.class_id)
    if known.reviewed:
        yield key._replace(figure="reviewed"), amount
    else:
        yield key, amount
        right = int(known.truth == answer.class_id)
        yield key._replace(figure="calibration", row=bin_of(confidence), col=right), amount
    if known.disputed:
        yield key._replace(figure="disputed", row=0, col=0), amount
