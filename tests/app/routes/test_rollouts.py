"""Promotion, rollback and history over HTTP: who may, what is answered, and what is refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.main import create_app
from app.rollout.model_folder import CHALLENGER, PREVIOUS
from app.settings import Settings
from tests.app.rollout.conftest import save_model, whole_version
from tests.drawings import png

pytestmark = pytest.mark.anyio

ALICE = {"X-API-Key": "0123456789abcdef-alice"}
BOB = {"Authorization": "Bearer 0123456789abcdef-bob"}
STRANGER = {"X-API-Key": "0123456789abcdef-stranger"}
ADMINS = "alice:0123456789abcdef-alice,bob:0123456789abcdef-bob"


@pytest.fixture
def folder(models_dir: Path) -> Path:
    return models_dir / "fashion-mnist"


@asynccontextmanager
async def service(folder: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    records = f"sqlite:///{folder.parent.parent}/var/records.sqlite"
    app = create_app(Settings(models_dir=folder.parent, records=SecretStr(records), **settings))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service/models/fashion-mnist") as client:
        yield client
    app.state.parts.rollouts.close()


async def test_an_admin_promotes_by_force_and_another_takes_it_back(folder: Path) -> None:
    before, after = save_model(folder, seed=1), save_model(folder / CHALLENGER, seed=2)
    async with service(folder, admin_keys=ADMINS) as client:
        refused = await client.post("/promote", headers=ALICE)
        assert refused.status_code == 409
        assert refused.json()["title"] == "Not proven"
        assert "0 images are labeled, 500 are needed" in refused.json()["detail"]
        assert refused.json()["detail"].endswith("Ask for force=true to promote it all the same.")

        promoted = await client.post("/promote", headers=ALICE, params={"force": True})
        assert promoted.status_code == 200
        assert (promoted.json()["from_version"], promoted.json()["to_version"]) == (before, after)
        assert (whole_version(folder), whole_version(folder / PREVIOUS)) == (after, before)

        taken_back = await client.post("/rollback", headers=BOB)
        assert whole_version(folder) == before

        history = (await client.get("/history")).json()
        assert history["decisions"] == [taken_back.json(), promoted.json()]
        assert [(row["action"], row["who"]) for row in history["decisions"]] == [
            ("rollback", "bob"),
            ("promotion", "alice"),
        ]


async def test_the_worker_that_decides_answers_from_the_new_champion_once_it_has_told_so(folder: Path) -> None:
    """Nobody follows the models folder here: it is the decision that has it looked at."""
    before, after = save_model(folder, seed=1), save_model(folder / CHALLENGER, seed=2)

    async def answering() -> str:
        answer = await client.post("http://service/predict", files={"file": png()})
        return str(answer.json()["model"]["version"])

    async with service(folder, admin_keys=ADMINS) as client:
        assert await answering() == before
        await client.post("/promote?force=true", headers=ALICE)
        assert await answering() == after
        await client.post("/rollback", headers=ALICE)
        assert await answering() == before


async def test_the_way_back_is_open_over_http_when_the_champion_is_gone(folder: Path) -> None:
    previous = save_model(folder / PREVIOUS, seed=2)
    (folder / "model.safetensors").unlink()
    async with service(folder, admin_keys=ADMINS) as client:
        assert (await client.get("http://service/readyz")).status_code == 503
        answer = await client.post("/rollback", headers=ALICE)
        assert (await client.get("http://service/readyz")).status_code == 200

    assert (answer.status_code, answer.json()["from_version"]) == (200, "")
    assert whole_version(folder) == previous


@pytest.mark.parametrize("path", ["/promote", "/promote?force=true", "/rollback"])
@pytest.mark.parametrize(
    ("admin_keys", "headers", "status"),
    [("", ALICE, 403), ("", {}, 403), (ADMINS, STRANGER, 403), (ADMINS, {}, 401)],
)
async def test_without_an_admins_key_nothing_moves(
    folder: Path, path: str, admin_keys: str, headers: dict[str, str], status: int
) -> None:
    before = save_model(folder, seed=1)
    save_model(folder / CHALLENGER, seed=2)
    save_model(folder / PREVIOUS, seed=3)
    settings = {"admin_keys": admin_keys} if admin_keys else {}
    async with service(folder, **settings) as client:
        answer = await client.post(path, headers=headers)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert whole_version(folder) == before


async def test_where_api_keys_are_set_an_admins_key_opens_all_and_a_users_key_no_promotion(folder: Path) -> None:
    save_model(folder, seed=1)
    save_model(folder / CHALLENGER, seed=2)
    async with service(folder, admin_keys=ADMINS, api_keys="0123456789abcdef-stranger") as client:
        assert (await client.get("/history", headers=ALICE)).status_code == 200
        assert (await client.get("/history", headers=STRANGER)).status_code == 200
        assert (await client.get("/history")).status_code == 401
        assert (await client.post("/promote?force=true", headers=STRANGER)).status_code == 403
        assert (await client.post("/promote?force=true", headers=ALICE)).status_code == 200


async def test_what_cannot_be_is_409_with_the_reason(folder: Path) -> None:
    save_model(folder, seed=1)
    async with service(folder, admin_keys=ADMINS) as client:
        assert (await client.post("/promote", headers=ALICE)).json()["title"] == "No challenger"
        assert (await client.post("/rollback", headers=ALICE)).json()["title"] == "No previous version"
        (folder / PREVIOUS).mkdir()
        (folder / PREVIOUS / "model.safetensors").write_bytes(b"half")
        damaged = await client.post("/rollback", headers=ALICE)
        (folder / ".deciding").unlink()
        (folder / ".deciding").mkdir()
        unwritable = await client.post("/rollback", headers=ALICE)

    assert (damaged.status_code, damaged.json()["title"]) == (409, "Unfit model file")
    assert (unwritable.status_code, unwritable.json()["title"]) == (409, "Unwritable folder")


async def test_another_model_is_404_and_unreadable_records_503(folder: Path) -> None:
    (folder.parent.parent / "var").write_text("a file where the folder should be")
    async with service(folder, admin_keys=ADMINS) as client:
        unknown = await client.post("http://service/models/digits/promote", headers=ALICE)
        unreadable = await client.get("/history")

    assert unknown.status_code == 404
    assert unreadable.status_code == 503


async def test_the_model_shows_what_is_still_missing(folder: Path) -> None:
    before, after = save_model(folder, seed=1), save_model(folder / CHALLENGER, seed=2)
    async with service(folder) as client:
        evidence = (await client.get("http://service/models/fashion-mnist")).json()["evidence"]

    assert (evidence["champion"], evidence["challenger"], evidence["enough"]) == (before, after, False)
    assert evidence["missing"][0] == "0 images are labeled, 500 are needed."


async def test_without_a_challenger_and_labels_the_model_is_shown_alone(folder: Path) -> None:
    async with service(folder) as client:
        card = (await client.get("http://service/models/fashion-mnist")).json()

    assert card.keys() == {"name", "version", "default", "metadata"}
