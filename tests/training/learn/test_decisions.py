"""What `learn` decides about the models that stand: said by default, done where SOFTMAX_PROMOTE=auto."""

import time
from contextlib import closing
from pathlib import Path

import pytest
import torch

from app.classifier import artifact
from app.classifier.artifact import FILE_NAME
from app.classifier.softmax import SoftmaxRegression
from app.records.database import Database
from app.records.decisions import read_decisions
from app.rollout.rollouts import Rollouts
from benchmarks.loop.images import drawn, lit
from tests.training.learn.conftest import NAME, Learn, Recorder


def version(models: Path, place: str = "") -> str:
    return artifact.load(models / NAME / place / FILE_NAME).version


def decisions(url: str) -> list[tuple[str, str]]:
    with closing(Database(url)) as database:
        return [(row.action, row.who) for row in read_decisions(database, NAME)]


def promote_another(models: Path, url: str, noise: float) -> None:
    """Somebody promotes a model whose weights are the champion's, and so much noise."""
    champion = artifact.load(models / NAME / FILE_NAME)
    weight = champion.model.weight
    weight = weight + noise * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    path = models / NAME / "challenger" / FILE_NAME
    artifact.save(path, SoftmaxRegression(weight, champion.model.bias), champion.metadata)
    with closing(Database(url)) as database:
        Rollouts(models, database).promote(NAME, "somebody", force=True)


def test_a_challenger_that_live_evidence_proves_is_promoted_where_that_is_wanted_and_else_named(
    record: Recorder, learn: Learn, models: Path, records_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(lit(drawn(900, 2)))
    challenger, first = learn()["version"], version(models)
    record(lit(drawn(600, 3)))

    said = learn()
    stood = version(models)
    monkeypatch.setenv("SOFTMAX_PROMOTE", "auto")
    done = learn()

    assert (said["outcome"], said["done"], stood) == ("promotion", False, first)
    assert (done["outcome"], done["done"]) == ("promotion", True)
    assert "an e-value of" in done["reasons"][0]
    assert (version(models), version(models, "previous")) == (challenger, first)
    assert decisions(records_url) == [("promotion", "the rule")]


def test_a_version_that_is_worse_than_the_one_before_is_taken_back_and_that_once(
    record: Recorder, learn: Learn, models: Path, records_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = version(models)
    promote_another(models, records_url, noise=0.3)
    record.clock.now = time.time()
    record(drawn(400, 5))

    said = learn()
    monkeypatch.setenv("SOFTMAX_PROMOTE", "auto")
    done, after = learn(), learn()

    assert (said["outcome"], said["done"]) == ("rollback", False)
    assert (done["outcome"], done["done"]) == ("rollback", True)
    assert done["reasons"][0].startswith(f"The version before, version {first}, is right about ")
    assert after["outcome"] == "nothing"
    assert version(models) == first
    assert decisions(records_url) == [("rollback", "the rule"), ("promotion", "somebody")]


def test_what_was_answered_before_the_promotion_takes_nothing_back(
    record: Recorder, learn: Learn, models: Path, records_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFTMAX_PROMOTE", "auto")
    promote_another(models, records_url, noise=0.3)
    promoted = version(models)
    record.clock.now = time.time() - 86_400
    record(drawn(280, 5))

    look = learn()

    assert look["outcome"] == "nothing"
    assert version(models) == promoted


def test_a_fall_that_the_version_before_would_not_mend_takes_nothing_back(
    record: Recorder, learn: Learn, models: Path, records_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFTMAX_PROMOTE", "auto")
    promote_another(models, records_url, noise=0.001)
    promoted = version(models)
    record.clock.now = time.time()
    record(lit(drawn(320, 5)))

    look = learn()

    assert look["outcome"] != "rollback"
    assert version(models) == promoted
