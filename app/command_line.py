"""Serve the models; other commands answer and decide in the terminal. Flags win over SOFTMAX_*."""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import uvicorn
from pydantic import ValidationError
from typer.core import TyperGroup

from app.process import logs, server
from app.records.database import Database
from app.records.errors import RecordsError
from app.settings import Settings, complaints, unknown_variables

__all__ = ["cli", "run"]

_WORKER_SECONDS = 30  # to answer the launcher, or be replaced: while it imports torch on little of a core, it does not


# By command: the module that has it.
_COMMANDS = dict.fromkeys(("predict", "explain"), "app.terminal.predictions") | dict.fromkeys(
    ("challenge", "promote", "rollback", "history"), "app.terminal.rollouts"
)


class _Commands(TyperGroup):
    """Other commands than serving, imported when they are called: a launcher of workers does without torch."""

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
    if context.invoked_subcommand is not None:
        return
    settings = _settings()
    if settings.is_open_to_all:
        typer.echo(
            f"SOFTMAX_HOST={settings.host} can be reached from other machines, and there are no API keys: set "
            "SOFTMAX_API_KEYS or SOFTMAX_API_KEYS_FILE, or say --allow-anonymous.",
            err=True,
        )
        sys.exit(2)
    _check_records(settings)
    if settings.is_local and not settings.allowed_hosts:
        os.environ["SOFTMAX_ALLOWED_HOSTS"] = "localhost"  # so that Host is looked at
    for name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):  # prometheus_client takes the second, too
        os.environ.pop(name, None)  # one process needs none, and several get one of their own
    with _shared_metrics() if settings.workers > 1 else nullcontext():
        config = uvicorn.Config(
            "app.main:create_app",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            timeout_worker_healthcheck=_WORKER_SECONDS,
            server_header=False,
            access_log=False,
            http="app.engine.connections.connection:Connection",
            ws="none",
            timeout_graceful_shutdown=settings.stop_seconds,
            log_config=logs.configuration(settings.log_format),
        )
        server.run(config, settings.drain_seconds)


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder in which the workers' counters meet, for as long as the service runs."""
    with TemporaryDirectory(prefix="softmax-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


def _check_records(settings: Settings) -> None:
    """End where the records' URL is none: every worker would, and be replaced."""
    try:
        Database(settings.records.get_secret_value())
    except RecordsError as error:
        typer.echo(f"SOFTMAX_RECORDS: {error}", err=True)
        sys.exit(2)


def _settings() -> Settings:
    try:
        settings = Settings()
        wrong = unknown_variables(os.environ)
    except ValidationError as error:
        wrong = complaints(error)
    if wrong:
        typer.echo("\n".join(wrong), err=True)
        sys.exit(2)
    return settings


def run(name: str) -> None:
    """Do what the arguments say, as a program of this name; exit with 2 where a folder or a disk can't be written."""
    try:
        cli(prog_name=name)
    except OSError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
