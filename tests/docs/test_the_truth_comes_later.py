"""Each command of docs/the-truth-comes-later.md as a reader would run it; a restart comes before the label."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, free_port, wait_until_it_answers

PAGE = (REPOSITORY / "docs" / "the-truth-comes-later.md").read_text()
START, ASK, TELL, TELL_MANY, LOOK, TAKE = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PORT = free_port()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like the repository's, and may be written to."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("app", "docs", "models"):
        (folder / name).symlink_to(REPOSITORY / name)
    return folder


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOFTMAX_")}
    return kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"} | more


@contextmanager
def service(folder: Path) -> Iterator[None]:
    """What the page's first command starts."""
    command = ["bash", "-c", "exec env " + START.replace("8000", str(PORT))]
    with subprocess.Popen(command, cwd=folder, env=environment(SOFTMAX_DRAIN_SECONDS="0")) as process:
        wait_until_it_answers(f"http://127.0.0.1:{PORT}", process)
        yield
        process.terminate()


def run(folder: Path, text: str, **variables: str) -> str:
    text = text.replace("localhost:8000", f"127.0.0.1:{PORT}")
    command = ["bash", "-euc", text]
    done = subprocess.run(
        command, cwd=folder, env=environment(**variables), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_a_page_to_read() -> None:
    assert PAGE.count("\n") <= 80


@pytest.mark.slow
def test_the_truth_is_told_after_a_restart_and_seen(folder: Path) -> None:
    ask, tell = TELL.split("\n", 1)
    with service(folder):
        answer = json.loads(run(folder, ASK))
        its_id = run(folder, f"{ask}; echo $ID").strip()

    with service(folder):
        first = json.loads(run(folder, tell, ID=its_id))
        second = json.loads(run(folder, TELL_MANY, ID=its_id))
        windows, prometheus = run(folder, LOOK).split("\n", 1)

    assert re.fullmatch(r"[0-9a-f]{28}", answer["id"])
    assert json.dumps(first) in PAGE
    assert (second["joined"], second["waiting"]) == (1, 0)
    assert "'labels': 1" in windows
    assert "'disputed': 1" in windows
    assert 'window="week"} 1.0' in prometheus or 'window="week"} 0.0' in prometheus


@pytest.mark.slow
def test_records_are_taken_along(folder: Path) -> None:
    run(folder, TAKE)

    lines = [json.loads(line) for line in (folder / "records.ndjson").read_text().splitlines()]
    assert [line["label"] for line in lines] == ["Ankle boot"] * 2
    assert sorted(len(line["labels"]) for line in lines) == [0, 2]
