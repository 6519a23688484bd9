"""Every route by the version that is asked for: the champion's, the challenger's or the previous one's."""

from pathlib import Path

import httpx
import numpy as np
import pytest
from tritonclient import http as triton

from app.serving.live_models import LiveModels
from app.serving.places import Place, Role
from tests import drawings
from tests.app.serving.test_standby import NAME, put
from tests.conftest import running_server

pytestmark = pytest.mark.anyio

FILE = {"file": drawings.png()}
REQUESTS: dict[str, tuple[str, dict[str, object]]] = {
    "predict": ("/predict", {"files": FILE}),
    "batch": ("/predict/batch", {"files": {"files": drawings.png()}}),
    "explain": ("/explain", {"files": FILE}),
    "feedback": ("/feedback", {"files": FILE, "data": {"label": "Coat"}}),
}


@pytest.fixture
def versions(models_dir: Path) -> dict[Role, str]:
    """By role; the files lie there before the application is made."""
    found: dict[Role, str] = {"champion": LiveModels(models_dir).get().version}
    found["challenger"] = put(models_dir, "challenger", 2)
    found["previous"] = put(models_dir, "previous", 3)
    return found


@pytest.mark.parametrize("route", REQUESTS)
@pytest.mark.parametrize("role", ["champion", "challenger", "previous"])
async def test_each_route_answers_by_the_version_that_is_asked_for(
    versions: dict[Role, str], client: httpx.AsyncClient, route: str, role: Role
) -> None:
    path, request = REQUESTS[route]
    answer = await client.post(path, params={"version": versions[role]}, **request)  # type: ignore[arg-type]

    assert answer.status_code == 200
    assert answer.json()["model"] == {"name": NAME, "version": versions[role]}


@pytest.mark.parametrize("route", REQUESTS)
async def test_without_a_version_the_champion_answers_and_an_unknown_one_is_404(
    versions: dict[Role, str], client: httpx.AsyncClient, route: str
) -> None:
    path, request = REQUESTS[route]
    usual = await client.post(path, **request)  # type: ignore[arg-type]
    unknown = await client.post(path, params={"version": "0123456789ab"}, **request)  # type: ignore[arg-type]

    assert usual.json()["model"]["version"] == versions["champion"]
    assert unknown.status_code == 404
    assert f"there is {', '.join(versions.values())}" in unknown.json()["detail"]


async def test_the_model_shows_the_three_with_their_evaluations(
    versions: dict[Role, str], client: httpx.AsyncClient
) -> None:
    card = (await client.get(f"/models/{NAME}")).json()
    listed = (await client.get("/models")).json()

    assert card.pop("evidence")["labels"] == 0
    assert listed["models"] == [card]
    assert card["version"] == versions["champion"]
    assert card["challenger"]["version"] == versions["challenger"]
    assert card["previous"]["version"] == versions["previous"]
    assert card["challenger"]["metadata"]["evaluation"]["accuracy"] == 0.9
    templates = (await client.get(f"/models/{NAME}/templates", params={"version": versions["challenger"]})).json()
    assert templates["model"]["version"] == versions["challenger"]


async def test_a_challenger_that_is_refused_is_shown_with_the_reason(
    models_dir: Path, versions: dict[Role, str], client: httpx.AsyncClient, app: object
) -> None:
    Place(NAME, "challenger").file(models_dir).write_bytes(b"half")
    models = app.state.parts.models  # type: ignore[attr-defined]
    models.refresh()
    models.refresh()

    card = (await client.get(f"/models/{NAME}")).json()

    assert "challenger" not in card
    assert "it is damaged or not a softmax-serving model" in card["refused"]["challenger"]
    assert card["previous"]["version"] == versions["previous"]


async def test_prometheus_shows_who_stands_by(versions: dict[Role, str], client: httpx.AsyncClient) -> None:
    text = (await client.get("/metrics", headers={"Accept": "text/plain"})).text

    assert f'softmax_model_info{{model="{NAME}",version="{versions["champion"]}"}} 1.0' in text
    assert (
        f'softmax_model_standby_info{{model="{NAME}",role="challenger",version="{versions["challenger"]}"}} 1.0' in text
    )
    assert f'softmax_model_standby_test_accuracy{{model="{NAME}",role="previous"}} 0.9' in text


def test_tritonclient_finds_asks_and_names_each_version(models_dir: Path, versions: dict[Role, str]) -> None:
    images = np.zeros((2, 28, 28), dtype=np.uint8)
    given = triton.InferInput("images", list(images.shape), "UINT8")
    given.set_data_from_numpy(images)
    with running_server(models_dir) as url:
        client = triton.InferenceServerClient(url.removeprefix("http://"))
        try:
            for version in versions.values():
                assert client.is_model_ready(NAME, version)
                assert client.infer(NAME, [given], version).get_response()["model_version"] == version
            assert client.get_model_metadata(NAME)["versions"] == list(versions.values())
            index = client.get_model_repository_index()
            assert [entry["version"] for entry in index] == list(versions.values())
            assert not client.is_model_ready(NAME, "0123456789ab")
        finally:
            client.close()
