"""`POST /feedback` by id, the windows in `/metrics`, and `GET /review`."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from app.main import create_app
from app.settings import Settings
from tests.conftest import LABELS
from tests.drawings import ankle_boot, noise, png

NDJSON = {"Content-Type": "application/x-ndjson"}


@pytest.fixture
async def client(models_dir: Path) -> AsyncIterator[httpx.AsyncClient]:
    """An application that records images, and writes whenever it is asked for something that reads."""
    app = create_app(Settings(models_dir=models_dir, record="images"))

    async def write(request: httpx.Request) -> None:
        if request.url.path != "/predict":
            app.state.parts.records.writer.write()

    hooks = {"request": [write]}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service", event_hooks=hooks) as client:
        yield client
    app.state.parts.records.close()


async def ask(client: httpx.AsyncClient, content: bytes | None = None) -> dict[str, str]:
    found: dict[str, str] = (await client.post("/predict", files={"file": content or png()})).json()
    return found


async def windows(client: httpx.AsyncClient) -> dict[str, dict[str, object]]:
    live = (await client.get("/metrics")).json()["live"]
    [found] = live["windows"]["fashion-mnist"].values()
    return dict(found)


def other(label: str) -> str:
    return next(name for name in LABELS if name != label)


async def test_a_label_by_id_is_counted_in_every_window(client: httpx.AsyncClient) -> None:
    first, second = await ask(client), await ask(client)

    right = await client.post("/feedback", json={"id": first["id"], "label": first["label"], "source": "ann"})
    wrong = await client.post("/feedback", json=[{"id": second["id"], "label": other(second["label"])}])

    assert right.json() == wrong.json() == {"kept": 1, "joined": 1, "waiting": 0, "repeated": 0, "outdated": 0}
    for figures in (await windows(client)).values():
        assert (figures["answers"], figures["labels"], figures["accuracy"]) == (2, 2, 0.5)


async def test_many_labels_are_told_at_once_in_lines(client: httpx.AsyncClient) -> None:
    answers = [await ask(client) for _ in range(5)]
    lines = "\n".join(json.dumps({"id": answer["id"], "label": answer["label"]}) for answer in answers)

    first = await client.post("/feedback", content=lines, headers=NDJSON)
    second = await client.post("/feedback", content=lines, headers=NDJSON)

    assert (first.json()["joined"], second.json()["repeated"]) == (5, 5)
    assert (await windows(client))["hour"]["labels"] == 5


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ('{"id": "', 400, "Line 2 is not JSON"),
        ('{"id": "my-own", "label": "Bag"}', 400, "Line 2: id"),
        ('{"id": "%s", "label": "Hat"}', 422, "Line 2: 'Hat' is no label"),
        ('{"id": "%s", "label": "Bag", "time": "2999-01-01T00:00:00Z"}', 400, "lies in the future"),
    ],
)
async def test_a_line_that_cant_be_taken_is_named_and_nothing_is_counted(
    client: httpx.AsyncClient, line: str, status: int, words: str
) -> None:
    answer = await ask(client)
    good = json.dumps({"id": answer["id"], "label": answer["label"]})

    refused = await client.post("/feedback", content=f"{good}\n{line.replace('%s', answer['id'])}", headers=NDJSON)

    assert refused.status_code == status
    assert words in refused.json()["detail"]
    assert (await windows(client))["all"]["labels"] == 0


async def test_more_labels_than_are_taken_at_once_are_refused(client: httpx.AsyncClient) -> None:
    lines = (json.dumps({"id": "0" * 28, "label": "Bag"}) + "\n") * 10_001

    refused = await client.post("/feedback", content=lines, headers=NDJSON)

    assert refused.status_code == 413
    assert "10,001 labels; the limit is 10,000" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"[" * 20_000, "json"),
        (b"[" + b"{}," * 20_000 + b"{}]", "json"),
        (b"[" + b"1," * 100_000 + b"1]", "json"),
        (b"[" + b"[]," * 20_000 + b"[]]", "json"),
        (b'{"a":1}\n' * 20_000, "x-ndjson"),
        (b"\n" * 100_000, "x-ndjson"),
    ],
    ids=["deep", "empty objects", "numbers", "empty lists", "lines", "empty lines"],
)
async def test_json_of_more_than_labels_is_refused_before_it_is_parsed(
    client: httpx.AsyncClient, content: bytes, kind: str
) -> None:
    refused = await client.post("/feedback", content=content, headers={"Content-Type": f"application/{kind}"})

    assert refused.status_code == 413


async def test_a_judged_image_has_an_id_by_which_its_label_is_corrected(client: httpx.AsyncClient) -> None:
    label = (await ask(client))["label"]
    [judged] = (await client.post("/feedback", files={"file": png()}, data={"label": other(label)})).json()["answers"]

    corrected = await client.post("/feedback", json={"id": judged["id"], "label": label})

    assert corrected.json()["joined"] == 1
    assert (await windows(client))["all"]["accuracy"] == 1.0


async def test_rows_of_the_protocol_have_ids_too(client: httpx.AsyncClient) -> None:
    data = [[0] * 784, list(ankle_boot().tobytes())]
    body = {"inputs": [{"name": "images", "datatype": "UINT8", "shape": [2, 784], "data": data}]}

    answer = (await client.post("/v2/models/fashion-mnist/infer", json=body)).json()

    labels = answer["outputs"][1]["data"]
    ids = answer["parameters"]["answer_ids"].split(",")
    told = [{"id": its_id, "label": label} for its_id, label in zip(ids, labels, strict=True)]
    assert (await client.post("/feedback", json=told)).json()["joined"] == 2
    assert (await windows(client))["all"]["accuracy"] == 1.0


async def test_where_answers_are_not_kept_it_is_said_what_waiting_means(models_dir: Path) -> None:
    app = create_app(Settings(models_dir=models_dir))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        answer = await ask(client)

        report = (await client.post("/feedback", json={"id": answer["id"], "label": answer["label"]})).json()

    app.state.parts.records.close()
    assert report["waiting"] == 1
    assert "SOFTMAX_RECORD=answers" in report["note"]


async def test_prometheus_gets_every_window_of_the_version_that_is_served(client: httpx.AsyncClient) -> None:
    answer = await ask(client)
    await client.post("/feedback", json={"id": answer["id"], "label": answer["label"]})

    text = (await client.get("/metrics", headers={"Accept": "text/plain"})).text

    samples = [sample for family in parse_prometheus(text) for sample in family.samples]
    accuracies = {s.labels["window"]: s.value for s in samples if s.name == "softmax_model_live_accuracy"}
    assert accuracies == {"hour": 1.0, "day": 1.0, "week": 1.0, "all": 1.0}
    assert [s.value for s in samples if s.name == "softmax_records_failing"] == [0.0]
    assert [s.value for s in samples if s.name == "softmax_feedback_total"] == [1.0]


async def test_a_database_that_cant_be_written_stops_labels_and_nothing_else(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SOFTMAX_RECORDS", f"sqlite:///{tmp_path}/file/records.sqlite")
    app = create_app(Settings(models_dir=models_dir))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        answer = await client.post("/predict", files={"file": png()})
        refused = await client.post("/feedback", json={"id": answer.json()["id"], "label": answer.json()["label"]})
        form = await client.post("/feedback", files={"file": png()}, data={"label": "Bag"})
        live = (await client.get("/metrics")).json()["live"]

    assert answer.status_code == 200
    assert refused.status_code == form.status_code == 503
    assert "records.sqlite can't be written: " in refused.json()["detail"]
    assert refused.headers["Retry-After"] == "1"
    assert live["requests"] == 3
    assert "can't be read" in live["records"]["problem"]


async def test_review_shows_what_is_recorded_and_takes_its_label(client: httpx.AsyncClient) -> None:
    ids = {(await ask(client, png(noise(seed))))["id"] for seed in range(4)}

    review = (await client.get("/review", params={"limit": 10})).json()

    assert review["labels"] == list(LABELS)
    assert {image["id"] for image in review["images"]} == ids
    first = review["images"][0]
    assert first["label"] == max(first["probabilities"], key=first["probabilities"].__getitem__)
    assert [len(row) for row in first["pixels"]] == [28] * 28
    await client.post("/feedback", json={"id": first["id"], "label": "none of these", "source": "review"})
    assert len((await client.get("/review")).json()["images"]) == 3


async def test_where_no_images_are_kept_review_says_how_to_keep_them(models_dir: Path) -> None:
    app = create_app(Settings(models_dir=models_dir))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        refused = await client.get("/review")

    app.state.parts.records.close()
    assert refused.status_code == 409
    assert "SOFTMAX_RECORD=images" in refused.json()["detail"]
