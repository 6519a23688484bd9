"""Preflights are requests like all others."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.engine.calls import Call
from app.main import Service, create_app
from app.settings import Settings

ORIGIN = "https://pages.example"
ASKS = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}


@pytest.fixture
def app(settings: Settings) -> Service:
    return create_app(settings.model_copy(update={"cors_origins": (ORIGIN,)}))


@pytest.fixture
async def client(app: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        yield client


@pytest.fixture
def noted(app: Service, monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    calls: list[Call] = []
    monkeypatch.setattr(app.dispatcher, "_on_answered", calls.extend)
    return calls


async def test_a_preflight_is_answered_counted_and_has_an_id(client: httpx.AsyncClient, noted: list[Call]) -> None:
    answer = await client.options("/predict", headers=ASKS | {"X-Request-ID": "mine"})

    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, ORIGIN)
    assert answer.headers["X-Request-ID"] == "mine"
    assert [(call.method, call.status) for call in noted] == [("OPTIONS", 200)]


async def test_a_refused_preflight_is_a_problem_document(client: httpx.AsyncClient, noted: list[Call]) -> None:
    answer = await client.options("/predict", headers=ASKS | {"Origin": "https://other.example"})

    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("Disallowed CORS origin: ")
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert [(call.method, call.status) for call in noted] == [("OPTIONS", 400)]


async def test_a_long_list_of_wanted_headers_is_refused_unread(client: httpx.AsyncClient, noted: list[Call]) -> None:
    answer = await client.options("/predict", headers=ASKS | {"Access-Control-Request-Headers": "," * 1025})

    assert answer.status_code == 431
    assert len(noted) == 1
