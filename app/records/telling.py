"""Labels into the database: acknowledged once they are committed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from sqlalchemy import Connection, Row, select

from app.records.answer import Answer, row, write_answers
from app.records.database import Database, batches
from app.records.errors import UnknownLabelError
from app.records.schema import answers, labels
from app.records.settling import NONE_OF_THESE, settle
from app.records.told import DEFAULT_SOURCE, Label
from app.records.versions import Version, read_versions, write_versions
from app.serving.live_model import LiveModel

__all__ = ["Judged", "Receipt", "tell", "tell_judged"]


class Receipt(NamedTuple):
    """What became of labels: each is kept, repeated or outdated, and each that is kept is joined or waits."""

    kept: int
    joined: int  # to an answer that is recorded
    waiting: int  # for one
    repeated: int  # their source said so before
    outdated: int  # their source has said otherwise since


class Judged(NamedTuple):
    """An answer to an image of which the truth is known."""

    answer: Answer
    image: bytes  # 784 pixels
    label: str


class _Said(NamedTuple):
    """The newest label of one source for one answer."""

    label: str | None
    time: float
    is_new: bool = False  # not written yet


def tell(database: Database, told: Sequence[Label], served: Collection[str]) -> Receipt:
    """Keep labels, all or none of them.

    Args:
        database: where they go.
        told: a source may tell several of one answer.
        served: labels of the models that are served; others are taken only of answers whose model has them.

    Raises:
        UnknownLabelError: the answer's model has no such label.
        RecordsUnavailableError: they can't be written now.
    """
    ids = {label.id for label in told}
    with database.transaction(durable=True) as connection:
        _check(connection, told, ids, served)
        known = _known(connection, ids)
        outcomes = [_take(known, label) for label in told]
        _write(database, connection, {key: said for key, said in known.items() if said.is_new})
        recorded = settle(database, connection, ids)
    if missing := ids - recorded:  # their answers may have come just now, and looked for labels too early
        with database.transaction() as connection:
            recorded |= settle(database, connection, missing)
    kept = [label.id in recorded for label, outcome in zip(told, outcomes, strict=True) if outcome == "kept"]
    joined = sum(kept)
    return Receipt(len(kept), joined, len(kept) - joined, outcomes.count("repeated"), outcomes.count("outdated"))


def tell_judged(
    database: Database, model: LiveModel, judged: Sequence[Judged], now: float, *, keeps_pixels: bool
) -> None:
    """Keep answers together with what is true of them, all or none.

    Args:
        database: where they go.
        model: that answered.
        judged: each with a label that the model has.
        now: seconds since 1970.
        keeps_pixels: whether the images are kept.

    Raises:
        RecordsUnavailableError: they can't be written now.
    """
    rows = [
        value
        for answer, image, _ in judged
        for value in row(model, answer, image, now, share=1.0, keeps_pixels=keeps_pixels)
    ]
    said = {(answer.id, DEFAULT_SOURCE): _Said(label, now) for answer, _, label in judged}
    with database.transaction(durable=True) as connection:
        write_versions(database, connection, {(model.name, model.version): Version(model.metadata.labels, now)})
        write_answers(database, connection, rows)
        _write(database, connection, said)
        settle(database, connection, [answer.id for answer, _, _ in judged])


def _check(connection: Connection, told: Sequence[Label], ids: Collection[str], served: Collection[str]) -> None:
    recorded = list(_answers(connection, ids))
    names = {key: version.labels for key, version in read_versions(connection).items()}  # what answers came with
    of_answer = {row.id: names[row.model, row.version] for row in recorded}
    known = set(served).union(*names.values())
    for label in told:
        if label.label is None or label.label == NONE_OF_THESE:
            continue
        possible = of_answer.get(label.id, known)
        if label.label not in possible:
            whose = "the model that answered" if label.id in of_answer else "any model"
            raise UnknownLabelError(
                f"Line {label.line}: {label.label[:80]!r} is no label of {whose}: {', '.join(sorted(possible))}."
            )


def _answers(connection: Connection, ids: Collection[str]) -> Iterator[Row[str, str, str]]:
    """Those that are recorded, locked: whoever changes answers or their labels locks the answers first, in order."""
    for some in batches(sorted(ids)):
        found = select(answers.c.id, answers.c.model, answers.c.version).where(answers.c.id.in_(some))
        yield from connection.execute(found.order_by(answers.c.id).with_for_update())


def _known(connection: Connection, ids: Collection[str]) -> dict[tuple[str, str], _Said]:
    return {
        (row.id, row.source): _Said(row.label, row.time)
        for some in batches(sorted(ids))
        for row in connection.execute(select(labels).where(labels.c.id.in_(some)))
    }


def _take(known: dict[tuple[str, str], _Said], label: Label) -> Literal["kept", "repeated", "outdated"]:
    """Bring what is known up to date with one label."""
    key = (label.id, label.source)
    said = known.get(key)
    if said is None:
        known[key] = _Said(label.label, label.time, is_new=True)
        return "kept"
    if said.label == label.label:
        newest = max(said.time, label.time)
        known[key] = said._replace(time=newest, is_new=said.is_new or newest > said.time)
        return "repeated"
    if label.time < said.time:
        return "outdated"
    known[key] = _Said(label.label, label.time, is_new=True)
    return "kept"


def _write(database: Database, connection: Connection, said: Mapping[tuple[str, str], _Said]) -> None:
    values = [value for key in sorted(said) for value in (*key, said[key].label, said[key].time, True)]
    database.write_rows(connection, _START, 5, values, _END)


_START = "INSERT INTO labels (id, source, label, time, waits)"
_END = (  # what another process told meanwhile may be newer
    "ON CONFLICT (id, source) DO UPDATE SET label = excluded.label, time = excluded.time, waits = excluded.waits "
    "WHERE excluded.time >= labels.time"
)
