"""`POST /feedback`, and the accuracy in use that `/metrics` makes of it."""

import asyncio
import time
from threading import Lock
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from app.classifier.intervals import wilson_interval
from app.routes.images import decode
from app.settings import Settings
from tests.conftest import LABELS
from tests.drawings import ankle_boot, noise, png


async def predicted(client: httpx.AsyncClient, content: bytes) -> str:
    return str((await client.post("/predict", files={"file": content})).json()["label"])


async def send(client: httpx.AsyncClient, *pairs: tuple[bytes, str]) -> httpx.Response:
    files: list[tuple[str, tuple[str | None, bytes]]] = []
    for number, (content, label) in enumerate(pairs):
        files += [("file", (f"{number}.png", content)), ("label", (None, label.encode()))]
    return await client.post("/feedback", files=files)


async def live(client: httpx.AsyncClient) -> dict[str, object]:
    found: dict[str, object] = (await client.get("/metrics")).json()["live"]["feedback"]["fashion-mnist"]
    return found


def other(label: str) -> str:
    return next(name for name in LABELS if name != label)


async def test_the_answer_says_whether_the_model_was_right(client: httpx.AsyncClient) -> None:
    label = await predicted(client, png())

    right, wrong = (await send(client, (png(), label))).json(), (await send(client, (png(), other(label)))).json()

    assert (right["count"], right["correct"]) == (1, 1)
    assert (wrong["count"], wrong["correct"]) == (1, 0)
    assert wrong["answers"][0]["label"] == label
    assert wrong["answers"][0]["true_label"] == other(label)
    assert wrong["model"]["name"] == "fashion-mnist"


async def test_many_are_judged_in_order_and_a_bad_one_fails_alone(client: httpx.AsyncClient) -> None:
    label = await predicted(client, png())

    report = (await send(client, (png(), label), (b"no image", label), (png(), other(label)))).json()

    assert (report["count"], report["correct"]) == (2, 1)
    assert [answer.get("correct") for answer in report["answers"]] == [True, None, False]
    assert report["answers"][1]["status"] == 415
    assert "1.png" in report["answers"][1]["detail"]


async def test_images_that_are_sent_at_the_same_time_are_decoded_one_after_another(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding, most = Lock(), list[bool]()

    def watched(*arguments: Any) -> bytes:
        most.append(decoding.acquire(blocking=False))
        time.sleep(0.02)  # for the others to come
        try:
            return decode(*arguments)
        finally:
            if most[-1]:
                decoding.release()

    monkeypatch.setattr("app.routes.feedback.decode", watched)
    answers = await asyncio.gather(*[send(client, (png(), LABELS[0])) for _ in range(4)])

    assert [answer.status_code for answer in answers] == [200] * 4
    assert most == [True] * 4


async def test_the_metrics_show_accuracy_interval_and_confusion(client: httpx.AsyncClient) -> None:
    label = await predicted(client, png())
    await send(client, *[(png(), label)] * 3, (png(), other(label)))

    found = await live(client)

    assert (found["count"], found["correct"], found["accuracy"]) == (4, 3, 0.75)
    assert found["accuracy_interval"] == pytest.approx(wilson_interval(3, 4))
    matrix = found["confusion_matrix"]
    assert isinstance(matrix, list)
    assert matrix[LABELS.index(label)][LABELS.index(label)] == 3
    assert matrix[LABELS.index(other(label))][LABELS.index(label)] == 1
    assert sum(map(sum, matrix)) == 4


async def test_the_calibration_is_that_of_the_answers_given(client: httpx.AsyncClient) -> None:
    images = [png(ankle_boot()), png(noise(1)), png(noise(2))]
    answers = [(await client.post("/predict", files={"file": image})).json() for image in images]
    bins: dict[int, float] = {}
    for answer, right in zip(answers, (True, False, True), strict=True):
        position = min(int(answer["confidence"] * 15), 14)
        bins[position] = bins.get(position, 0) + right - answer["confidence"]

    truths = [answers[0]["label"], other(answers[1]["label"]), answers[2]["label"]]
    await send(client, *zip(images, truths, strict=True))

    assert (await live(client))["calibration_error"] == pytest.approx(sum(map(abs, bins.values())) / 3)


async def test_prometheus_gets_the_live_accuracy_beside_the_test_accuracy(client: httpx.AsyncClient) -> None:
    label = await predicted(client, png())
    await send(client, (png(), label), (png(), other(label)))

    text = (await client.get("/metrics", headers={"Accept": "text/plain"})).text

    values = {sample.name: sample.value for family in parse_prometheus(text) for sample in family.samples}
    assert values["softmax_model_live_accuracy"] == 0.5
    assert values["softmax_model_live_accuracy_low"] == pytest.approx(wilson_interval(1, 2)[0])
    assert values["softmax_model_test_accuracy"] == 0.9


@pytest.mark.parametrize(("right", "wrong", "words"), [(1, 1, "chance"), (5, 60, "not by chance")])
async def test_accuracy_below_the_test_interval_is_warned_of(
    client: httpx.AsyncClient, right: int, wrong: int, words: str
) -> None:
    label = await predicted(client, png())
    await send(client, *[(png(), label)] * right, *[(png(), other(label))] * wrong)

    warning = (await live(client))["warning"]

    assert "82.6% to 94.5%" in str(warning)
    assert words in str(warning)


async def test_accuracy_within_the_test_interval_is_not_warned_of(client: httpx.AsyncClient) -> None:
    label = await predicted(client, png())
    await send(client, *[(png(), label)] * 9, (png(), other(label)))

    assert "warning" not in await live(client)


async def test_an_unknown_label_refuses_the_whole_request(client: httpx.AsyncClient) -> None:
    label = await predicted(client, png())

    answer = await send(client, (png(), label), (png(), "Hat"))

    assert answer.status_code == 422
    assert "'Hat'" in answer.json()["detail"]
    assert (await client.get("/metrics")).json()["live"]["feedback"] == {}


async def test_a_lone_image_that_cannot_be_read_is_refused_and_not_counted(client: httpx.AsyncClient) -> None:
    answer = await send(client, (b"no image", "Bag"))

    assert answer.status_code == 415
    assert (await client.get("/metrics")).json()["live"]["feedback"] == {}


async def test_a_file_without_label_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/feedback", files={"file": png()})

    assert answer.status_code == 400
    assert "one label a file" in answer.json()["detail"]


async def test_more_images_than_allowed_are_refused(client: httpx.AsyncClient, settings: Settings) -> None:
    answer = await send(client, *[(b"x", "Bag")] * (settings.max_batch_images + 1))

    assert answer.status_code == 413
    assert f"the limit is {settings.max_batch_images:,}" in answer.json()["detail"]
    assert answer.json()["title"] == "Too many images"
