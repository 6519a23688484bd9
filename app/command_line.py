"""Serve the models; other commands answer and decide in the terminal. Flags win over SOFTMAX_*.

What a command takes is imported when it is called: a launcher of workers does without torch, and a rollback without
anything that serves.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

__all__ = ["cli", "run"]

# By command: the module that has it.
_COMMANDS = {
    "predict": "app.terminal.predictions",
    "explain": "app.terminal.predictions",
    "challenge": "app.terminal.rollouts",
    "promote": "app.terminal.rollouts",
    "rollback": "app.terminal.rollback",
    "history": "app.terminal.history",
}


class _Commands(TyperGroup):
    """Other commands than serving."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *_COMMANDS, "records"]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name == "records":
            return typer.main.get_group(importlib.import_module("app.terminal.records").cli)
        if cmd_name not in _COMMANDS:
            return None
        commands = typer.main.get_group(importlib.import_module(_COMMANDS[cmd_name]).cli)
        return commands.get_command(ctx, cmd_name)


cli = typer.Typer(cls=_Commands, add_completion=False, pretty_exceptions_enable=False)


@cli.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="address to listen on", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on", show_default="8000")] = None,
    workers: Annotated[int | None, typer.Option(help="processes that answer", show_default="1")] = None,
    models_dir: Annotated[Path | None, typer.Option(help="folder of the models", show_default="models")] = None,
    *,
    allow_anonymous: Annotated[
        bool | None, typer.Option("--allow-anonymous", help="listen beyond this machine even without API keys")
    ] = None,
) -> None:
    """Serve every model under the models folder over HTTP; or answer in the terminal, without a server."""
    flags = {
        "HOST": host,
        "PORT": port,
        "WORKERS": workers,
        "MODELS_DIR": models_dir,
        "ALLOW_ANONYMOUS": allow_anonymous,
    }
    os.environ |= {f"SOFTMAX_{name}": str(value) for name, value in flags.items() if value is not None}
    if context.invoked_subcommand is None:
        importlib.import_module("app.terminal.serving").launch()


def run(name: str) -> None:
    """Do what the arguments say, as a program of this name; exit with 2 where a folder or a disk can't be written."""
    try:
        cli(prog_name=name)
    except OSError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
