"""Several workers behind one port: one service, one set of figures."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from app.classifier import artifact
from tests import drawings
from tests.conftest import LABELS, launcher_at, make_metadata, make_model, running_server, workers_of


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a server with two workers."""
    folder = tmp_path_factory.mktemp("models")
    artifact.save(folder / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    with running_server(folder, SOFTMAX_WORKERS="2") as url:
        assert wait_for(lambda: gauge(url, "softmax_workers"), 2) == 2
        yield url


def samples(url: str) -> dict[str, float]:
    """Each sample's value by name, summed over its labels, from whichever worker answers a new connection."""
    text = httpx.get(f"{url}/metrics", headers={"Accept": "text/plain"}).text
    sums: dict[str, float] = {}
    for family in parse_prometheus(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


def gauge(url: str, name: str) -> float:
    return samples(url).get(name, 0)


def wait_for(read: object, expected: float, seconds: float = 60) -> float:
    """Read until the expected value is there, or time is up; return the last value."""
    assert callable(read)
    deadline = time.monotonic() + seconds
    while (value := float(read())) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    return value


def test_whichever_worker_answers_the_counters_are_those_of_all(workers: str) -> None:
    before = gauge(workers, "softmax_predictions_total")

    for _ in range(30):  # each over a connection of its own, so that both workers get some
        httpx.post(f"{workers}/predict", files={"file": drawings.png()})

    assert {gauge(workers, "softmax_predictions_total") - before for _ in range(10)} == {30}
    live = httpx.get(f"{workers}/metrics").json()["live"]
    assert sum(live["predictions"].values()) == before + 30


def test_the_accuracy_is_not_added_up(workers: str) -> None:
    assert gauge(workers, "softmax_model_test_accuracy") == 0.9


def test_a_killed_worker_leaves_the_gauges_keeps_its_counts_and_is_replaced(workers: str) -> None:
    before = gauge(workers, "softmax_predictions_total")
    victim = workers_of(launcher_at(workers))[0]

    victim.kill()

    assert wait_for(lambda: victim in workers_of(launcher_at(workers)), 0) == 0
    assert wait_for(lambda: gauge(workers, "softmax_workers"), 2) == 2
    assert gauge(workers, "softmax_predictions_total") == before


def test_the_folder_of_the_figures_goes_with_the_service(models_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / ("a path that is too long for a socket, " * 3)
    folder.mkdir()

    with running_server(models_dir, SOFTMAX_WORKERS="2", TMPDIR=str(folder)):
        during = list(folder.glob("softmax-metrics-*"))

    assert len(during) == 1
    assert not during[0].exists()


def test_the_live_accuracy_is_that_of_all_workers(workers: str) -> None:
    label = httpx.post(f"{workers}/predict", files={"file": drawings.png()}).json()["label"]
    truths = [label] * 15 + [next(other for other in LABELS if other != label)] * 5

    for truth in truths:  # each over a connection of its own, so that both workers are asked
        httpx.post(f"{workers}/feedback", files=[("file", drawings.png()), ("label", (None, truth.encode()))])

    figures = httpx.get(f"{workers}/metrics").json()["live"]["feedback"]["fashion-mnist"]
    assert (figures["count"], figures["correct"]) == (20, 15)
    assert gauge(workers, "softmax_model_live_accuracy") == 0.75
