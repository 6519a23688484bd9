"""What a fit leaves behind where it is stopped or something is lacking, in a process of its own."""

import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from app.classifier import artifact
from tests.conftest import REPOSITORY
from tests.training.conftest import make_split, write_fashion_mnist
from training import jobs
from training.__main__ import main
from training.fitting.checkpoints import FILE_NAME as CHECKPOINT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's signals and limits")

_PROCESSES = multiprocessing.get_context("forkserver")  # which imports torch once, and forks what follows
_PROCESSES.set_forkserver_preload([__name__, jobs.__name__])
_LONG = 100_000  # epochs, for minutes


def nothing() -> None:
    """Prepare nothing."""


@dataclass
class Fit:
    """`python -m training fit` on a few drawn images, in processes of their own."""

    data: Path
    out: Path
    output: Path
    as_json: bool = True

    @contextmanager
    def started(
        self, *options: object, epochs: int = 3, prepare: Callable[[], object] = nothing
    ) -> Iterator[BaseProcess]:
        arguments = ["fit", "--data-dir", self.data, "--out", self.out, "--epochs", epochs, *options]
        arguments += ["--json"] * self.as_json
        self.output.write_text("")
        process = _PROCESSES.Process(target=_run, args=(list(map(str, arguments)), self.output, prepare))
        process.start()
        try:
            yield process
        finally:
            process.kill()
            process.join()

    def __call__(self, *options: object, epochs: int = 3, prepare: Callable[[], object] = nothing) -> int | None:
        """The exit code; below 0, the signal that killed it."""
        with self.started(*options, epochs=epochs, prepare=prepare) as process:
            process.join(60)
            return process.exitcode

    def told(self) -> list[str]:
        """What it said to people."""
        return [line for line in self.output.read_text().splitlines() if not line.startswith("{")]

    def epochs(self) -> list[int]:
        lines = [line for line in self.output.read_text().splitlines() if line.endswith("}")]
        return [event["epoch"] for event in map(json.loads, lines) if event["event"] == "epoch"]

    def files(self) -> dict[str, bytes]:
        """All but the checkpoint, by their names."""
        found = {str(path.relative_to(self.out)): path for path in self.out.rglob("*") if path.is_file()}
        return {name: path.read_bytes() for name, path in found.items() if name != CHECKPOINT}


def _run(arguments: list[str], output: Path, prepare: Callable[[], object]) -> None:
    """Be a process as a shell starts it."""
    for descriptor in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["training", *arguments]
    prepare()
    main()


def _signal_at(event: str, place: str, number: int) -> None:
    """Have a signal sent when Python is about to do something for the first time to a path that ends so."""
    left = [number]

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        if left and name == event and any(str(argument).endswith(place) for argument in arguments):
            os.kill(os.getpid(), left.pop())

    sys.addaudithook(hook)


