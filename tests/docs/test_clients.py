"""Each command of docs/clients.md, run against a real server as a reader would."""

import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from tests.conftest import REPOSITORY, running_server

PAGE = (REPOSITORY / "docs" / "clients.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
NODE = shutil.which("node") or str(compute_driver_executable()[0])  # Playwright comes with one
PROGRAMS = {
    "sh": ["bash", "-euxc"],
    "python": [sys.executable, "-c"],
    "javascript": [NODE, "--input-type=module", "--eval"],
}


def run(language: str, text: str, url: str) -> str:
    text = text.replace("http://localhost:8000", url).replace("localhost:8000", url.removeprefix("http://"))
    text = text.replace("curl ", "curl --silent --fail --write-out '\\n' ")
    done = subprocess.run(
        [*PROGRAMS[language], text], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def printed(text: str) -> str:
    """What a comment behind the last line says that the program prints."""
    return re.split(r"  # | // ", text.strip())[-1]


@pytest.fixture(scope="module")
def shipped() -> Iterator[str]:
    """A server with the repository's model."""
    with running_server(REPOSITORY / "models") as url:
        yield url


def test_it_is_a_page_to_read() -> None:
    assert PAGE.count("\n") <= 100


@pytest.mark.parametrize("text", [text for language, text in BLOCKS if language == "sh"])
def test_each_command_is_answered(shipped: str, text: str) -> None:
    answers = run("sh", text, shipped).splitlines()

    assert len([answer for answer in answers if answer.startswith("{")]) == text.count("curl")


@pytest.mark.parametrize(("language", "text"), [block for block in BLOCKS if block[0] != "sh"])
def test_each_program_prints_what_the_page_says(shipped: str, language: str, text: str) -> None:
    assert set(run(language, text, shipped).splitlines()) == {printed(text)}


@pytest.mark.slow
@pytest.mark.parametrize(("language", "text"), [block for block in BLOCKS if "retr" in block[1]])
def test_what_tries_again_gets_its_answer_as_soon_as_there_is_a_model(tmp_path: Path, language: str, text: str) -> None:
    def deliver() -> None:
        time.sleep(0.5)
        shutil.copytree(REPOSITORY / "models" / "fashion-mnist", tmp_path / "fashion-mnist")

    with running_server(tmp_path) as url:
        delivery = threading.Thread(target=deliver)
        delivery.start()
        answer = run(language, text, url)
        delivery.join()

    assert "Ankle boot" in answer
