"""The example that the package's docstring shows, as another project would write it."""

from textwrap import dedent
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

import app.engine
from app.engine.calls import Call, DepCall
from app.engine.dispatcher import Dispatcher
from app.engine.front import Front
from app.engine.routes import DirectRoute, Match
from app.engine.together import together


@pytest.fixture
def example() -> dict[str, Any]:
    names: dict[str, Any] = {"FastAPI": FastAPI, "DepCall": DepCall, "Dispatcher": Dispatcher, "Front": Front}
    names |= {"DirectRoute": DirectRoute, "together": together}
    assert app.engine.__doc__ is not None
    exec(dedent(app.engine.__doc__[app.engine.__doc__.index("    def capitals") :]), names)  # noqa: S102 - our own
    return names


async def test_the_example_answers(example: dict[str, Any]) -> None:
    transport = httpx.ASGITransport(example["application"])
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        answer = await client.post("/shout", content=b"hello")
        too_long = await client.post("/shout", content=b"x" * 1025)
        elsewhere = await client.get("/shout")

    assert (answer.status_code, answer.json()) == (200, "HELLO")
    assert (too_long.status_code, too_long.json()["title"]) == (413, "Body too large")
    assert elsewhere.status_code == 405


def test_the_words_of_a_turn_are_made_large_in_one_call(
    example: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[str]] = []

    def capitals(words: list[str]) -> list[str]:
        calls.append(words)
        return [word.upper() for word in words]

    monkeypatch.setitem(example, "capitals", capitals)
    dispatcher: Dispatcher = example["dispatcher"]
    match = dispatcher.routes.match(b"POST", "/shout")
    assert isinstance(match, Match)
    answers: list[bytes] = []

    for word in (b"a", b"b", b"c", b"d", b"e"):
        call = Call("/shout", b"", {}, word)
        call.content = memoryview(word)
        dispatcher.batch.expected = 5
        dispatcher.answer_in_turn(match, call, lambda answer: answers.append(answer.content if answer else b"none"))
    dispatcher.batch.finish()

    assert calls == [["a", "b", "c", "d", "e"]]
    assert answers == [b'"A"', b'"B"', b'"C"', b'"D"', b'"E"']