def _room_of(size: int) -> None:
    """Leave so many bytes of memory to this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + size,) * 2)


def waited_for(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return bool(condition())


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Fit:
    """A fit that has ended."""
    folder = tmp_path_factory.mktemp("done")
    data = write_fashion_mnist(folder / "data", make_split(200), make_split(50, seed=1))
    ended = Fit(data, folder / "m", folder / "output")
    assert ended() == 0
    return ended


@pytest.fixture
def fit(done: Fit, tmp_path: Path) -> Fit:
    """A fit into a new folder."""
    return replace(done, out=tmp_path / "m", output=tmp_path / "output")


@pytest.fixture
def refit(done: Fit, fit: Fit) -> Fit:
    """A fit into the folder of one that has ended."""
    shutil.copytree(done.out, fit.out)
    return fit


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_a_signal_ends_a_fit_and_resume_goes_on(refit: Fit, number: int, exit_code: int) -> None:
    before = refit.files()

    with refit.started(epochs=_LONG) as process:
        assert waited_for(lambda: '"epoch": 2' in refit.output.read_text())
        os.kill(process.pid or 0, number)
        process.join(30)
    *_, last = refit.told()

    assert process.exitcode == exit_code
    assert last == "interrupted; the same command with --resume goes on after the last whole epoch."
    assert refit.files() == before
    done = refit.epochs()[-1]
    with refit.started("--resume", epochs=_LONG):
        assert waited_for(refit.epochs)
    assert refit.epochs()[0] in {done + 1, done + 2}  # the signal may come before the last whole epoch is told


def test_nohup_is_heeded(fit: Fit) -> None:
    with fit.started(epochs=_LONG, prepare=partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)) as process:
        assert waited_for(lambda: '"epoch": 2' in fit.output.read_text())
        os.kill(process.pid or 0, signal.SIGHUP)
        told = len(fit.epochs())

        assert waited_for(lambda: len(fit.epochs()) > told + 100)


@pytest.mark.parametrize("place", ["weights.png", "model.safetensors"])
def test_a_signal_that_comes_while_files_are_replaced_waits_until_all_are(refit: Fit, place: str) -> None:
    before = refit.files()

    exit_code = refit("--lr", 0.01, prepare=partial(_signal_at, "os.rename", place, signal.SIGTERM))

    assert exit_code == 143
    after = refit.files()
    assert after.keys() == before.keys()
    assert all(after[name] != before[name] for name in before if name != "report/mistakes.png")
    assert f"accuracy | {artifact.load(refit.out / artifact.FILE_NAME).metadata.evaluation.accuracy:.4f}" in (
        after["README.md"].decode()
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event", "place", "again"),
    [
        ("os.rename", "learning-curves.png", ()),
        ("os.rename", "README.md", ("--resume",)),
        ("os.rename", "model.safetensors", ()),
        ("os.remove", CHECKPOINT, ("--resume",)),
    ],
    ids=["before", "card", "model", "checkpoint"],
)
def test_a_fit_that_is_killed_while_it_publishes_leaves_whole_files_and_the_next_one_ends_it(
    refit: Fit, event: str, place: str, again: tuple[str, ...]
) -> None:
    old = artifact.load(refit.out / artifact.FILE_NAME)

    killed = refit("--lr", 0.01, prepare=partial(_signal_at, event, place, signal.SIGKILL))
    there = artifact.load(refit.out / artifact.FILE_NAME)
    exit_code = refit("--lr", 0.01, *again)

    assert killed == -signal.SIGKILL
    assert (there.version == old.version) == (place != CHECKPOINT)
    assert exit_code == 0
    new = artifact.load(refit.out / artifact.FILE_NAME)
    assert new.metadata.hyperparameters["lr"] == 0.01
    assert f"{new.metadata.evaluation.accuracy:.4f}" in (refit.out / "README.md").read_text()
    assert not [name for name in refit.files() if "/." in f"/{name}"]


def test_two_fits_do_not_write_into_one_folder(fit: Fit) -> None:
    second = Fit(fit.data, fit.out, fit.output.with_name("second"))

    with fit.started(epochs=_LONG) as process:
        assert waited_for(fit.epochs)
        exit_code = second()
        process.terminate()
        process.join(30)

    assert exit_code == 2
    assert second.told() == [
        f"error: Another fit is writing into {fit.out}: wait until it has ended, or choose another folder with --out."
    ]
    assert process.exitcode == 143
    assert second() == 0


def test_a_killed_fit_gives_its_folder_free(fit: Fit) -> None:
    with fit.started(epochs=_LONG) as process:
        assert waited_for(fit.epochs)
        process.kill()
        process.join()

    assert fit() == 0
    assert {name for name in fit.files() if name.startswith(".")} == set()


def test_a_full_disk_is_told_with_the_file_that_could_not_be_written(fit: Fit) -> None:
    full = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    exit_code = fit(prepare=full)

    assert exit_code == 2
    assert fit.told()[1:] == [f"error: {fit.out}/report/learning-curves.png: File too large."]
    assert not fit.out.exists()


def test_a_checkpoint_that_cannot_be_written_ends_the_fit(fit: Fit) -> None:
    fit.as_json = False  # its output is a file, too
    full = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    exit_code = fit(epochs=_LONG, prepare=full)

    assert exit_code == 2
    assert fit.told()[1:] == [f"error: {fit.out / CHECKPOINT}: File too large."]


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="needs a folder that not even root can write")
def test_a_folder_that_is_read_only_is_told_before_the_fit(fit: Fit) -> None:
    fit.out = Path("/sys/kernel/m")

    assert fit() == 2
    assert fit.told() == ["error: /sys/kernel/m: Operation not permitted."]


@pytest.mark.parametrize("megabytes", [0, 1, 4, 7, 16, 48])
def test_too_little_memory_is_one_sentence_and_leaves_the_old_model(refit: Fit, megabytes: int) -> None:
    before = refit.files()

    exit_code = refit("--lr", 0.01, prepare=partial(_room_of, megabytes * 2**20))

    assert exit_code in {0, 2}
    if exit_code:
        assert re.match(r"error: (memory is used up|the packages that training needs can't be)", refit.told()[-1])
        assert len(refit.told()) <= 2
        assert refit.files() == before


def test_too_little_memory_to_begin_is_one_sentence() -> None:
    command = f"ulimit -v 400000; exec {sys.executable} -m training evaluate models/fashion-mnist"

    result = subprocess.run(
        ["/bin/sh", "-c", command], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120
    )

    assert result.returncode == 2
    assert re.fullmatch(r"error: the packages that training needs can't be loaded: [^\n]+\n", result.stderr)


@pytest.mark.parametrize("descriptor", [1, 2])
def test_a_closed_output_keeps_nobody_from_fitting(fit: Fit, descriptor: int) -> None:
    assert fit(prepare=partial(_close, descriptor)) == 0
    assert artifact.load(fit.out / artifact.FILE_NAME)


def test_people_who_cannot_be_told_keep_nobody_from_fitting(fit: Fit) -> None:
    assert fit(prepare=partial(_onto_a_full_disk, 2)) == 0
    assert artifact.load(fit.out / artifact.FILE_NAME)


def test_results_that_cannot_be_printed_end_a_fit_with_a_sentence(fit: Fit) -> None:
    assert fit(prepare=partial(_onto_a_full_disk, 1)) == 2
    assert fit.told()[-1] == "error: the output can't be written: No space left on device."
    assert not fit.out.exists()


def _onto_a_full_disk(descriptor: int) -> None:
    os.dup2(os.open("/dev/full", os.O_WRONLY), descriptor)


def _close(descriptor: int) -> None:
    """As `>&-` of a shell."""
    os.close(descriptor)
    setattr(sys, {1: "stdout", 2: "stderr"}[descriptor], None)


@pytest.mark.slow
def test_a_signal_that_comes_while_packages_are_imported_ends_the_command() -> None:
    program = """
import signal, sys

class Finder:
    def find_spec(self, name, path, target=None):
        if name == "numpy._core.multiarray":  # which torch imports from C
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGTERM)

from training.command_line import run
sys.meta_path.insert(0, Finder())
sys.argv = ["training", "evaluate", "/nowhere"]
run("python -m training")
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )

    assert (result.returncode, result.stderr) == (143, "interrupted.\n")
