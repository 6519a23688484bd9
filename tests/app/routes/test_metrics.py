"""The accuracy and the figures in use, by model and version, in the form that is asked for."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from app.classifier import artifact
from app.main import create_app
from app.rollout.model_folder import CHALLENGER
from app.serving.live_model import LiveModel
from app.settings import Settings
from tests.app.rollout.conftest import save_model
from tests.conftest import make_metadata, make_model
from tests.drawings import png

pytestmark = pytest.mark.anyio

PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"
DEFAULT, OTHER = "fashion-mnist", "letters"
OTHER_LABELS = ("alpha", "beta")


@pytest.fixture
async def client(models_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Of a service with two models, of which the first has a challenger."""
    save_model(models_dir / DEFAULT / CHALLENGER, seed=2)
    artifact.save(
        models_dir / OTHER / artifact.FILE_NAME, make_model(OTHER_LABELS), make_metadata(OTHER, labels=OTHER_LABELS)
    )
    app = create_app(Settings(models_dir=models_dir))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        yield client


async def predict(client: httpx.AsyncClient, **query: str) -> str:
    answer = await client.post("/predict", params=query, files={"file": png()})
    return str(answer.json()["label"])


async def counted(client: httpx.AsyncClient, metric: str) -> dict[tuple[str, str], float]:
    """The values of a metric, summed by model and version."""
    text = (await client.get("/metrics", headers={"Accept": "text/plain"})).text
    found: dict[tuple[str, str], float] = {}
    for family in parse_prometheus(text):
        for sample in family.samples:
            if sample.name == metric:
                key = (sample.labels["model"], sample.labels["version"])
                found[key] = found.get(key, 0) + sample.value
    return found


async def test_json_has_the_figures_of_one_model(client: httpx.AsyncClient) -> None:
    usual = await predict(client)
    others = await predict(client, model=OTHER)
    assert others in OTHER_LABELS

    default, other = (await client.get("/metrics")).json(), (await client.get(f"/metrics?model={OTHER}")).json()

    assert (default["model"]["name"], default["live"]["predictions"]) == (DEFAULT, {usual: 1})
    assert (other["model"]["name"], other["live"]["predictions"]) == (OTHER, {others: 1})
    assert set(default["live"]["windows"]) == {DEFAULT, OTHER}
    assert set(other["live"]["windows"]) == {OTHER}
    assert len(other["evaluation"]["confusion_matrix"]) == len(OTHER_LABELS)


async def test_a_model_that_there_is_none_of_is_404_and_a_misspelt_parameter_400(client: httpx.AsyncClient) -> None:
    assert (await client.get("/metrics?model=digits")).status_code == 404
    assert (await client.get("/metrics?modle=letters")).status_code == 400


async def test_prometheus_counts_by_version_and_forgets_one_that_is_no_longer_held(
    client: httpx.AsyncClient, models_dir: Path
) -> None:
    folder = models_dir / DEFAULT
    champion, challenger, other = (
        artifact.load(path / artifact.FILE_NAME).version for path in (folder, folder / CHALLENGER, models_dir / OTHER)
    )
    for query in ({}, {}, {"version": challenger}, {"model": OTHER}):
        await predict(client, **query)

    expected = {(DEFAULT, champion): 2.0, (DEFAULT, challenger): 1.0, (OTHER, other): 1.0}
    assert await counted(client, "softmax_predictions_total") == expected
    assert await counted(client, "softmax_checked_inputs_total") == expected

    (folder / CHALLENGER / artifact.FILE_NAME).unlink()
    app = client._transport.app  # type: ignore[attr-defined]  # noqa: SLF001 - nobody follows the folder here
    await app.state.parts.look_at_models(only=DEFAULT)
    del expected[DEFAULT, challenger]
    assert await counted(client, "softmax_predictions_total") == expected


async def test_what_was_counted_of_a_version_that_comes_back_starts_from_nought(models_dir: Path) -> None:
    parts = create_app(Settings(models_dir=models_dir)).state.parts
    path = models_dir / DEFAULT / artifact.FILE_NAME
    content = path.read_bytes()
    prediction = LiveModel(DEFAULT, artifact.load(path)).predict_batch([bytes(784)])
    for _ in range(2):
        parts.telemetry.classified(parts.models.get(), prediction)
        assert sum(parts.telemetry.live_figures(DEFAULT)["predictions"].values()) == 1
        save_model(models_dir / DEFAULT, seed=5)
        await parts.look_at_models(only=DEFAULT)
        assert parts.telemetry.live_figures(DEFAULT)["predictions"] == {}
        path.write_bytes(content)
        await parts.look_at_models(only=DEFAULT)


async def test_metrics_show_the_test_accuracy_and_what_was_served(client: httpx.AsyncClient) -> None:
    label = (await client.post("/predict", files={"file": png()})).json()["label"]

    metrics = (await client.get("/metrics")).json()

    assert metrics["accuracy"] == metrics["evaluation"]["accuracy"] == 0.9
    assert metrics["model"]["name"] == "fashion-mnist"
    assert metrics["live"]["predictions"] == {label: 1}
    assert metrics["live"]["requests"] >= 1


async def test_metrics_speak_prometheus_when_asked(client: httpx.AsyncClient) -> None:
    await client.post("/predict", files={"file": png()})

    answer = await client.get("/metrics", headers={"Accept": "text/plain"})

    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    families = parse_prometheus(answer.text)
    samples = {sample.name: sample for family in families for sample in family.samples}
    assert samples["softmax_model_test_accuracy"].value == 0.9
    assert samples["softmax_predictions_total"].value == 1


async def test_a_prometheus_server_gets_openmetrics(client: httpx.AsyncClient) -> None:
    answer = await client.get("/metrics", headers={"Accept": PROMETHEUS})

    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = openmetrics.text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]
    assert "softmax_model" in {family.name for family in families}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("text/plain;q=0.2, application/json;q=0.9", "application/json"),
        ("application/json;q=0.1, text/plain", "text/plain"),
        ("application/openmetrics-text;version=none", "text/plain"),
        ("text/plain;q=many", "application/json"),
    ],
)
async def test_the_form_of_metrics_follows_accept(client: httpx.AsyncClient, accept: str, expected: str) -> None:
    answer = await client.get("/metrics", headers={"Accept": accept})

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(expected)
