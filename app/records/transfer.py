"""Records into a file, and labels from one; what was interrupted goes on where it stopped."""

import importlib
import os
from base64 import b64encode
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from io import BufferedRandom
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from app.records.answer import unpack
from app.records.database import ROWS, Database
from app.records.errors import RecordsError
from app.records.schema import answers, labels
from app.records.settling import NO_CLASS, NONE_OF_THESE
from app.records.telling import Receipt, tell
from app.records.told import read_lines
from app.records.versions import Version, read_versions

__all__ = ["Progress", "export", "import_labels"]

_LONGEST_LINE = 2**20  # bytes of a line of ours; they are much shorter
_LONGEST_LABEL = 2**16  # bytes of a line with a label; a longer one is none


class Progress(NamedTuple):
    """How far a transfer has come."""

    done: int
    total: int


class _Place(NamedTuple):
    """Where an export stands: behind an answer, or, without a time, behind labels that wait."""

    time: float | None
    id: str


_START = _Place(float("-inf"), "")
_END = _Place(None, "g")  # behind all ids, which are hexadecimal


def export(database: Database, file: Path, since: float = 0.0) -> Iterator[Progress]:
    """Write each recorded answer with its labels as a line of JSON (NDJSON), and then the labels that wait for theirs.

    It is written to another file beside, which takes the file's place once it is whole. What is called `.parquet`
    becomes Parquet at the end, by pyarrow.

    Args:
        database: with the records.
        file: to be written.
        since: seconds since 1970; what is older is left out.

    Yields:
        How many lines are written.

    Raises:
        RecordsError: the database can't be read, or pyarrow is not installed.
        OSError: the file can't be written.
    """
    part = file.with_name(f"{file.name}.part")
    parquet = _parquet() if file.suffix == ".parquet" else None
    part.touch()
    with part.open("r+b") as lines:
        yield from _write_lines(database, lines, since)
    if parquet is not None:
        whole = file.with_name(f"{file.name}.whole")
        parquet.to_parquet(part, whole)
        whole.replace(file)
        part.unlink()
    else:
        part.replace(file)


def import_labels(database: Database, file: Path, served: Collection[str], now: float) -> Iterator[tuple[int, Receipt]]:
    """Keep the labels in a file of lines as `POST /feedback` takes them, some hundred at a time.

    Run again after an interruption, it finds what it kept before, and repeats nothing.

    Args:
        database: where they go.
        file: NDJSON.
        served: labels of the models that are served.
        now: seconds since 1970.

    Yields:
        How many bytes are read, and what became of the labels in them.

    Raises:
        LabelsError: a line can't be taken; those some hundred lines were not, those before them were.
        RecordsError: the database can't be written.
        OSError: the file can't be read.
    """
    first, size = 1, 0
    with file.open("rb") as lines:
        each = iter(partial(lines.readline, _LONGEST_LABEL), b"")
        while some := list(islice(each, ROWS)):
            receipt = tell(database, read_lines(some, now, first), served)
            first += len(some)
            size += sum(map(len, some))
            yield size, receipt


def _parquet() -> Any:
    try:
        return importlib.import_module("app.records.parquet")
    except ImportError as error:
        raise RecordsError("Parquet takes pyarrow, which is not installed; name a file that ends otherwise.") from error


def _write_lines(database: Database, lines: BufferedRandom, since: float) -> Iterator[Progress]:
    with database.reading() as connection:
        total = _count(connection, since, _END)
        done, place = _resume(connection, lines, since)
    while True:
        yield Progress(done, max(done, total))
        with database.reading() as connection:
            some = _next_answers(connection, since, place) or _next_that_wait(connection, since, place)
        if not some:
            return
        lines.writelines(orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE) for _, content in some)
        done += len(some)
        place = some[-1][0]


def _resume(connection: Connection, lines: BufferedRandom, since: float) -> tuple[int, _Place]:
    """Cut off what is no whole line; how many lines there are, and where they end.

    It is begun anew where the file is not ours, or what was removed or came since makes its lines others.
    """
    size = lines.seek(0, os.SEEK_END)
    lines.seek(max(0, size - _LONGEST_LINE))
    whole, newline, _ = lines.read().rpartition(b"\n")
    place = _place_of(connection, whole.rpartition(b"\n")[2]) if newline else None
    if place is not None and _begins_as_ours(connection, lines, since):
        lines.seek(0)
        done = sum(1 for line in lines if line.endswith(b"\n"))
        if done == _count(connection, since, place):
            lines.seek(max(0, size - _LONGEST_LINE) + len(whole) + 1)
            lines.truncate()
            return done, place
    lines.seek(0)
    lines.truncate()
    return 0, _START


