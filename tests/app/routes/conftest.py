"""The application in process, for the tests of its routes."""

from pathlib import Path

import httpx

from app.main import create_app
from app.settings import Settings


def client_of(models_dir: Path, default_model: str | None = None) -> httpx.AsyncClient:
    """A client of a service of these models."""
    app = create_app(Settings(models_dir=models_dir, default_model=default_model))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")
