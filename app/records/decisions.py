"""Decisions about models, kept in the database."""

import logging

import orjson
from sqlalchemy import insert, select

from app.records.database import Database
from app.records.decision import Decision
from app.records.errors import RecordsError
from app.records.schema import decisions

__all__ = ["keep_decision", "read_decisions", "write_decision"]

logger = logging.getLogger(__name__)


def keep_decision(database: Database, decision: Decision) -> None:
    """Write a decision down, once; where that can't be done, into the log."""
    try:
        if decision not in read_decisions(database, decision.model):
            write_decision(database, decision)
    except RecordsError as error:
        logger.error("%s The decision is kept here alone: %s", error, decision)


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
