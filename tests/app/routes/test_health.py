"""Alive, ready, and if not, why."""

from pathlib import Path

import httpx
import pytest

from app.classifier import artifact
from tests import drawings
from tests.app.routes.conftest import client_of


async def test_a_healthy_service_is_alive_and_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"status": "alive"}
    assert (await client.get("/readyz")).json() == {"status": "ready"}


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "text"])
async def test_a_service_without_its_model_file_is_unready_and_says_which_and_why(
    models_dir: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = models_dir / "fashion-mnist" / artifact.FILE_NAME
    content = {"empty": b"", "cut": path.read_bytes()[:5000], "text": b"weights, honestly" * 10}
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[damage])

    async with client_of(models_dir) as client:
        readiness = await client.get("/readyz")
        prediction = await client.post("/predict", files={"file": drawings.png()})
        liveness = await client.get("/livez")

    assert (readiness.status_code, prediction.status_code, liveness.status_code) == (503, 503, 200)
    assert str(path) in readiness.json()["reason"]
    assert str(path) in prediction.json()["detail"]
    assert "Retry-After" in prediction.headers
    assert str(path) in caplog.text


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"])
async def test_options_on_a_probe_is_answered_as_get_is(client: httpx.AsyncClient, path: str) -> None:
    options, get = await client.options(path), await client.get(path)

    assert (options.status_code, options.content) == (get.status_code, get.content) == (200, options.content)
