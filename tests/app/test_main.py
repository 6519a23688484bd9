"""What `create_app` puts together: one service, whose settings, routes and description agree."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr, TypeAdapter

from app.engine.calls import Answer
from app.engine.limits import Limits
from app.main import Service, create_app
from app.settings import Settings
from tests import drawings

KEY, OTHER = "a-key-for-the-tests", "another-key-for-the-tests"
OPEN_PATHS = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}


def client_of(settings: Settings) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(settings))
    return httpx.AsyncClient(transport=transport, base_url="http://service")


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


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient, method: str) -> None:
    files = ("/", "/docs", "/redoc", "/static/main.js", "/static/swagger-ui/none", "/openapi.json")
    for path in (*files, "/livez", "/models", "/none"):
        answer = await client.request(method, path)

        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert len(answer.headers.get_list("Content-Security-Policy")) == 1


async def test_the_description_is_valid_wherever_it_lies(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json", headers={"X-Forwarded-Prefix": "/garments"})).json()

    assert document["servers"] == [{"url": "."}]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/models", "GET, HEAD"),
        ("GET", "/predict", "POST"),
        ("DELETE", "/livez", "GET, HEAD, OPTIONS"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
    ],
)
async def test_a_refused_method_is_told_all_that_the_path_takes(
    client: httpx.AsyncClient, method: str, path: str, allowed: str
) -> None:
    answer = await client.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["Allow"] == allowed
    assert allowed in answer.json()["detail"]


def test_without_keys_none_is_asked_for() -> None:
    assert create_app(Settings()).dispatcher.access is None


def test_keys_come_from_the_environment_and_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "keys"
    file.write_text("a-key-that-is-in-the-file\n")
    monkeypatch.setenv("SOFTMAX_API_KEYS", f"{KEY}, {OTHER}")
    monkeypatch.setenv("SOFTMAX_API_KEYS_FILE", str(file))

    check = create_app(Settings()).dispatcher.access

    assert check is not None
    for key in (KEY, OTHER, "a-key-that-is-in-the-file"):
        check.check("GET", "/metrics", {b"x-api-key": key.encode()})


def test_the_settings_bound_what_requests_may_be_and_take(settings: Settings) -> None:
    other = settings.model_copy(
        update={
            "max_image_bytes": 1,
            "max_batch_bytes": 2,
            "max_header_bytes": 3,
            "max_pending_bytes": 4,
            "max_delay_ms": 5,
            "header_seconds": 6,
            "body_seconds": 7,
            "idle_seconds": 8,
        }
    )

    assert create_app(other).dispatcher.limits == Limits(1, 2, 3, 4, 0.005, 6, 7, 8)


async def test_probes_alone_need_no_key_and_the_description_says_so(settings: Settings) -> None:
    async with client_of(settings.model_copy(update={"api_keys": (SecretStr(KEY),)})) as client:
        probes = [(await client.get(path)).status_code for path in OPEN_PATHS]
        other = await client.get("/openapi.json")
        described = (await client.get("/openapi.json", headers={"X-API-Key": KEY})).json()["paths"]

    assert (probes, other.status_code) == ([200] * 4, 401)
    assert not any("401" in described[path]["get"]["responses"] for path in OPEN_PATHS)
    assert "401" in described["/models"]["get"]["responses"]


async def test_an_admins_key_opens_what_needs_a_key(settings: Settings) -> None:
    keys = {"api_keys": (SecretStr(KEY),), "admin_keys": (SecretStr(f"anna:{OTHER}"),)}

    async with client_of(settings.model_copy(update=keys)) as client:
        statuses = [(await client.get("/models", headers={"X-API-Key": key})).status_code for key in (KEY, OTHER)]

    assert statuses == [200, 200]


async def test_the_page_takes_any_query_and_all_other_routes_know_theirs(client: httpx.AsyncClient) -> None:
    page, models = await client.get("/?modle=x"), await client.get("/models?modle=x")

    assert (page.status_code, models.status_code) == (200, 400)


@pytest.mark.parametrize("path", ["/none", "/v2/none"])
async def test_what_leads_nowhere_is_a_problem_document(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:softmax-serving:not-found"
    assert ("error" in answer.json()) is path.startswith("/v2/")


async def test_what_was_answered_in_a_turn_is_in_the_metrics_that_are_asked_for_next(
    app: Service, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.turns._SOON_SECONDS", 60)

    predict_in_turn(app)
    live = (await client.get("/metrics")).json()["live"]

    assert (sum(live["predictions"].values()), live["requests"]) == (1, 1)


async def test_what_was_answered_last_is_noted_at_the_end_of_the_service(
    app: Service, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.engine.turns._SOON_SECONDS", 60)
    telemetry = app.state.parts.telemetry

    async with app.router.lifespan_context(app):
        predict_in_turn(app)
        before = telemetry.live_figures("fashion-mnist")["predictions"]

    assert before == {}
    assert sum(telemetry.live_figures("fashion-mnist")["predictions"].values()) == 1
    assert "/predict" in capfd.readouterr().err  # a line of the log, which is written by then


async def test_fastapi_makes_nothing_of_its_routes_while_a_request_waits(
    app: Service, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    make = TypeAdapter.__init__

    def note(adapter: TypeAdapter[Any], *arguments: Any, **named: Any) -> None:
        made.append(arguments)
        make(adapter, *arguments, **named)

    async with app.router.lifespan_context(app):
        monkeypatch.setattr(TypeAdapter, "__init__", note)
        statuses = [(await client.get(path)).status_code for path in ("/nowhere", "/models", "/metrics")]

    assert (statuses, made) == ([404, 200, 200], [])


def predict_in_turn(app: Service) -> None:
    """Have an image classified as a connection does."""
    content = drawings.png()
    fields = {b"content-type": b"image/png", b"content-length": b"%d" % len(content)}
    match = app.dispatcher.routes.match(b"POST", "/predict")
    assert match is not None
    call = app.dispatcher.call("/predict", b"", fields)
    call.content = memoryview(content)
    answers: list[Answer | None] = []
    app.dispatcher.turn.enter(asyncio.get_running_loop())
    app.dispatcher.answer_in_turn(match, call, answers.append)
    assert [answer and answer.status for answer in answers] == [200]
