"""Promotions and rollbacks under full load, by another process and over HTTP: no request notices."""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from app.classifier import artifact
from app.records.database import Database
from app.rollout.rollouts import Rollouts
from tests.app.rollout.conftest import save_model
from tests.conftest import REPOSITORY
from tests.load import full_load
from tests.reliability.test_live_models import (
    NAME,
    NEVER_TOO_BUSY,
    QUICK,
    Service,
    check,
    expected_answer,
    requests_of_every_kind,
    running_service,
    until,
)

ADMIN = {"X-API-Key": "0123456789abcdef-alice"}


@pytest.mark.parametrize(
    ("workers", "rounds"),
    [
        pytest.param(2, 5, marks=pytest.mark.slow),
        pytest.param(1, 50, marks=pytest.mark.soak),
        pytest.param(2, 50, marks=pytest.mark.soak),
    ],
)
def test_promotions_and_rollbacks_under_full_load_fail_no_request(tmp_path: Path, workers: int, rounds: int) -> None:
    """Each round is a promotion and a rollback."""
    models, answered, everywhere = tmp_path / "models", [], []  # seconds
    settings = {"SOFTMAX_MAX_DELAY_MS": NEVER_TOO_BUSY, "SOFTMAX_ADMIN_KEYS": f"alice:{ADMIN['X-API-Key']}"}
    if rounds < 10:
        settings["SOFTMAX_MODELS_POLL_SECONDS"] = QUICK
    rollouts = Rollouts(models, Database(f"sqlite:///{tmp_path}/records.sqlite"))
    with running_service(
        models, workers, SOFTMAX_RECORDS=f"sqlite:///{tmp_path}/records.sqlite", **settings
    ) as service:
        expected = expected_answer(service)
        with full_load(requests_of_every_kind(service)) as answers:
            for seed in range(1, rounds + 1):
                promote_another(rollouts, tmp_path / "new", seed)
                wait_for_swaps(service, 2 * seed - 1)
                expected |= expected_answer(service)
                began = time.monotonic()
                taken_back = service.client.post(f"/models/{NAME}/rollback", headers=ADMIN)
                answered.append(time.monotonic() - began)
                assert taken_back.status_code == 200, taken_back.text
                wait_for_swaps(service, 2 * seed)
                everywhere.append(time.monotonic() - began)
        history = rollouts.history(NAME)
    rollouts.close()

    print(  # noqa: T201 - the figures of benchmarks/reliability.md
        f"\n{workers} worker(s), {2 * rounds} promotions and rollbacks, {answers.total():,} requests. Until a "
        f"worker answered by the previous version, and said so: median {median(answered):.2f} s, slowest "
        f"{max(answered):.2f} s; until /metrics showed it of all: {median(everywhere):.2f} s, {max(everywhere):.2f} s."
    )
    check(answers, expected)
    assert [row.action for row in history] == ["rollback", "promotion"] * rounds


@pytest.mark.slow
def test_a_rollback_in_the_terminal_is_what_a_running_service_answers_by(tmp_path: Path) -> None:
    models, answered, ended, cpu = tmp_path / "models", [], [], []  # seconds
    records = f"sqlite:///{tmp_path}/records.sqlite"
    environment = os.environ | {"SOFTMAX_MODELS_DIR": str(models), "SOFTMAX_RECORDS": records}
    command = [sys.executable, "-m", "app", "rollback", NAME]
    rollouts = Rollouts(models, Database(records))
    with running_service(models, 1, SOFTMAX_RECORDS=records) as service:
        first = version_of(service)
        promote_another(rollouts, tmp_path / "new", seed=1)
        present = wait_for_another(service, first)
        for _ in range(10):
            began, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            with subprocess.Popen(command, cwd=REPOSITORY, env=environment) as process:
                present = wait_for_another(service, present)
                answered.append(time.monotonic() - began)
            ended.append(time.monotonic() - began)
            cpu.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used)
            assert process.returncode == 0
        history = rollouts.history(NAME)
    rollouts.close()

    print(  # noqa: T201 - the figures of benchmarks/reliability.md
        f"\nFrom the start of the command until the service answered by the previous version: median "
        f"{median(answered):.2f} s, slowest {max(answered):.2f} s; until the command had ended: {median(ended):.2f} s, "
        f"{max(ended):.2f} s; CPU time of the command {median(cpu):.2f} s."
    )
    assert [(row.action, row.who) for row in history[:10]] == [("rollback", "the command line")] * 10


def promote_another(rollouts: Rollouts, folder: Path, seed: int) -> None:
    save_model(folder, seed)
    rollouts.challenge(NAME, folder / artifact.FILE_NAME)
    rollouts.promote(NAME, "alice", force=True)


def version_of(service: Service) -> str:
    version: str = service.ask().json()["model"]["version"]
    return version


def wait_for_another(service: Service, version: str) -> str:
    until(lambda: version_of(service) != version)
    return version_of(service)


def wait_for_swaps(service: Service, count: int) -> None:
    until(lambda: service.counted("softmax_model_swaps_total") == count * service.workers)
