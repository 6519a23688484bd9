"""Each command of docs/your-own-classes.md, in its order, in what a reader has: a clone, a folder, a shell."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from app.classifier import artifact
from app.classifier.images import FORMAT_NAMES
from tests import drawings
from tests.conftest import REPOSITORY, free_port, wait_until_it_answers

PAGE = (REPOSITORY / "docs" / "your-own-classes.md").read_text()
FIT, LOOK, SERVE, ASK, TELL, FIT_ANEW, DECIDE = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PORT = str(free_port())
CLONED = ("Makefile", "app", "docs", "models", "pyproject.toml", "training")
# What make would install is there: only its commands are run.
MAKE = f'#!/bin/sh\nexec {shutil.which("make")} --old-file .venv/train.done "$@"\n'


def photograph(label: str, number: int) -> Image.Image:
    """Something dark on light, of a size of its own, with a bit of noise."""
    side = 40 + number
    image = Image.new("L", (side, side + 10), 230 - number)
    draw, box = ImageDraw.Draw(image), (side // 4, side // 4, 3 * side // 4, 3 * side // 4)
    if label == "ring":
        draw.ellipse(box, outline=20, width=6)
    elif label == "bolt":
        draw.rectangle((side // 2 - 4, 4, side // 2 + 4, side), fill=30)
    else:
        draw.rectangle(box, fill=40)
    return image.convert("RGB") if number % 2 else image


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with an environment, and the reader's photographs: JPEG and PNG, with what lies about in such folders."""
    folder = tmp_path_factory.mktemp("clone")
    for name in CLONED:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(
                REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True
            )
        else:
            shutil.copy(REPOSITORY / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "bin").mkdir()
    (folder / "bin" / "make").write_text(MAKE)
    (folder / "bin" / "make").chmod(0o755)
    for label in ("ring", "bolt", "nut"):
        (folder / "photos" / label).mkdir(parents=True)
        for number in range(20):
            kind, ending = ("JPEG", "jpg") if number % 3 else ("PNG", "png")
            content = drawings.encode(photograph(label, number), kind)
            (folder / "photos" / label / f"IMG_{number}.{ending}").write_bytes(content)
        (folder / "photos" / label / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    return folder


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOFTMAX_", "VIRTUAL_ENV"))}
    return kept | {"PATH": f"{folder / 'bin'}:{folder / '.venv' / 'bin'}:{os.environ['PATH']}"}


def run(folder: Path, text: str) -> str:
    text = text.replace("localhost:8000", f"127.0.0.1:{PORT}").replace("curl ", "curl --fail ")
    command = ["bash", "-euc", text]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def service(folder: Path) -> Iterator[None]:
    command = ["bash", "-c", f"exec env {SERVE}"]
    its = environment(folder) | {"SOFTMAX_PORT": PORT, "SOFTMAX_DRAIN_SECONDS": "0"}
    with subprocess.Popen(command, cwd=folder, env=its) as process:
        try:
            wait_until_it_answers(f"http://127.0.0.1:{PORT}", process)
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def test_it_is_a_page_to_read() -> None:
    assert PAGE.count("\n") <= 100
    assert FORMAT_NAMES in PAGE


@pytest.mark.slow
def test_a_folder_becomes_a_served_model_that_is_told_the_truth_and_fitted_anew(clone: Path) -> None:
    (clone / "photos" / "nut" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    fitted = run(clone, FIT)
    assert "Left out: 1 of 61 files: 1 of 'nut'" in fitted
    assert (clone / "models" / "photos" / "report" / "mistakes.png").is_file()
    assert "ring" in run(clone, LOOK)
    assert (clone / "why" / "IMG_1.explanation.png").is_file()

    with service(clone):
        answer = json.loads(run(clone, ASK.replace("curl ", "curl -s ")))
        told = json.loads(run(clone, TELL.replace("curl -H", "curl -s -H")))
    assert answer["label"] == "ring"
    joined = told.pop("joined")  # or the answer was not written yet, and the label waits for it
    assert told == {"kept": 1, "waiting": 1 - joined, "repeated": 0, "outdated": 0}

    first = artifact.load(clone / "models" / "photos" / artifact.FILE_NAME).version
    (clone / "photos" / "ring" / "new.png").write_bytes(drawings.png(photograph("ring", 21)))
    assert "It answers nobody yet" in run(clone, FIT_ANEW)
    promote, rollback = DECIDE.splitlines()
    run(clone, promote)
    assert artifact.load(clone / "models" / "photos" / artifact.FILE_NAME).version != first
    run(clone, rollback)
    assert artifact.load(clone / "models" / "photos" / artifact.FILE_NAME).version == first
