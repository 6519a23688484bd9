"""Several processes, started by torchrun, give what one gives; a rank that dies changes nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from app.classifier import artifact
from tests.conftest import REPOSITORY, free_port
from tests.training.conftest import CommandLine, make_split
from training import jobs
from training.fitting.checkpoints import FILE_NAME, purpose_of, save_checkpoint
from training.fitting.fit import Fit
from training.fitting.processes import ALONE, Processes
from training.fitting.recipes import Recipe
from training.results.measured import Measured


def test_the_parts_of_a_minibatch_are_disjoint_and_make_up_the_whole() -> None:
    minibatch = torch.arange(30).view(10, 3)

    parts = [Processes(rank, 3, restarted=False).part(minibatch) for rank in range(3)]

    assert torch.equal(torch.cat(parts), minibatch)
    assert torch.equal(ALONE.part(minibatch), minibatch)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_process_that_torchrun_did_not_start_says_so_where_it_has_a_rank(
    training: CommandLine, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")

    result = training("fit", "--data-dir", data_dir, "--epochs", "1", "--out", tmp_path / "m")

    assert "RANK is set, but torchrun did not start this process: it trains alone" in result.stderr


def test_the_processes_have_parted_before_the_leader_measures(
    training: CommandLine, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torchrun = {"TORCHELASTIC_RUN_ID": "x", "TORCHELASTIC_RESTART_COUNT": "0", "RANK": "0", "LOCAL_RANK": "0"}
    meeting = {"WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    for name, value in (torchrun | meeting).items():
        monkeypatch.setenv(name, value)
    together: list[tuple[str, bool]] = []
    for place, name in ((Fit, "finish"), (Fit, "epochs"), (Measured, "of"), (jobs, "publish")):
        _watch(monkeypatch, place, name, together)

    result = training("fit", "--data-dir", data_dir, "--epochs", "1", "--device", "cpu", "--out", tmp_path / "m")

    assert result.exit_code == 0, result.stderr
    assert together == [("epochs", True), ("of", False), ("publish", False)]


def _watch(monkeypatch: pytest.MonkeyPatch, place: object, name: str, together: list[tuple[str, bool]]) -> None:
    """Note for each call whether the processes' group is there."""
    original = getattr(place, name)

    def watched(*arguments: object, **options: object) -> object:
        together.append((name, torch.distributed.is_initialized()))
        return original(*arguments, **options)

    monkeypatch.setattr(place, name, watched)


@pytest.mark.slow
@pytest.mark.parametrize("is_stale", [False, True], ids=["resumed", "stale checkpoint"])
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to find a rank to kill")
def test_two_ranks_of_which_one_is_killed_give_the_weights_of_one_process(
    training: CommandLine, data_dir: Path, tmp_path: Path, *, is_stale: bool
) -> None:
    options = ["fit", "--data-dir", str(data_dir), "--epochs", "600", "--device", "cpu", "--out"]
    checkpoint = tmp_path / "two" / FILE_NAME
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--max-restarts=1"]

    training(*options, tmp_path / "one")
    if is_stale:
        other = Fit(Recipe(), make_split(20), make_split(0), 10, torch.device("cpu"))
        save_checkpoint(checkpoint, other.checkpoint(purpose_of(Recipe(), 0.5, "of other data")))
    process = subprocess.Popen(
        [*launcher, "-m", "training", *options, str(tmp_path / "two")],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 240
    while (
        not (checkpoint.exists() and len(children(process.pid)) > 1)
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    os.kill(children(process.pid)[1], signal.SIGKILL)
    _, stderr = process.communicate(timeout=240)

    assert process.returncode == 0, stderr
    one, two = (artifact.load(tmp_path / name / artifact.FILE_NAME).model for name in ("one", "two"))
    torch.testing.assert_close(two.weight, one.weight, rtol=0, atol=1e-5)
    torch.testing.assert_close(two.bias, one.bias, rtol=0, atol=1e-5)
