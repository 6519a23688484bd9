"""Each peer's own virtual environment; peers of the project's own requirements share one."""

import re
import subprocess
import tomllib
from pathlib import Path

from benchmarks.serving.declarations import Peer
from benchmarks.serving.errors import BenchmarkError

__all__ = ["install", "requirements_of", "versions"]

_REPOSITORY = Path(__file__).parents[2]
_COMMON = ("torch==2.13.0", "pillow==13.0.0", "safetensors==0.8.0", "numpy")  # the same for all: they do the work
_PYTHON = "python3.11"
_TIMEOUT = 1800  # seconds; some peers bring half a gigabyte
_DONE = "serving-benchmark-requirements.txt"


def install(peer: Peer, environments: Path) -> Path:
    """Make the peer's environment unless it is there with these requirements.

    Returns:
        Its folder.

    Raises:
        BenchmarkError: pip found no way; the message has its last line.
    """
    folder = environments / (peer.shares or peer.name)
    requirements = "\n".join(requirements_of(peer))
    done = folder / _DONE
    if done.exists() and done.read_text() == requirements:
        return folder
    print(f"{peer.name}: installing into {folder}", flush=True)
    _run([_PYTHON, "-m", "venv", "--clear", str(folder)], peer)
    wanted = folder / "wanted.txt"
    wanted.write_text(requirements)
    _run([str(folder / "bin/pip"), "install", "--quiet", "--no-cache-dir", "-r", str(wanted)], peer)
    wanted.replace(done)
    return folder


def versions(folder: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """The installed versions of some packages; what is not there is left out."""
    run = subprocess.run(  # noqa: S603  our own command, no shell
        [str(folder / "bin/pip"), "list", "--format=freeze", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found = dict(line.split("==", 1) for line in run.stdout.splitlines() if "==" in line)
    return {package: found[package] for package in packages if package in found}


def requirements_of(peer: Peer) -> list[str]:
    """What pip installs for a peer; each of the project's own requirements in the version of constraints.txt."""
    if isinstance(peer.requirements, list):
        return [*_COMMON, *peer.requirements]
    project = tomllib.loads((_REPOSITORY / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"][peer.extra] if peer.extra else []
    dependencies = [line for line in project["dependencies"] + extra if not line.startswith("torch")]
    lines = (_REPOSITORY / "constraints.txt").read_text().splitlines()
    pinned = {name.lower().replace("_", "-"): version for name, _, version in (line.partition("==") for line in lines)}
    return [*_COMMON, *(_pin(dependency, pinned) for dependency in dependencies)]


def _pin(dependency: str, versions_by_name: dict[str, str]) -> str:
    """`uvicorn[standard]>=0.35` to `uvicorn[standard]==0.54.0`, and what is exact already to itself."""
    requirement = re.split("[<>=!~]", dependency)[0]
    name = requirement.partition("[")[0].lower()
    return f"{requirement}=={versions_by_name[name]}"


def _run(command: list[str], peer: Peer) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=_TIMEOUT)  # noqa: S603  our own
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.startswith("ERROR")] or error.stderr.splitlines()
        raise BenchmarkError(f"{peer.title} can't be installed: {lines[-1] if lines else error}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchmarkError(f"{peer.title} can't be installed: {error}") from error
