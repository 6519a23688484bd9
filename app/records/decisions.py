"""Decisions about models, kept in the database."""

import orjson
from sqlalchemy import insert, select

from app.records.database import Database
from app.records.decision import Decision
from app.records.schema import decisions

__all__ = ["read_decisions", "write_decision"]


def write_decision(database: Database, decision: Decision) -> None:
    """Keep a decision, once, whatever happens afterwards; raises RecordsUnavailableError where it can't be."""
    if decision in read_decisions(database, decision.model):
        return
    values = decision._replace(evidence=orjson.dumps(decision.evidence).decode())._asdict()
    with database.transaction(durable=True) as connection:
        connection.execute(insert(decisions).values(values))


def read_decisions(database: Database, model: str) -> list[Decision]:
    """All decisions on a model, the newest first; raises RecordsUnavailableError where they can't be read."""
    columns = [decisions.c[name] for name in Decision._fields]
    query = select(*columns).where(decisions.c.model == model).order_by(decisions.c.number.desc())
    with database.reading() as connection:
        return [Decision(*row)._replace(evidence=orjson.loads(row.evidence)) for row in connection.execute(query)]
