"""`python -m app history`: every decision about a model."""

from datetime import UTC, datetime

import typer
from rich.console import Console
from rich.table import Table

from app.records.decision import Decision
from app.records.decisions import read_decisions
from app.terminal.deciding import ModelsFolder, Name, deciding
from app.terminal.keeping import opened

__all__ = ["cli"]

cli = typer.Typer()


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


def _shown(decision: Decision) -> str:
    evidence = decision.evidence
    if not isinstance(evidence, dict) or "e_value" not in evidence:
        return ""
    forced = ", forced" if evidence.get("forced") else ""
    plural = "" if evidence["labels"] == 1 else "s"
    return f"e-value {evidence['e_value']:.3g} on {evidence['labels']:,} label{plural}{forced}"
