"""`python -m app`: from the settings to uvicorn, in one process, or as the launcher of several."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from tempfile import TemporaryDirectory

import typer
import uvicorn
from pydantic import ValidationError

from app.process import logs, server
from app.records.database import Database
from app.records.errors import RecordsError
from app.settings import Settings, complaints, unknown_variables

__all__ = ["launch"]

_WORKER_SECONDS = 30  # to answer the launcher, or be replaced: while it imports torch on little of a core, it does not


def launch() -> None:
    """Serve until a signal ends it; exit with 2 where the settings can't be served by."""
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
