"""Counting never fails, whatever becomes of the files in which the workers' counts meet."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from app.classifier import artifact
from tests import drawings
from tests.conftest import REPOSITORY, launcher_at, make_metadata, make_model, running_server, workers_of


class Workers(NamedTuple):
    """A service of two, and where their counts meet."""

    url: str
    temporary: Path

    @property
    def folder(self) -> Path:
        [folder] = self.temporary.glob("softmax-metrics-*")
        return folder

    def processes(self) -> set[psutil.Process]:
        return set(workers_of(launcher_at(self.url)))

    def predicted(self) -> float:
        """How many images it has classified, after some more."""
        self.predict()
        return self.sum_of("softmax_predictions_total")

    def predict(self, times: int = 10) -> set[int]:
        return {httpx.post(f"{self.url}/predict", files={"file": drawings.png()}).status_code for _ in range(times)}

    def sum_of(self, name: str) -> float:
        text = httpx.get(f"{self.url}/metrics", headers={"Accept": "text/plain"}).raise_for_status().text
        return sum(
            sample.value for family in parse_prometheus(text) for sample in family.samples if sample.name == name
        )

    def wait_for(self, name: str, expected: float) -> float:
        deadline = time.monotonic() + 60
        while (value := self.sum_of(name)) != expected and time.monotonic() < deadline:
            time.sleep(0.2)
        return value


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    models, temporary = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("tmp")
    artifact.save(models / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    with running_server(models, SOFTMAX_WORKERS="2", TMPDIR=str(temporary)) as url:
        service = Workers(url, temporary)
        assert service.wait_for("softmax_workers", 2) == 2
        yield service


@pytest.mark.slow
def test_a_folder_that_is_removed_is_made_again_with_all_that_was_counted(workers: Workers) -> None:
    counted = workers.predicted()
    before = workers.processes()

    shutil.rmtree(workers.folder)

    assert workers.wait_for("softmax_predictions_total", counted) == counted
    assert workers.wait_for("softmax_workers", 2) == 2
    assert workers.processes() == before


@pytest.mark.slow
def test_files_that_somebody_empties_end_no_worker_and_are_written_again(workers: Workers) -> None:
    counted = workers.predicted()
    before = workers.processes()

    for path in workers.folder.glob("*.db"):
        os.truncate(path, 0)
    (workers.folder / "counter_99999999.db").touch()

    assert workers.predict() == {200}
    assert workers.wait_for("softmax_predictions_total", counted + 10) == counted + 10
    assert workers.processes() == before


@pytest.mark.slow
def test_a_file_that_cannot_be_read_is_skipped(workers: Workers) -> None:
    counted = workers.predicted()

    for number, junk in enumerate([b"", b"\xff" * 64, b"\x40\0\0\0" + bytes(60), b"\x08\0\0"]):
        (workers.folder / f"counter_9999999{number}.db").write_bytes(junk)

    assert workers.sum_of("softmax_predictions_total") == counted


@pytest.mark.slow
def test_a_worker_is_replaced_while_the_folder_of_temporary_files_is_gone(workers: Workers) -> None:
    shutil.rmtree(workers.temporary)
    victim = min(workers.processes(), key=lambda process: process.pid)

    victim.kill()
    psutil.wait_procs([victim], timeout=60)

    assert workers.wait_for("softmax_workers", 2) == 2
    assert workers.predict() == {200}


def test_where_no_file_can_grow_a_worker_counts_on_and_says_once_that_it_is_alone(tmp_path: Path) -> None:
    program = """
import logging, resource
from prometheus_client import CollectorRegistry, Counter
from app.process.shared_counters import all_workers, sharing
logging.basicConfig()
registry = CollectorRegistry()
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
counter = Counter("images", "images", ("name",), registry=registry)
with sharing():
    for number in range(1000):
        counter.labels(f"a name of some length {number}").inc()
        all_workers(registry) if number % 500 == 0 else None
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(sum(sample.value for metric in all_workers(registry) for sample in metric.samples))
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "made")},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert float(result.stdout) == 1000
    assert result.stderr.count("can't be shared") == 1
    assert result.stderr.count("is shared again") == 1


def test_a_process_with_the_number_of_a_dead_one_goes_on_from_its_counts(tmp_path: Path) -> None:
    program = """
import os
os.getpid = lambda: 7
from prometheus_client import CollectorRegistry, Counter
from app.process.shared_counters import all_workers, sharing
registry = CollectorRegistry()
counter = Counter("images", "images", registry=registry)
with sharing():
    counter.inc(3)
    print([sample.value for metric in all_workers(registry) for sample in metric.samples])
"""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    for expected in ("[3.0]\n", "[6.0]\n"):
        result = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=True)
        assert result.stdout == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", ["PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"])
def test_one_process_shares_nothing_whatever_its_environment_says(models_dir: Path, tmp_path: Path, name: str) -> None:
    with running_server(models_dir, **{name: str(tmp_path / "none")}) as url:
        assert httpx.get(f"{url}/metrics").status_code == 200

    assert not (tmp_path / "none").exists()
