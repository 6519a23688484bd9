"""Challengers and previous versions: held and proven beside the champion, and shown to who asks for them."""

import logging
from pathlib import Path

import pytest

from app.classifier import artifact
from app.serving.errors import NoSuchModelError
from app.serving.live_models import Change, LiveModels
from app.serving.places import Place, Role
from tests.conftest import LABELS, make_metadata, make_model
from tests.damages import DAMAGES

NAME = "fashion-mnist"


def put(folder: Path, role: Role, seed: int, labels: tuple[str, ...] = LABELS) -> str:
    """Save a model in this role; return its version."""
    path = Place(NAME, role).file(folder)
    return artifact.save(path, make_model(labels, seed), make_metadata(labels=labels))


def look_twice(models: LiveModels) -> list[Change]:
    return models.refresh() + models.refresh()


def held(models: LiveModels) -> dict[Role, str]:
    return {role: model.version for role, model in models.versions(NAME).items()}


def test_a_challenger_and_a_previous_version_are_held_and_answer_only_who_asks_for_them(models_dir: Path) -> None:
    champion = LiveModels(models_dir).get().version
    challenger, previous = put(models_dir, "challenger", 2), put(models_dir, "previous", 3)
    models = LiveModels(models_dir)

    assert held(models) == {"champion": champion, "challenger": challenger, "previous": previous}
    assert models.get().version == models.get(NAME, champion).version == champion
    assert models.get(NAME, challenger).version == models.get(None, challenger).version == challenger
    assert models.get(NAME, previous).version == previous
    assert [model.version for model in models] == [champion]
    with pytest.raises(NoSuchModelError, match=f"there is {champion}, {challenger}, {previous}. Leave the version out"):
        models.get(NAME, "0123456789ab")


def test_they_come_and_go_while_serving(models_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    models = LiveModels(models_dir)
    challenger = put(models_dir, "challenger", 2)
    assert models.refresh() == [Change(NAME, "added", "challenger")]
    assert f"Model {NAME}, challenger, version {challenger}, loaded from" in caplog.text

    other = put(models_dir, "challenger", 4)
    assert look_twice(models) == [Change(NAME, "swapped", "challenger")]
    assert held(models)["challenger"] == other

    Place(NAME, "challenger").file(models_dir).unlink()
    assert look_twice(models) == [Change(NAME, "removed", "challenger")]
    assert list(held(models)) == ["champion"]


def test_a_challenger_that_takes_the_champions_place_counts_once(models_dir: Path) -> None:
    models = LiveModels(models_dir)
    challenger = put(models_dir, "challenger", 2)
    put(models_dir, "champion", 2)

    look_twice(models)

    assert held(models) == {"champion": challenger}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_challenger_is_refused_and_the_champion_answers_on(models_dir: Path, damage: str) -> None:
    change, reason = DAMAGES[damage]
    models = LiveModels(models_dir)
    champion = models.get()
    put(models_dir, "challenger", 2)
    look_twice(models)
    path = Place(NAME, "challenger").file(models_dir)
    path.write_bytes(change(path.read_bytes()))

    assert look_twice(models) == [Change(NAME, "refused", "challenger")]
    assert models.get() is champion
    assert list(held(models)) == ["champion"]
    assert reason in models.refusals[Place(NAME, "challenger")]
    assert models.failures == {}


@pytest.mark.parametrize("labels", [LABELS[::-1], LABELS[:-1]])
def test_a_challenger_with_other_labels_is_refused_until_the_champion_has_the_same(
    models_dir: Path, labels: tuple[str, ...]
) -> None:
    models = LiveModels(models_dir)
    challenger = put(models_dir, "challenger", 2, labels)

    assert look_twice(models) == [Change(NAME, "refused", "challenger")]
    assert "the champion's are T-shirt/top, Trouser" in models.refusals[Place(NAME, "challenger")]

    put(models_dir, "champion", 3, labels)
    look_twice(models)
    look_twice(models)
    assert held(models)["challenger"] == challenger
    assert models.refusals == {}


def test_a_challenger_below_the_least_accuracy_is_refused(models_dir: Path) -> None:
    put(models_dir, "challenger", 2)

    models = LiveModels(models_dir, min_accuracy=0.91)

    assert "SOFTMAX_MIN_ACCURACY, 0.9100" in models.refusals[Place(NAME, "challenger")]
    assert models.versions(NAME) == {}


def test_a_challenger_without_a_champion_is_no_model(models_dir: Path) -> None:
    put(models_dir, "challenger", 2)
    Place(NAME).file(models_dir).unlink()

    models = LiveModels(models_dir)

    with pytest.raises(NoSuchModelError, match="There is no model"):
        models.get(NAME)
    assert list(models) == []
