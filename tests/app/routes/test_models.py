"""The models that are loaded, which of them answers, and those that could not be loaded."""

from pathlib import Path

import httpx

from app.classifier import artifact
from tests import drawings
from tests.app.routes.conftest import client_of
from tests.conftest import make_metadata, make_model


async def test_models_are_listed_with_version_and_evaluation(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/models")).json()
    shown = (await client.get("/models/fashion-mnist")).json()

    assert listed == {"models": [shown], "failed": {}}
    assert shown["default"] is True
    assert len(shown["version"]) == 12
    assert shown["metadata"]["evaluation"]["accuracy"] == 0.9


async def test_an_unknown_model_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.get("/models/shoes")

    assert answer.status_code == 404
    assert "fashion-mnist" in answer.json()["detail"]


async def test_the_query_chooses_among_models(models_dir: Path) -> None:
    artifact.save(models_dir / "letters" / artifact.FILE_NAME, make_model(("a", "b")), make_metadata("x", ("a", "b")))

    async with client_of(models_dir) as client:
        answer = (await client.post("/predict?model=letters", files={"file": drawings.png()})).json()
        default = (await client.post("/predict", files={"file": drawings.png()})).json()

    assert answer["model"]["name"] == "letters"
    assert set(answer["probabilities"]) == {"a", "b"}
    assert default["model"]["name"] == "fashion-mnist"


async def test_the_default_model_can_be_chosen(models_dir: Path) -> None:
    artifact.save(models_dir / "letters" / artifact.FILE_NAME, make_model(("a", "b")), make_metadata("x", ("a", "b")))

    async with client_of(models_dir, default_model="letters") as client:
        answer = (await client.post("/predict", files={"file": drawings.png()})).json()

    assert answer["model"]["name"] == "letters"


async def test_a_damaged_model_beside_a_good_one_is_named_and_the_good_one_serves(models_dir: Path) -> None:
    broken = models_dir / "broken" / artifact.FILE_NAME
    broken.parent.mkdir()
    broken.write_bytes(b"damaged")

    async with client_of(models_dir) as client:
        readiness = await client.get("/readyz")
        failed = (await client.get("/models")).json()["failed"]

    assert readiness.status_code == 200
    assert str(broken) in failed["broken"]
