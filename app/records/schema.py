"""The tables, the same for SQLite and PostgreSQL; made, and brought up to date, when a database is first used.

Times are seconds since 1970, hours are whole ones since 1970, both in UTC. Probabilities are float32, little-endian, in
the order of the version's labels.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    false,
    insert,
    inspect,
    select,
    update,
)

from app.records.errors import NewerRecordsError

__all__ = ["STEPS", "answers", "decisions", "labels", "sums", "upgrade", "versions"]

_metadata = MetaData()

answers = Table(
    "answers",
    _metadata,
    Column("id", Text, primary_key=True),
    Column("time", Double, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("class_id", SmallInteger, nullable=False),
    Column("probabilities", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the 784 pixels
    Column("warning", Text),  # the code of what is unusual about the image
    Column("share", Double, nullable=False),  # of the answers that were kept when this one was
    Column("pixels", LargeBinary),
    Column("challenger_version", Text),
    Column("challenger_probabilities", LargeBinary),
    Column("challenger_warning", Text),
    # What `sums` has of its labels:
    Column("truth", SmallInteger),  # the true class, -1: none of them; NULL: nobody told it
    Column("reviewed", Boolean, nullable=False, server_default=false()),  # known only since review chose the image
    Column("disputed", Boolean, nullable=False, server_default=false()),  # its sources disagree
    Index("answers_by_time", "time"),
)

labels = Table(
    "labels",
    _metadata,
    Column("id", Text, nullable=False),  # of the answer, which may come later, or never
    Column("source", Text, nullable=False),
    Column("label", Text),  # NULL: taken back
    Column("time", Double, nullable=False),  # the newest of a source counts
    Column("waits", Boolean, nullable=False),  # for its answer
    PrimaryKeyConstraint("id", "source"),
)
Index("labels_by_time", labels.c.time)
Index("labels_that_wait", labels.c.id, sqlite_where=labels.c.waits, postgresql_where=labels.c.waits)

versions = Table(
    "versions",
    _metadata,
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("labels", Text, nullable=False),  # a JSON array, in the order of class_id
    Column("first_answer", Double, nullable=False),  # its time
    PrimaryKeyConstraint("model", "version"),
)

sums = Table(
    "sums",
    _metadata,
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("hour", Integer, nullable=False),  # of the answers; 0: of all hours
    Column("figure", Text, nullable=False),  # what is summed, of `app.records.sums.Figure`
    Column("row", Integer, nullable=False),
    Column("col", Integer, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("weight", Double, nullable=False),
    Column("squares", Double, nullable=False),
    Column("confidence", Double, nullable=False),
    PrimaryKeyConstraint("model", "version", "hour", "figure", "row", "col"),
)

decisions = Table(
    "decisions",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("time", Double, nullable=False),
    Column("model", Text, nullable=False),
    Column("who", Text, nullable=False),  # a key's name, the command line, the rule
    Column("action", Text, nullable=False),
    Column("evidence", Text, nullable=False),  # JSON
    Column("from_sha256", Text),
    Column("to_sha256", Text),
    Index("decisions_by_model", "model", "number"),
)

_schema_version = Table("schema_version", _metadata, Column("version", Integer, nullable=False))

# What leads from version 1 to 2, from 2 to 3 and so on; a step that stands here never changes again.
STEPS: tuple[Callable[[Connection], None], ...] = ()


def upgrade(connection: Connection, steps: Sequence[Callable[[Connection], None]] = STEPS) -> None:
    """Make the tables, or bring them up to this version, in a transaction that no other process is in.

    Raises:
        NewerRecordsError: a newer version of the service has been here.
    """
    found, newest = _version(connection), 1 + len(steps)
    if found is None:
        _metadata.create_all(connection)
        connection.execute(insert(_schema_version).values(version=newest))
        return
    if found > newest:
        raise NewerRecordsError(
            f"A newer version of this service wrote the records: their tables have version {found}, and this one knows "
            f"{newest}. Run the newer service, or name another database in SOFTMAX_RECORDS."
        )
    for step in steps[found - 1 :]:
        step(connection)
    if found < newest:
        connection.execute(update(_schema_version).values(version=newest))


def _version(connection: Connection) -> int | None:
    """None: there are no tables."""
    if not inspect(connection).has_table(_schema_version.name):
        return None
    version: int = connection.execute(select(_schema_version.c.version)).scalar_one()
    return version
