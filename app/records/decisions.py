"""Who put which version of a model into service, when, and on what evidence."""

from typing import Any, NamedTuple

import orjson
from sqlalchemy import insert, select

from app.records.database import Database
from app.records.schema import decisions

__all__ = ["Decision", "read_decisions", "write_decision"]


class Decision(NamedTuple):
    """One decision.

    Attributes:
        time: seconds since 1970.
        model: its name.
        who: a key's name, the command line or the rule.
        action: such as `promote`.
        evidence: of JSON's types.
        from_sha256: of the model file that answered before; None: there was none.
        to_sha256: of the one that answers since.
    """

    time: float
    model: str
    who: str
    action: str
    evidence: Any
    from_sha256: str | None
    to_sha256: str | None


def write_decision(database: Database, decision: Decision) -> None:
    """Keep a decision, whatever happens afterwards; raises RecordsUnavailableError where it can't be."""
    values = decision._replace(evidence=orjson.dumps(decision.evidence).decode())._asdict()
    with database.transaction(durable=True) as connection:
        connection.execute(insert(decisions).values(values))


def read_decisions(database: Database, model: str) -> list[Decision]:
    """All decisions on a model, the newest first; raises RecordsUnavailableError where they can't be read."""
    columns = [decisions.c[name] for name in Decision._fields]
    query = select(*columns).where(decisions.c.model == model).order_by(decisions.c.number.desc())
    with database.reading() as connection:
        return [Decision(*row)._replace(evidence=orjson.loads(row.evidence)) for row in connection.execute(query)]
