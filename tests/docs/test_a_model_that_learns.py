"""Each command of docs/a-model-that-learns.md as a reader would run it."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, free_port, wait_until_it_answers
from tests.docs.test_the_truth_comes_later import environment

PAGE = (REPOSITORY / "docs" / "a-model-that-learns.md").read_text()
START, TELL, LEARN = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PORT = free_port()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that looks like the repository's, may be written to, and in which the page's service runs."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("app", "docs", "models", "training"):
        (folder / name).symlink_to(REPOSITORY / name)
    command = ["bash", "-c", START.replace("python", "exec python").replace("8000", str(PORT))]
    with subprocess.Popen(command, cwd=folder, env=environment(SOFTMAX_DRAIN_SECONDS="0")) as process:
        wait_until_it_answers(f"http://127.0.0.1:{PORT}", process)
        yield folder
        process.terminate()


def run(folder: Path, text: str) -> str:
    command = ["bash", "-euc", text.replace("localhost:8000", f"127.0.0.1:{PORT}")]
    done = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_a_page_to_read() -> None:
    assert PAGE.count("\n") <= 100


@pytest.mark.slow
def test_what_is_told_is_found_by_who_learns(folder: Path) -> None:
    receipt = run(folder, TELL)

    learned = run(folder, LEARN)

    assert '"kept":1' in receipt
    assert learned.startswith("There is no new challenger.\n1 images are labeled. 500 of the latest measure")
