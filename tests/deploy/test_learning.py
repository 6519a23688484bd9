"""`make test-deploy`: training, learning and deciding in containers, beside a service that can't write its models."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from benchmarks.loop.images import drawn, lit
from tests import drawings
from tests.deploy.conftest import Stack
from tests.training.conftest import write_fashion_mnist
from training.data.splits import Split

pytestmark = pytest.mark.engine

SERVICE_USER = "10001"
NAME = "drawn"


@pytest.fixture
def owned(trainer: Stack) -> Iterator[Stack]:
    """The stack while the models are the service's user's, as docs/operations.md has it for learning."""
    trainer.give_models_to(SERVICE_USER)
    yield trainer
    trainer.give_models_to(f"{os.getuid()}:{os.getgid()}")


def ask_and_tell(stack: Stack, images: Split) -> None:
    """Have images classified, a hundred at a time, and tell their labels by the answers' ids."""
    labels = httpx.get(f"{stack.url}/models/{NAME}").json()["metadata"]["labels"]
    ids: list[str] = []
    for first in range(0, len(images), 100):
        rows = images.pixels[first : first + 100].tolist()
        files = [("files", drawings.png(Image.frombytes("L", (28, 28), bytes(row)))) for row in rows]
        answer = httpx.post(f"{stack.url}/predict/batch", files=files, params={"model": NAME}, timeout=30)
        ids += [prediction["id"] for prediction in answer.json()["predictions"]]
    told = zip(ids, images.class_ids.tolist(), strict=True)
    lines = "\n".join(json.dumps({"id": its_id, "label": labels[class_id]}) for its_id, class_id in told)
    headers = {"Content-Type": "application/x-ndjson"}
    assert httpx.post(f"{stack.url}/feedback", content=lines, headers=headers, timeout=30).status_code == 200


def wait_for_model(stack: Stack, part: str, seconds: float = 120) -> dict[str, Any]:
    """What is served under the name, once it has that part."""
    deadline = time.monotonic() + seconds
    while part not in (found := httpx.get(f"{stack.url}/models/{NAME}").json()):
        assert time.monotonic() < deadline, stack.compose("logs", "learn")
        time.sleep(0.2)
    return dict(found)


def test_what_was_recorded_and_told_becomes_a_challenger_which_is_promoted_and_taken_back(
    owned: Stack, tmp_path: Path
) -> None:
    data = write_fashion_mnist(tmp_path / "data", drawn(2000, 0), drawn(1000, 1))
    settings = {"DATA": str(data), "TRAINING_USER": SERVICE_USER, "SOFTMAX_RECORD": "images"}
    settings |= {"LEARN": f"{NAME} --window 300", "EVERY": "1h"}

    def decide(*arguments: str) -> str:
        return owned.compose("run", "--rm", "-T", "decide", *arguments, **settings)

    try:
        owned.start(**settings)
        owned.compose("run", "--rm", "train-cpu", "fit", "--out", f"models/{NAME}", "--epochs", "6", **settings)
        champion = wait_for_model(owned, "version", 5)["version"]
        ask_and_tell(owned, lit(drawn(900, 2)))
        owned.compose("up", "--detach", "--no-build", "learn", **settings)
        challenger = wait_for_model(owned, "challenger")["challenger"]["version"]
        unproven = owned.refused("run", "--rm", "-T", "decide", "promote", NAME, **settings)
        promoted = decide("promote", NAME, "--force")
        taken_back = decide("rollback", NAME)
    finally:
        owned.compose("rm", "--force", "--stop", "learn")
        owned.start()

    assert any(line.startswith(f"Version {challenger} is not proven") for line in unproven)
    assert f"Version {challenger} answers; {champion} is the previous one." in promoted
    assert f"Version {champion} answers; {challenger} is the previous one." in taken_back
    decisions = httpx.get(f"{owned.url}/models/{NAME}/history").json()["decisions"]
    assert [decision["action"] for decision in decisions] == ["rollback", "promotion"]
    assert wait_for_model(owned, "previous")["version"] == champion


def test_who_may_not_write_the_models_is_told_which_user_that_is(stack: Stack) -> None:
    told = stack.refused("run", "--rm", "-T", "decide", "promote", "fashion-mnist")

    assert any("can't be changed by user 10001 (Permission denied)" in line for line in told)


def test_cuda_is_refused_in_one_sentence_where_there_is_none(trainer: Stack) -> None:
    told = trainer.refused("run", "--rm", "-T", "train-cpu", "fit", "--device", "cuda")

    assert sum(line.startswith("error: --device cuda: torch") for line in told) == 1
