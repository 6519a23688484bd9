"""`python -m app history`: every decision about a model; and how a rollback adds its own."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import typer
from rich.console import Console
from rich.table import Table

from app.records.database import Database
from app.records.decision import Decision
from app.records.decisions import keep_decision, read_decisions
from app.records.errors import RecordsError
from app.settings import Settings
from app.terminal.rollback import ModelsFolder, Name, deciding

__all__ = ["cli", "keep", "opened"]

cli = typer.Typer()

logger = logging.getLogger(__name__)


@cli.command()
def history(name: Name, models_dir: ModelsFolder = None) -> None:
    """Show every decision about a model, the newest first."""
    with deciding(models_dir) as settings, opened(settings) as database:
        decisions = read_decisions(database, name)
    table = Table(box=None)
    for header in ("when (UTC)", "what", "who", "from", "to", "evidence"):
        table.add_column(header, overflow="fold")
    for decision in decisions:
        when = datetime.fromtimestamp(decision.time, UTC)
        versions = ((digest or "")[:12] for digest in (decision.from_sha256, decision.to_sha256))
        table.add_row(f"{when:%Y-%m-%d %H:%M:%S}", decision.action, decision.who, *versions, _shown(decision))
    Console(markup=False, highlight=False).print(table)


def keep(settings: Settings, decision: Decision) -> None:
    """Write a decision into the records; where they can't be written, into the log."""
    try:
        with opened(settings) as database:
            keep_decision(database, decision)
    except RecordsError as error:
        logger.error("%s The decision is kept here alone: %s", error, decision)


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The records that the settings name.

    Raises:
        RecordsError: they name none.
    """
    try:
        database = Database(settings.records.get_secret_value())
    except RecordsError as error:
        raise RecordsError(f"SOFTMAX_RECORDS: {error}") from error
    with closing(database):
        yield database


def _shown(decision: Decision) -> str:
    evidence = decision.evidence
    if not isinstance(evidence, dict) or "e_value" not in evidence:
        return ""
    forced = ", forced" if evidence.get("forced") else ""
    plural = "" if evidence["labels"] == 1 else "s"
    return f"e-value {evidence['e_value']:.3g} on {evidence['labels']:,} label{plural}{forced}"
