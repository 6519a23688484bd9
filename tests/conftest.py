"""Fixtures: a small real model file, the real application in process, and a real server on a socket."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import hypothesis
import psutil
import pytest
import torch

from app.classifier import artifact
from app.classifier.metadata import ClassScores, CoverageScores, Evaluation, Metadata
from app.classifier.softmax import PIXELS, SoftmaxRegression
from app.main import Service, create_app
from app.settings import Settings
from tests.preloaded import Started, start

# The same examples in each run; CI also runs with `--hypothesis-profile random --hypothesis-seed` and a new seed.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("random", deadline=None)
hypothesis.settings.load_profile("repeatable")

LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
REPOSITORY = Path(__file__).parent.parent

_processes: dict[str, Started] = {}  # that were started, by their base URLs


def make_model(labels: tuple[str, ...] = LABELS, seed: int = 0) -> SoftmaxRegression:
    """A model with random weights of a trained model's size."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(len(labels), PIXELS, generator=generator) * 0.05
    return SoftmaxRegression(weight, torch.randn(len(labels), generator=generator))


def make_metadata(name: str = "fashion-mnist", labels: tuple[str, ...] = LABELS) -> Metadata:
    """Metadata as a training run would write it: each class 9 times right, once taken for the next."""
    count = len(labels)
    rows = [[9 * (row == column) + (column == (row + 1) % count) for column in range(count)] for row in range(count)]
    evaluation = Evaluation(
        sample_count=10 * count,
        accuracy=0.9,
        accuracy_interval=(0.826, 0.945),
        loss=0.5,
        calibration_error=0.02,
        coverages=(CoverageScores(coverage=0.95, measured_coverage=0.942, mean_set_size=1.286),),
        classes=tuple(ClassScores(label=label, precision=0.9, recall=0.9, f1=0.9, sample_count=10) for label in labels),
        confusion_matrix=tuple(map(tuple, rows)),
    )
    return Metadata(
        name=name,
        labels=labels,
        dataset="generated",
        dataset_fingerprint="0" * 64,
        hyperparameters={"epochs": 1},
        seed=0,
        library_versions={"torch": str(torch.__version__)},
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        evaluation=evaluation,
    )


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the service does."""
    return "asyncio"


@pytest.fixture(autouse=True)
def records_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where every service of a test keeps its records, unless told otherwise: never in the folder that it runs in."""
    url = f"sqlite:///{tmp_path}/var/records.sqlite"
    monkeypatch.setenv("SOFTMAX_RECORDS", url)
    return url


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    """A models folder with one model, `fashion-mnist`."""
    folder = tmp_path / "models"
    artifact.save(folder / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    return folder


@pytest.fixture
def settings(models_dir: Path) -> Settings:
    return Settings(models_dir=models_dir)


@pytest.fixture
def app(settings: Settings) -> Service:
    return create_app(settings)


@pytest.fixture
async def client(app: Service) -> AsyncIterator[httpx.AsyncClient]:
    """An httpx client of the application in process."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        yield client


@contextmanager
def running_server(models_dir: Path, *command: str, port: str = "", **environment: str) -> Iterator[str]:
    """A server as a process of its own, `python -m app` unless told otherwise; yields its base URL, ends it by SIGTERM.

    Args:
        models_dir: its models.
        command: what stands between `python -m` and `--port`.
        port: it listens on; by default a free one.
        environment: more variables, such as SOFTMAX_MAX_IMAGE_BYTES.
    """
    port = port or str(free_port())
    url = f"http://127.0.0.1:{port}"
    with TemporaryDirectory() as folder:
        settings = {
            "SOFTMAX_MODELS_DIR": str(models_dir),
            "SOFTMAX_DRAIN_SECONDS": "0",
            "SOFTMAX_ALLOWED_HOSTS": "s,a,t",
            "SOFTMAX_RECORDS": f"sqlite:///{folder}/records.sqlite",
        }
        process = start(*(command or ("app",)), "--port", port, environment=os.environ | settings | environment)
        _processes[url] = process
        try:
            wait_until_it_answers(url, process)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


def launcher_at(url: str) -> psutil.Process:
    """The process that `running_server` started."""
    return psutil.Process(_processes[url].pid)


def workers_of(launcher: psutil.Process) -> list[psutil.Process]:
    """A service's workers: children of the launcher's child from which they are forked; none where it is alone."""
    return [worker for child in launcher.children() for worker in child.children()]


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until_it_answers(url: str, process: Started | subprocess.Popen[bytes], seconds: float = 180) -> None:
    """Return once the server is alive; fail the test if it ends or takes longer."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{url}/livez")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"{url} did not answer within {seconds} s; exit code {process.poll()}.")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a real server with the model `fashion-mnist`, shared by all tests that leave it as it is."""
    folder = tmp_path_factory.mktemp("models")
    artifact.save(folder / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    with running_server(folder) as url:
        yield url
