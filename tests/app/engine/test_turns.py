"""Calls of one turn of the event loop, classified together."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.classifier import artifact
from app.engine.admission import Gate
from app.engine.clock import Clock
from app.engine.together import Batch, Steps, run_alone, together
from app.engine.turns import Turn
from app.serving.answers import Prediction
from app.serving.live_model import LiveModel
from tests import drawings
from tests.conftest import make_metadata, make_model
from tests.reliability.sockets import Answer, connect, read_answer

IMAGES = [bytes((7 * place + 31 * number) % 256 for place in range(784)) for number in range(40)]
BROKEN = drawings.png()[:-20]


@pytest.fixture
def models(tmp_path: Path) -> list[LiveModel]:
    for name, labels in (("letters", ("a", "b")), ("digits", ("0", "1", "2"))):
        artifact.save(tmp_path / name, make_model(labels), make_metadata(name, labels))
    return [LiveModel(name, artifact.load(tmp_path / name)) for name in ("letters", "digits")]


def predict(model: LiveModel, image: bytes) -> Steps[Prediction]:
    return (yield from together(model.predict_batch, image))


class Asking:
    """One call, which goes on in its turn."""

    admitted = True

    def __init__(self, go_on: Callable[[], None]) -> None:
        self.take_turn = go_on


def new_turn(batch: Batch[Any] | None = None, *, has_shed: bool = False) -> Turn:
    clock = Clock()
    gate = Gate(1, clock, lambda _why, _count: None)
    gate.has_shed = has_shed
    return Turn(clock, gate, batch or Batch())


def in_one_turn(calls: list[Steps[Any]]) -> list[Any]:
    """What each call came to, in its place."""
    results: list[Any] = ["nothing"] * len(calls)

    async def run() -> None:
        batch: Batch[Any] = Batch()
        turn, loop = new_turn(batch), asyncio.get_running_loop()
        for place, steps in enumerate(calls):
            turn.enter(loop)
            turn.wait(Asking(partial(batch.run, steps, partial(results.__setitem__, place))))
        await asyncio.sleep(0)

    asyncio.run(run())
    return results


def test_a_turn_ends_where_reading_does_not() -> None:
    async def run() -> list[int]:
        answered: list[int] = []
        turn, so_far = new_turn(), []
        for number in range(2049):
            turn.enter(asyncio.get_running_loop())
            turn.wait(Asking(partial(answered.append, number)))
            so_far.append(len(answered))
        await asyncio.sleep(0)
        return [*so_far, len(answered)]

    assert asyncio.run(run()) == [0] * 2048 + [2048, 2049]


@pytest.mark.parametrize(("has_shed", "expected"), [(False, "b d a c"), (True, "d b c a")])
def test_first_those_are_answered_to_whom_it_is_owed(*, has_shed: bool, expected: str) -> None:
    answered: list[str] = []

    async def run() -> None:
        turn = new_turn(has_shed=has_shed)
        for name in "abcd":
            turn.enter(asyncio.get_running_loop())
            asking = Asking(partial(answered.append, name))
            asking.admitted = name in "ac"
            turn.wait(asking)
        await asyncio.sleep(0)

    asyncio.run(run())

    assert " ".join(answered) == expected


def test_what_is_called_later_is_called_at_the_very_end_of_the_turn() -> None:
    order: list[str] = []

    async def run() -> None:
        turn, loop = new_turn(), asyncio.get_running_loop()
        turn.accept_waiting = partial(order.append, "accepted")
        for _ in range(2):
            turn.enter(loop)
            turn.wait(Asking(lambda: turn.later(partial(order.append, "later"))))
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(run())

    assert order == ["accepted", "later", "accepted", "later"]


def test_of_steps_that_may_take_long_two_are_taken_in_a_turn_and_after_all_that_is_answered_at_once() -> None:
    order: list[str] = []

    async def run() -> None:
        turn, loop = new_turn(), asyncio.get_running_loop()
        for name in "abcdefgh":
            turn.enter(loop)
            turn.wait(Asking(partial(turn.wait_behind, partial(order.append, name))))
        turn.enter(loop)
        turn.wait(Asking(partial(order.append, "first")))
        await asyncio.sleep(0)
        turn.enter(loop)
        turn.wait(Asking(partial(order.append, "second")))
        for _ in range(3):
            await asyncio.sleep(0)

    asyncio.run(run())

    assert order == ["first", *"ab", "second", *"cdefgh"]


def test_no_step_is_taken_in_the_turn_of_one_that_took_long() -> None:
    order: list[str] = []

    def take_long(name: str) -> None:
        order.append(name)
        time.sleep(0.002)

    async def run() -> None:
        turn, loop = new_turn(), asyncio.get_running_loop()
        for name in "ab":
            turn.wait_behind(partial(take_long, name))
        turn.enter(loop)
        await asyncio.sleep(0)
        turn.enter(loop)
        turn.wait(Asking(partial(order.append, "plain")))
        await asyncio.sleep(0)

    asyncio.run(run())

    assert order == ["a", "plain", "b"]


def test_what_is_to_be_done_soon_is_done_once_and_after_the_turn() -> None:
    order: list[str] = []

    async def run() -> None:
        turn, done = new_turn(), asyncio.Event()

        def answer() -> None:
            turn.soon(partial(order.append, "soon"))
            turn.soon(done.set)
            turn.later(partial(order.append, "later"))
            order.append("answered")

        turn.enter(asyncio.get_running_loop())
        turn.wait(Asking(answer))
        await asyncio.wait_for(done.wait(), 10)

    asyncio.run(run())

    assert order == ["answered", "later", "soon"]


def test_before_the_first_turn_what_is_to_be_done_soon_is_done_at_once() -> None:
    order: list[str] = []

    new_turn().soon(partial(order.append, "soon"))

    assert order == ["soon"]


@pytest.mark.parametrize("count", [1, 3, 4, 31, 32, 33, 40])
def test_each_call_is_answered_as_it_would_be_alone(models: list[LiveModel], count: int) -> None:
    asked = [(models[number % 2], image) for number, image in enumerate(IMAGES[:count])]

    together = in_one_turn([predict(model, image) for model, image in asked])

    for answer, (model, image) in zip(together, asked, strict=True):
        alone = run_alone(predict(model, image))
        unlike = {"id": "", "confidence": 0, "probabilities": 0}
        assert answer["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)
        assert {**answer, **unlike} == {**alone, **unlike}


def test_a_call_may_want_several_images_one_after_the_other(models: list[LiveModel]) -> None:
    def twice() -> Steps[list[str]]:
        first = yield from together(models[0].predict_batch, IMAGES[0])
        second = yield from together(models[1].predict_batch, IMAGES[1])
        return [first["model"]["name"], second["model"]["name"]]

    assert in_one_turn([twice() for _ in range(6)]) == [["letters", "digits"]] * 6


def test_a_call_that_fails_fails_alone(models: list[LiveModel], caplog: pytest.LogCaptureFixture) -> None:
    def failing() -> Steps[Prediction]:
        yield from together(models[0].predict_batch, IMAGES[0])
        raise RuntimeError("after its image")

    others = [predict(models[0], image) for image in IMAGES[1:5]]
    results = in_one_turn([others[0], failing(), *others[1:]])

    assert [result is None for result in results] == [False, True, False, False, False]
    assert "after its image" in caplog.text


def test_an_image_that_cannot_be_classified_is_the_calls_own_affair(models: list[LiveModel]) -> None:
    def cautious(image: bytes) -> Steps[str]:
        try:
            prediction = yield from together(models[0].predict_batch, image)
        except RuntimeError:
            return "refused"
        return prediction["label"]

    results = in_one_turn([cautious(b"too short") for _ in range(5)])

    assert results == ["refused"] * 5


def label(answer: Answer) -> object:
    return orjson.loads(answer.content).get("label")


def test_a_crowd_is_answered_as_each_of_it_would_be_alone(server: str) -> None:
    files = [drawings.png(drawings.noise(number)) if number % 5 else BROKEN for number in range(48)]
    head = b"POST /predict HTTP/1.1\r\nHost: s\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
    requests = [head % len(file) + file for file in files]
    with connect(server) as client:
        alone = []
        for request in requests:
            client.sendall(request)
            alone.append(read_answer(client))
    clients = [connect(server) for _ in requests]
    for _ in range(3):
        for client, request in zip(clients, requests, strict=True):
            client.sendall(request)
        together = [read_answer(client) for client in clients]

        assert [answer.status for answer in together] == [answer.status for answer in alone]
        assert [label(answer) for answer in together] == [label(answer) for answer in alone]
    for client in clients:
        client.close()
