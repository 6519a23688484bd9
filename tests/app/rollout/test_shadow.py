"""Challengers in the shadow of real models: what they leave in the records, and that nobody else notices."""

import re
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from app.main import Service, create_app
from app.records.pairs import read_pairs
from app.records.records import Records
from app.records.told import Label
from app.rollout.shadow import Shadow
from app.serving.live_models import LiveModels
from app.settings import Settings
from tests import drawings
from tests.app.records.conftest import answer_of
from tests.app.rollout.conftest import save_model
from tests.conftest import LABELS

NAME = "letters"
SOME = [bytes([number]) * 400 + bytes(384) for number in range(1, 9)]


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    with closing(Records(f"sqlite:///{tmp_path}/var/records.sqlite", "answers")) as records:
        yield records


@pytest.fixture
def models(folder: Path) -> LiveModels:
    save_model(folder / "challenger", seed=2)
    return LiveModels(folder.parent)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def shadow(models: LiveModels, records: Records, registry: CollectorRegistry) -> Shadow:
    return Shadow(models, records, registry)


def told(records: Records, models: LiveModels) -> tuple[list[int], int]:
    """The truths of what both have classified, and how many answers of the challenger there are."""
    held = models.versions(NAME)
    pairs = read_pairs(records.database, NAME, held["champion"].version, held["challenger"].version)
    return pairs.truths, len(pairs.challenger) // 40


def ask(shadow: Shadow, models: LiveModels, images: list[bytes], records: Records, version: str | None = None) -> None:
    answers = [answer_of() for _ in images]
    shadow.answered(models.get(NAME, version), answers, images, checked=True)
    records.writer.write()
    records.tell([label_of(answer.id) for answer in answers], LABELS)


def label_of(answer_id: str) -> Label:
    return Label(1, answer_id, LABELS[0], "client", 1.0)


def packed(row: list[float]) -> bytes:
    return struct.pack(f"<{len(row)}f", *row)


def test_what_the_challenger_would_have_answered_is_recorded_beside(
    shadow: Shadow, models: LiveModels, records: Records
) -> None:
    ask(shadow, models, SOME, records)

    held = models.versions(NAME)
    pairs = read_pairs(records.database, NAME, held["champion"].version, held["challenger"].version)
    rows, _ = held["challenger"].rows(SOME)
    assert len(pairs.truths) == len(SOME)
    assert pairs.challenger == b"".join(packed(row) for row in rows)


def test_while_requests_are_shed_the_challenger_rests_and_the_champions_answers_are_recorded(
    shadow: Shadow, models: LiveModels, records: Records
) -> None:
    shadow.answered(models.get(NAME), [answer_of()], SOME[:1], checked=True)
    shadow.rest()
    ask(shadow, models, SOME[1:], records)

    assert told(records, models) == ([], 0)
    assert records.windows(models)[NAME][models.get(NAME).version]["all"]["answers"] == 8


def test_a_challenger_that_fails_is_dropped_once_and_the_answers_are_recorded(
    shadow: Shadow, models: LiveModels, records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    short = [b"too short"] * 2  # what no champion could have answered makes a challenger fail
    ask(shadow, models, short, records)
    ask(shadow, models, SOME, records)

    assert caplog.text.count("fails and is dropped; the champion answers on.") == 1
    assert shadow.challenger_of(models.get(NAME)) is None
    assert records.windows(models)[NAME][models.get(NAME).version]["all"]["answers"] == 10


def test_who_asks_for_the_challenger_by_version_is_no_pair(
    shadow: Shadow, models: LiveModels, records: Records
) -> None:
    ask(shadow, models, SOME, records, models.versions(NAME)["challenger"].version)

    assert told(records, models) == ([], 0)


def test_agreement_is_counted(
    shadow: Shadow, models: LiveModels, records: Records, registry: CollectorRegistry
) -> None:
    ask(shadow, models, SOME, records)

    challenger = models.versions(NAME)["challenger"]
    counts = [
        registry.get_sample_value(
            "softmax_challenger_answers_total", {"model": NAME, "version": challenger.version, "agrees": agrees}
        )
        for agrees in ("true", "false")
    ]
    agreeing = challenger.class_ids(SOME).count(0)
    assert counts == [agreeing, 8 - agreeing]


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/predict", "/predict/batch", "/explain", "/v2/models/fashion-mnist/infer"])
async def test_it_changes_no_byte_of_any_answer(models_dir: Path, path: str) -> None:
    alone = create_app(Settings(models_dir=models_dir))
    plain = await answer_to(alone, path)
    save_model(models_dir / "fashion-mnist" / "challenger", seed=2)
    shadowed = create_app(Settings(models_dir=models_dir))

    assert await answer_to(shadowed, path) == plain
    if path != "/explain":
        counted = shadowed.state.parts.telemetry.exposition("text/plain")[0].decode()
        assert 'softmax_challenger_answers_total{agrees="' in counted


async def answer_to(app: Service, path: str) -> bytes:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        if path.startswith("/v2"):
            tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 784], "data": list(SOME[3])}
            answer = await client.post(path, json={"inputs": [tensor]})
        else:
            name = "files" if path.endswith("batch") else "file"
            answer = await client.post(path, files={name: drawings.png()})
    assert answer.status_code == 200
    return without_ids(answer.content)


def without_ids(content: bytes) -> bytes:
    """The answer's ids are random."""
    return re.sub(rb'"(id|answer_ids)":"[^"]*"', b"", content)
