"""The stack of docker-compose.yml on a real engine."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import REPOSITORY, free_port

IMAGE = "softmax-serving"

collect_ignore = ["test_ray_serve.py"]  # `make test-ray` names it, in an environment of its own


class Stack:
    """docker-compose.yml under a project name, a port and folders of its own."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.models = folder / "models"
        self.keys = folder / "keys"
        self._name = f"softmax-test-{port}"
        self._environment = (
            {"DOCKER_BUILDKIT": "1", "COMPOSE_DOCKER_CLI_BUILD": "1"}
            | os.environ
            | {
                "PORT": str(port),
                "MODELS": str(self.models),
                "KEYS": str(self.keys),
                "TRAINING_USER": f"{os.getuid()}:{os.getgid()}",
            }
        )

    def compose(self, *arguments: str, **environment: str) -> str:
        """Run `docker compose`, or `docker-compose` where the plugin is missing; return what it prints."""
        return _output(self._command(arguments), self._environment | environment)

    def refused(self, *arguments: str, **environment: str) -> list[str]:
        """The lines that a command prints, which `docker compose` runs and which ends with exit code 2."""
        result = _run(self._command(arguments), self._environment | environment)
        assert result.returncode == 2, result.stdout + result.stderr
        return [*result.stdout.splitlines(), *result.stderr.splitlines()]

    def _command(self, arguments: Sequence[str]) -> list[str]:
        program = ["docker", "compose"] if _succeeds("docker", "compose", "version") else ["docker-compose"]
        return [*program, "--project-name", self._name, *arguments]

    def give_models_to(self, user: str) -> None:
        """What docs/operations.md does by `sudo chown -R`: the tests need not have root's rights."""
        volume = ("--volume", f"{self.models}:/srv/models")
        _output(["docker", "run", "--rm", "--user", "0", *volume, "--entrypoint", "chown", IMAGE, "-R", user, "models"])

    def container(self) -> str:
        """The id of the service's container."""
        labels = {"project": self._name, "service": "service"}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        return _output(["docker", "ps", "--all", "--quiet", *filters])

    def inspect(self) -> dict[str, Any]:
        """What the engine says of the service's container."""
        [found] = json.loads(_output(["docker", "inspect", self.container()]))
        return dict(found)

    def inside(self, program: str) -> Any:
        """What a Python program prints as JSON inside the service's container."""
        return json.loads(_output(["docker", "exec", self.container(), "python", "-c", program]))

    def start(self, **environment: str) -> None:
        """Bring the service up and wait until it is ready."""
        self.compose("up", "--detach", "--no-build", "service", **environment)
        self.wait_until_ready()

    def wait_until_ready(self, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        pytest.fail(f"{self.url} was not ready within {seconds} s:\n{self.compose('logs', 'service')}")


def _succeeds(*command: str) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _output(command: list[str], environment: dict[str, str] | None = None) -> str:
    result = _run(command, environment)
    assert result.returncode == 0, f"{' '.join(command)}:\n{result.stdout[-4000:]}{result.stderr[-4000:]}"
    return result.stdout.strip()


def _run(command: list[str], environment: dict[str, str] | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def built() -> None:
    """The images of this working tree, built as the variables of .env.example say."""
    if not _succeeds("docker", "info"):
        pytest.skip("needs a Docker engine: `docker info` reaches none")
    Stack(REPOSITORY).compose("build", "service")


@pytest.fixture(scope="session")
def stack(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:  # noqa: ARG001 - only for its effect
    """The service, up and ready; each test leaves it so."""
    stack = Stack(tmp_path_factory.mktemp("stack"))
    shutil.copytree(REPOSITORY / "models", stack.models)
    stack.keys.mkdir()
    try:
        stack.start()
        yield stack
    finally:
        stack.compose("down", "--volumes")


@pytest.fixture(scope="session")
def trainer(stack: Stack) -> Stack:
    """The same, with the image in which models are fitted."""
    stack.compose("build", "train-cpu")
    return stack
