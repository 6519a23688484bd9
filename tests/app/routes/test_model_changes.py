"""What the routes show of a model that changes while the service runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from app.classifier import artifact
from app.main import create_app
from app.settings import Settings
from tests import drawings
from tests.conftest import make_metadata, make_model

NAME = "fashion-mnist"


@pytest.fixture
async def client(models_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which follows its models folder as in a server."""
    app = create_app(Settings(models_dir=models_dir, models_poll_seconds=0.02))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as client,
    ):
        yield client


def put(folder: Path, name: str, seed: int = 1) -> str:
    return artifact.save(folder / name / artifact.FILE_NAME, make_model(seed=seed), make_metadata(name))


def move_away(folder: Path) -> None:
    folder.rename(folder.with_name("away"))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + 10
    while not await condition():
        assert time.monotonic() < deadline, "still not so after 10 s"
        await asyncio.sleep(0.02)


async def until_versions_are(client: httpx.AsyncClient, expected: dict[str, str]) -> None:
    async def are() -> bool:
        models = (await client.get("/models")).json()["models"]
        return {model["name"]: model["version"] for model in models} == expected

    await until(are)


async def until_refused(client: httpx.AsyncClient, name: str) -> None:
    async def is_refused() -> bool:
        return name in (await client.get("/models")).json()["failed"]

    await until(is_refused)


async def version_of(client: httpx.AsyncClient) -> str:
    return str((await client.get(f"/models/{NAME}")).json()["version"])


async def series(client: httpx.AsyncClient) -> dict[tuple[str, str], float]:
    """Samples that have a model, by name of the sample and of the model; summed over other labels."""
    text = (await client.get("/metrics", headers={"Accept": "text/plain"})).text
    sums: dict[tuple[str, str], float] = {}
    for family in parse_prometheus(text):
        for sample in family.samples:
            if "model" in sample.labels:
                key = (sample.name, sample.labels["model"])
                sums[key] = sums.get(key, 0) + sample.value
    return sums


async def test_every_answer_names_the_version_that_gave_it(client: httpx.AsyncClient, models_dir: Path) -> None:
    version = put(models_dir, NAME)
    await until_versions_are(client, {NAME: version})
    image, truth = {"file": drawings.png()}, {"label": "Bag"}
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 784], "data": [0] * 784}

    predicted = (await client.post("/predict", files=image)).json()
    batch = (await client.post("/predict/batch", files={"files": drawings.png()})).json()
    explained = (await client.post("/explain", files=image)).json()
    picture = await client.post("/explain", files=image, headers={"Accept": "image/png"})
    judged = (await client.post("/feedback", files=image, data=truth)).json()
    inferred = (await client.post(f"/v2/models/{NAME}/infer", json={"inputs": [tensor]})).json()

    answers = [predicted, batch, batch["predictions"][0], explained, judged]
    assert [answer["model"] for answer in answers] == [{"name": NAME, "version": version}] * 5
    assert picture.headers["X-Model-Version"] == inferred["model_version"] == version


async def test_a_swap_shows_in_the_metrics(client: httpx.AsyncClient, models_dir: Path) -> None:
    before = await series(client)
    version = put(models_dir, NAME)
    await until_versions_are(client, {NAME: version})

    after = await series(client)

    assert before["softmax_model_swaps_total", NAME] == 0
    assert after["softmax_model_swaps_total", NAME] == 1
    assert after["softmax_model_load_failures_total", NAME] == 0
    text = (await client.get("/metrics", headers={"Accept": "text/plain"})).text
    assert f'softmax_model_info{{model="{NAME}",version="{version}"}} 1.0' in text


async def test_a_refused_candidate_shows_everywhere_but_in_the_readiness(
    client: httpx.AsyncClient, models_dir: Path
) -> None:
    version = await version_of(client)
    (models_dir / NAME / artifact.FILE_NAME).write_bytes(b"half")
    await until_refused(client, NAME)

    listed = (await client.get("/models")).json()
    [entry] = (await client.post("/v2/repository/index")).json()

    assert [model["version"] for model in listed["models"]] == [version]
    assert listed["failed"][NAME] == entry["reason"] != ""
    assert (entry["version"], entry["state"]) == (version, "READY")
    assert (await series(client))["softmax_model_load_failures_total", NAME] == 1
    assert (await client.get("/readyz")).status_code == 200


async def test_feedback_on_the_old_version_is_not_held_against_the_new(
    client: httpx.AsyncClient, models_dir: Path
) -> None:
    await client.post("/feedback", files={"file": drawings.png()}, data={"label": "Bag"})
    assert ("softmax_feedback_total", NAME) in await series(client)

    await until_versions_are(client, {NAME: put(models_dir, NAME)})

    assert (await client.get("/metrics")).json()["live"]["feedback"] == {}
    assert ("softmax_feedback_total", NAME) not in await series(client)


async def test_a_removed_model_leaves_metrics_statistics_and_lists(client: httpx.AsyncClient, models_dir: Path) -> None:
    version = await version_of(client)
    await until_versions_are(client, {NAME: version, "letters": put(models_dir, "letters")})
    await client.post("/predict?model=letters", files={"file": drawings.png()})
    await client.post("/v2/models/letters/infer", json={})
    assert ("softmax_predictions_total", "letters") in await series(client)

    (models_dir / "letters" / artifact.FILE_NAME).unlink()
    await until_versions_are(client, {NAME: version})

    statistics = (await client.get("/v2/models/stats")).json()["model_stats"]
    assert {model for _, model in await series(client)} == {NAME}
    assert [entry["name"] for entry in statistics] == [NAME]
    assert (await client.get("/metrics")).json()["live"]["predictions"] == {}
    assert (await client.post("/predict?model=letters", files={"file": drawings.png()})).status_code == 404


async def test_a_model_that_comes_back_is_counted_from_nought(client: httpx.AsyncClient, models_dir: Path) -> None:
    version = await version_of(client)
    for seed in (1, 2):
        await until_versions_are(client, {NAME: version, "letters": put(models_dir, "letters", seed)})
        await client.post("/predict?model=letters", files={"file": drawings.png()})
        counted = await series(client)
        assert counted["softmax_predictions_total", "letters"] == 1
        assert counted["softmax_checked_inputs_total", "letters"] == 1

        (models_dir / "letters" / artifact.FILE_NAME).unlink()
        await until_versions_are(client, {NAME: version})


async def test_a_folder_that_is_away_is_said_and_what_is_loaded_answers(
    client: httpx.AsyncClient, models_dir: Path
) -> None:
    move_away(models_dir)

    async def is_said() -> bool:
        return "can't be read" in (await client.get("/models")).json().get("problem", "")

    await until(is_said)

    assert (await client.get("/readyz")).status_code == 200
    assert (await client.post("/predict", files={"file": drawings.png()})).status_code == 200