def _begins_as_ours(connection: Connection, lines: BufferedRandom, since: float) -> bool:
    lines.seek(0)
    first = _next_answers(connection, since, _START) or _next_that_wait(connection, since, _START)
    return bool(first) and _id_in(lines.readline()) == first[0][0].id


def _place_of(connection: Connection, line: bytes) -> _Place | None:
    """None: it is no line of ours, or was one of an answer that is gone, or of labels whose answer has come."""
    answer_id = _id_in(line)
    if answer_id is None:
        return None
    time = connection.scalar(select(answers.c.time).where(answers.c.id == answer_id))
    return _Place(time, answer_id) if (time is not None) == ("model" in orjson.loads(line)) else None


def _id_in(line: bytes) -> str | None:
    with suppress(orjson.JSONDecodeError, KeyError, TypeError):
        return str(orjson.loads(line)["id"])
    return None


def _count(connection: Connection, since: float, end: _Place) -> int:
    """Lines up to a place, with what is at it."""
    recorded = select(func.count()).where(answers.c.time >= since)
    if end.time is not None:
        return connection.scalar(recorded.where(~_follows(end))) or 0
    waiting = select(func.count(labels.c.id.distinct())).where(_waits(since), labels.c.id <= end.id)
    return sum(connection.scalar(query) or 0 for query in (recorded, waiting))


def _follows(place: _Place) -> ColumnElement[bool]:
    return or_(answers.c.time > place.time, and_(answers.c.time == place.time, answers.c.id > place.id))


def _next_answers(connection: Connection, since: float, place: _Place) -> list[tuple[_Place, dict[str, Any]]]:
    if place.time is None:
        return []
    following = select(answers).where(answers.c.time >= since, _follows(place))
    found = connection.execute(following.order_by(answers.c.time, answers.c.id).limit(ROWS)).all()
    known = read_versions(connection)
    told = _labels_of(connection, labels.c.id.in_([answer.id for answer in found]))
    return [
        (_Place(answer.time, answer.id), _described(answer, known[answer.model, answer.version], told[answer.id]))
        for answer in found
    ]


def _next_that_wait(connection: Connection, since: float, place: _Place) -> list[tuple[_Place, dict[str, Any]]]:
    after = place.id if place.time is None else ""
    ids = select(labels.c.id).where(_waits(since), labels.c.id > after).distinct().order_by(labels.c.id).limit(ROWS)
    told = _labels_of(connection, labels.c.id.in_(list(connection.scalars(ids))))
    return [(_Place(None, its_id), {"id": its_id, "labels": its_labels}) for its_id, its_labels in sorted(told.items())]


def _waits(since: float) -> ColumnElement[bool]:
    return (labels.c.time >= since) & ~select(answers.c.id).where(answers.c.id == labels.c.id).exists()


def _labels_of(connection: Connection, which: ColumnElement[bool]) -> defaultdict[str, list[dict[str, Any]]]:
    found = defaultdict(list)
    for row in connection.execute(select(labels).where(which).order_by(labels.c.time, labels.c.source)):
        found[row.id].append({"source": row.source, "label": row.label, "time": _iso(row.time)})
    return found


def _described(answer: Row[Any], version: Version, told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One line of an export."""
    probabilities = unpack(answer.probabilities)
    return {
        "id": answer.id,
        "time": _iso(answer.time),
        "model": answer.model,
        "version": answer.version,
        "label": version.labels[answer.class_id],
        "confidence": max(probabilities),
        "probabilities": dict(zip(version.labels, probabilities, strict=True)),
        "digest": answer.digest.hex(),
        "warning": answer.warning,
        "share": answer.share,
        "pixels": None if answer.pixels is None else b64encode(answer.pixels).decode(),
        "truth": _name(version, answer.truth),
        "labels": told,
    }


def _name(version: Version, truth: int | None) -> str | None:
    if truth is None:
        return None
    return NONE_OF_THESE if truth == NO_CLASS else version.labels[truth]


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()
