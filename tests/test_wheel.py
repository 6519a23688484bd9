"""The wheel, installed where nothing else of this repository is: its commands, and the model that comes with it."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import httpx
import pytest

from tests import drawings
from tests.conftest import REPOSITORY, free_port, wait_until_it_answers

PARTS = ("app", "training", "models", "pyproject.toml", "README.md", "LICENSE")
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a fresh environment with the wheel, which sees the libraries of this one."""
    source, environment = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("environment")
    for name in PARTS:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, source / name)
    build: list[str | Path] = [
        *PIP,
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        source,
        source,
    ]
    subprocess.run(build, check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    where: list[str | Path] = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(where, capture_output=True, text=True, check=True).stdout.strip())
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    wheel = next(source.glob("*.whl"))
    subprocess.run(
        [*PIP, "--python", python, "install", "--quiet", "--no-deps", "--force-reinstall", wheel], check=True
    )
    return environment / "bin"


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_serves_its_model_in_a_folder_with_another_package_named_app(
    commands: Path, tmp_path: Path, workers: str
) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__init__.py").write_text("raise SystemExit('This is another app.')")
    port = free_port()
    command: list[str | Path] = [commands / "softmax-serve", "--port", str(port), "--workers", workers]

    with subprocess.Popen(command, cwd=tmp_path) as process:
        try:
            wait_until_it_answers(f"http://127.0.0.1:{port}", process)
            answer = httpx.post(f"http://127.0.0.1:{port}/predict", files={"file": drawings.png()}).json()
        finally:
            process.terminate()

    assert answer["label"] == "Ankle boot"
    assert process.returncode == 0


@pytest.mark.slow
def test_it_serves_the_models_of_the_folder_where_there_are_some(commands: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "boot.png").write_bytes(drawings.png())

    result = subprocess.run(
        [commands / "softmax-serve", "predict", "boot.png"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert result.returncode == 2
    assert "models" in result.stderr


@pytest.mark.slow
def test_it_trains(commands: Path, tmp_path: Path) -> None:
    for shade, name in enumerate(("dark", "light")):
        (tmp_path / "shades" / name).mkdir(parents=True)
        for number in range(20):
            picture = drawings.ankle_boot().point(
                lambda value, shift=120 * shade + number: min(255, value // 4 + shift)
            )
            (tmp_path / "shades" / name / f"{number}.png").write_bytes(drawings.png(picture))

    result = subprocess.run(
        [commands / "softmax-train", "fit", "--dataset", "folder:shades"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert "test accuracy" in result.stdout
    assert (tmp_path / "models" / "shades" / "model.safetensors").is_file()


@pytest.mark.parametrize(("module", "target"), [("app", "serve"), ("training", "train")])
def test_where_nothing_is_installed_one_sentence_says_what_to_do(module: str, target: str) -> None:
    without_packages = [sys.executable, "-S", "-m", module]

    result = subprocess.run(without_packages, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f" is not installed in {sys.executable}: run `make {target}` in {REPOSITORY}" in result.stderr


def test_a_wheel_without_its_extra_names_it(tmp_path: Path) -> None:
    for name in ("app", "training"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, symlinks=True)

    result = subprocess.run(
        [sys.executable, "-S", "-m", "training"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert f"`{sys.executable} -m pip install 'softmax-serving[train]'` installs it." in result.stderr
