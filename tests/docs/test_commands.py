"""Each command that a document shows is run by a test, or stands here with the reason why none runs it."""

import re
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELLS = ("", "sh", "console")
COMMAND = re.compile(
    r"(?:\$ )?((?:\. |[A-Z_]+=\S+ )*(?:curl|docker|echo|export|make|openssl|python|sudo|torchrun)\b.*)"
)

# By document: what runs each of its commands, found by the document's own text.
RUN_WHOLE = {
    "a-model-that-learns.md": "test_a_model_that_learns.py",
    "clients.md": "test_clients.py",
    "the-truth-comes-later.md": "test_the_truth_comes_later.py",
    "your-own-classes.md": "test_your_own_classes.py",
}

_DOCKER = "needs a Docker engine; tests/deploy/test_containers.py runs the same stack by `make test-deploy`"
_ROLLOUT = "tests/app/terminal/test_rollouts.py and tests/reliability/test_rollouts.py run it on models of their own"
_KEYS = "takes root's rights; tests/reliability/test_access.py rotates keys in a file"

# By the start of the command: why its document's test does not run it, and what comes nearest.
NOT_RUN = {
    "README.md": {
        "make serve": "installs packages; what it runs then, tests/conftest.py runs for every test of a server",
        'make train ARGS="--dataset folder:': "docs/your-own-classes.md runs it",
        "make train": "takes Fashion-MNIST; tests/training/test_commands.py runs it on generated images",
        "make test": "is this run",
        "curl -F": "tests/test_readme.py sends the same by httpx and compares the answer; docs/clients.md runs it",
    },
    "operations.md": {
        "docker compose": _DOCKER,
        "curl": "docs/clients.md runs it; here it asks the container",
        "sudo chown -R 10001 models": "takes root's rights; tests/deploy/test_learning.py has the engine do it",
        "echo TRAINING_USER": "tests/deploy/test_learning.py sets it in the environment",
        "openssl": _KEYS,
        "sudo": _KEYS,
        "echo": _KEYS,
    },
    "rollout.md": {
        "SOFTMAX_RECORD=answers python -m app": "docs/the-truth-comes-later.md runs it",
        "python -m training fit": "tests/training/test_commands.py has it challenge models of generated images",
        "python -m app": _ROLLOUT,
        "curl": "tests/app/routes/test_rollouts.py asks the same",
    },
    "scaling.md": {},
    "softmax-regression.md": {"make train": "takes Fashion-MNIST, as in the README"},
}


def commands(document: Path) -> list[str]:
    """The command lines of a document's blocks, without their comments."""
    lines = [line for kind, text in BLOCK.findall(document.read_text()) if kind in SHELLS for line in text.splitlines()]
    found = [COMMAND.match(line) for line in lines]
    return [re.split(r"\s+# ", match[1])[0] for match in found if match]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_command_is_run_or_says_why_not(document: Path) -> None:
    reasons = NOT_RUN.get(document.name, {})
    shown = [] if document.name in RUN_WHOLE else commands(document)

    assert [command for command in shown if not command.startswith(tuple(reasons))] == []
    assert [start for start in reasons if not any(command.startswith(start) for command in shown)] == []


def test_what_runs_a_whole_document_reads_it() -> None:
    for document, test in RUN_WHOLE.items():
        assert document in (Path(__file__).parent / test).read_text()
        assert commands(REPOSITORY / "docs" / document)
