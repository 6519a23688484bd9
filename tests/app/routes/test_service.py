"""Metrics, health, models: the routes beside prediction, and a service without a model."""

from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from app.classifier import artifact
from app.main import create_app
from app.settings import Settings
from tests import drawings
from tests.conftest import make_metadata, make_model

PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"


def client_of(models_dir: Path, default_model: str | None = None) -> httpx.AsyncClient:
    app = create_app(Settings(models_dir=models_dir, default_model=default_model))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")


async def test_metrics_show_the_test_accuracy_and_what_was_served(client: httpx.AsyncClient) -> None:
    label = (await client.post("/predict", files={"file": drawings.png()})).json()["label"]

    metrics = (await client.get("/metrics")).json()

    assert metrics["accuracy"] == metrics["evaluation"]["accuracy"] == 0.9
    assert metrics["model"]["name"] == "fashion-mnist"
    assert metrics["live"]["predictions"] == {label: 1}
    assert metrics["live"]["requests"] >= 1


async def test_metrics_speak_prometheus_when_asked(client: httpx.AsyncClient) -> None:
    await client.post("/predict", files={"file": drawings.png()})

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


async def test_a_damaged_model_beside_a_good_one_is_named_and_the_good_one_serves(models_dir: Path) -> None:
    broken = models_dir / "broken" / artifact.FILE_NAME
    broken.parent.mkdir()
    broken.write_bytes(b"damaged")

    async with client_of(models_dir) as client:
        readiness = await client.get("/readyz")
        failed = (await client.get("/models")).json()["failed"]

    assert readiness.status_code == 200
    assert str(broken) in failed["broken"]


async def test_the_documentation_names_every_route(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    page = await client.get("/docs")

    assert {"/predict", "/metrics", "/livez", "/readyz", "/models", "/models/{name}"} <= document["paths"].keys()
    form = document["paths"]["/predict"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["file"]["format"] == "binary"
    assert page.status_code == 200


async def test_the_documentation_promises_problem_documents_for_refusals_and_nothing_else(
    client: httpx.AsyncClient,
) -> None:
    document = (await client.get("/openapi.json")).json()
    refusals = [
        (path, status, sorted(response.get("content", {})))
        for path, operations in document["paths"].items()
        for operation in operations.values()
        for status, response in operation["responses"].items()
        if not status.startswith("2") and path != "/readyz"
    ]

    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert [refusal for refusal in refusals if refusal[2] != ["application/problem+json"]] == []


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/docs",
        "/redoc",
        "/static/main.js",
        "/static/swagger-ui/none",
        "/livez",
        "/models",
        "/openapi.json",
        "/none",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await client.request(method, path)

    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert len(answer.headers.get_list("Content-Security-Policy")) == 1
