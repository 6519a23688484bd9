"""The models being served, as their files come and go; what a checksum does not prove whole takes two looks."""

import json
import os
import weakref
from pathlib import Path

import pytest
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from app.classifier import artifact
from app.serving.errors import NoSuchModelError, NotReadyError
from app.serving.live_models import Change, LiveModels
from tests.conftest import make_metadata, make_model
from tests.damages import DAMAGES

NAME = "fashion-mnist"


@pytest.fixture
def models(models_dir: Path) -> LiveModels:
    return LiveModels(models_dir)


def put(folder: Path, name: str = NAME, seed: int = 1) -> str:
    """Save another model there; return its version."""
    return artifact.save(file_of(folder, name), make_model(seed=seed), make_metadata(name))


def file_of(folder: Path, name: str = NAME) -> Path:
    return folder / name / artifact.FILE_NAME


def without_checksum(content: bytes) -> bytes:
    """The same model as other writers would save it."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = {key: value for key, value in header["__metadata__"].items() if key != "sha256"}
    return save_tensors(load_tensors(content), metadata)


def look_twice(models: LiveModels) -> list[Change]:
    return models.refresh() + models.refresh()


def test_a_replaced_file_is_swapped_in(models: LiveModels, models_dir: Path) -> None:
    version = put(models_dir)

    changes = look_twice(models)

    assert changes == [Change(NAME, "swapped")]
    assert models.get().version == version
    assert models.failures == {}


def test_a_file_that_its_checksum_proves_whole_is_served_at_the_first_look(
    models: LiveModels, models_dir: Path
) -> None:
    version = put(models_dir)

    changes = models.refresh()

    assert changes == [Change(NAME, "swapped")]
    assert models.get().version == version


@pytest.mark.parametrize("what", ["half", "without a checksum"])
def test_any_other_file_may_still_be_written_at_the_first_look(
    models: LiveModels, models_dir: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = models.get()
    put(models_dir)
    content = file_of(models_dir).read_bytes()
    file_of(models_dir).write_bytes(content[:-1] if what == "half" else without_checksum(content))

    changes = models.refresh()

    assert changes == []
    assert models.get() is before
    assert (models.failures, caplog.text) == ({}, "")
    assert [change.outcome for change in models.refresh()] == ["refused" if what == "half" else "swapped"]


def test_a_model_that_was_just_changed_is_looked_at_alone(models: LiveModels, models_dir: Path) -> None:
    put(models_dir, "letters")
    file_of(models_dir, "letters").unlink()
    file_of(models_dir).unlink()

    assert models.refresh("letters") == []
    put(models_dir, "letters")
    put(models_dir)
    assert models.refresh("letters") == [Change("letters", "added")]
    file_of(models_dir, "letters").unlink()
    assert models.refresh("letters") == [Change("letters", "removed")]
    assert look_twice(models) == [Change(NAME, "swapped")]


def test_a_file_between_removal_and_copy_leaves_no_gap(models: LiveModels, models_dir: Path) -> None:
    before = models.get()
    file_of(models_dir).unlink()
    assert models.refresh() == []
    assert models.get() is before
    version = put(models_dir)

    changes = look_twice(models)

    assert changes == [Change(NAME, "swapped")]
    assert models.get().version == version


def test_an_unchanged_folder_is_not_loaded_again(models: LiveModels) -> None:
    before = models.get()

    assert look_twice(models) == []
    assert models.get() is before


def test_a_touched_file_with_the_same_content_is_no_swap(models: LiveModels, models_dir: Path) -> None:
    before = models.get()
    file_of(models_dir).touch()

    assert look_twice(models) == []
    assert models.get() is before


def test_a_link_turned_to_another_folder_is_a_swap(models_dir: Path, tmp_path: Path) -> None:
    versions = [put(tmp_path / "versions" / str(seed), seed=seed) for seed in (1, 2)]
    link = models_dir / "linked"
    link.symlink_to(tmp_path / "versions" / "1" / NAME)
    models = LiveModels(models_dir)
    assert models.get("linked").version == versions[0]

    other = models_dir / ".link"  # as Kubernetes turns the links of a ConfigMap
    other.symlink_to(tmp_path / "versions" / "2" / NAME)
    other.replace(link)
    look_twice(models)

    assert models.get("linked").version == versions[1]


def test_the_old_model_leaves_the_memory(models: LiveModels, models_dir: Path) -> None:
    before = weakref.ref(models.get())
    put(models_dir)

    look_twice(models)

    assert before() is None


def test_whoever_reads_the_models_meanwhile_is_not_disturbed(models: LiveModels, models_dir: Path) -> None:
    put(models_dir, "letters")
    reader = iter(models)
    look_twice(models)

    assert [model.name for model in reader] == [NAME]
    assert [model.name for model in models] == [NAME, "letters"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_bad_candidate_is_refused_and_the_old_version_stays(
    models: LiveModels, models_dir: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    change, reason = DAMAGES[damage]
    before = models.get()
    put(models_dir)
    path = file_of(models_dir)
    path.write_bytes(change(path.read_bytes()))

    changes = look_twice(models)

    assert changes == [Change(NAME, "refused")]
    assert models.get() is before
    assert reason in models.failures[NAME]
    assert str(path) in caplog.text
    assert f"Version {before.version} goes on being served." in caplog.text
    assert look_twice(models) == []


def test_a_refused_candidate_that_is_mended_is_swapped_in(models: LiveModels, models_dir: Path) -> None:
    path = file_of(models_dir)
    path.write_bytes(b"half")
    look_twice(models)
    version = put(models_dir)

    changes = look_twice(models)

    assert changes == [Change(NAME, "swapped")]
    assert models.get().version == version
    assert models.failures == {}


def test_the_old_file_put_back_takes_the_failure_away(models: LiveModels, models_dir: Path) -> None:
    before, content = models.get(), file_of(models_dir).read_bytes()
    file_of(models_dir).write_bytes(b"half")
    look_twice(models)
    file_of(models_dir).write_bytes(content)

    assert look_twice(models) == []
    assert models.get() is before
    assert models.failures == {}


@pytest.mark.parametrize(("min_accuracy", "outcome"), [(0.9, "swapped"), (0.91, "refused")])
def test_a_candidate_needs_the_least_accuracy(models_dir: Path, min_accuracy: float, outcome: str) -> None:
    models = LiveModels(models_dir)
    strict = LiveModels(models_dir, min_accuracy=min_accuracy)
    put(models_dir)

    assert [change.outcome for change in look_twice(models)] == ["swapped"]
    assert [change.outcome for change in look_twice(strict)] == [outcome]
    assert ("SOFTMAX_MIN_ACCURACY, 0.9100" in strict.failures.get(NAME, "")) is (outcome == "refused")


def test_a_pipe_in_the_place_of_the_file_is_refused_unread(models: LiveModels, models_dir: Path) -> None:
    file_of(models_dir).unlink()
    os.mkfifo(file_of(models_dir))

    assert look_twice(models) == [Change(NAME, "refused")]
    assert "it is not a file" in models.failures[NAME]


def test_a_file_that_cannot_be_read_is_said_once_and_tried_again(models: LiveModels, models_dir: Path) -> None:
    path = file_of(models_dir)
    path.unlink()
    path.symlink_to(path.name)  # a loop of links; a file without permission would stop nobody who tests as root

    changes = look_twice(models) + look_twice(models)
    assert changes == [Change(NAME, "refused")]
    assert "it can't be read" in models.failures[NAME]
    version = put(models_dir)

    assert look_twice(models) == [Change(NAME, "swapped")]
    assert models.get().version == version


def test_new_folders_appear_and_removed_ones_go(models: LiveModels, models_dir: Path) -> None:
    put(models_dir, "letters")
    assert look_twice(models) == [Change("letters", "added")]
    assert [model.name for model in models] == [NAME, "letters"]

    file_of(models_dir, "letters").unlink()
    file_of(models_dir, "letters").parent.rmdir()

    assert look_twice(models) == [Change("letters", "removed")]
    with pytest.raises(NoSuchModelError):
        models.get("letters")


def test_a_removed_folder_takes_its_failure_along(models: LiveModels, models_dir: Path) -> None:
    put(models_dir, "letters")
    file_of(models_dir, "letters").write_bytes(b"half")
    look_twice(models)
    assert "letters" in models.failures

    file_of(models_dir, "letters").unlink()
    look_twice(models)

    assert models.failures == {}


@pytest.mark.parametrize("name", [".hidden", "two\nlines", "\udcff"])
def test_folders_that_are_hidden_or_have_no_readable_name_are_left_out(
    models: LiveModels, models_dir: Path, name: str
) -> None:
    (models_dir / name).mkdir()
    file_of(models_dir, name).write_bytes(file_of(models_dir).read_bytes())

    assert look_twice(models) == []


def test_without_its_file_the_default_model_is_missed_and_no_other_takes_its_place(
    models: LiveModels, models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(models_dir, "letters")
    look_twice(models)
    file_of(models_dir).unlink()
    look_twice(models)

    with pytest.raises(NotReadyError, match="it does not exist"):
        models.get()
    assert models.get("letters").name == "letters"
    assert f"Not ready: Model file {file_of(models_dir)}: it does not exist." in caplog.text

    put(models_dir)
    look_twice(models)
    assert models.get().name == NAME


def test_the_default_model_stays_when_one_comes_that_would_have_been_preferred(tmp_path: Path) -> None:
    put(tmp_path, "letters")
    models = LiveModels(tmp_path)
    put(tmp_path, "digits")
    put(tmp_path, NAME)
    look_twice(models)

    assert models.default_name == models.get().name == "letters"


def test_in_an_empty_folder_the_first_that_comes_becomes_the_default(tmp_path: Path) -> None:
    models = LiveModels(tmp_path)
    with pytest.raises(NotReadyError):
        models.get()
    put(tmp_path, "letters")
    look_twice(models)

    assert models.get().name == "letters"


def test_a_folder_that_cannot_be_read_drops_nothing_and_is_said(
    models: LiveModels, models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = models.get()
    away = models_dir.with_name("away")
    models_dir.rename(away)

    assert look_twice(models) == []
    assert models.get() is before
    assert models.folder_problem == f"Models folder {models_dir} can't be read: No such file or directory."
    assert caplog.text.count("can't be read: No such file or directory. Served as before: fashion-mnist.") == 1

    away.rename(models_dir)
    assert look_twice(models) == []
    assert models.folder_problem is None


def test_a_service_that_starts_without_its_folder_says_so_and_takes_what_comes(tmp_path: Path) -> None:
    models = LiveModels(tmp_path / "models")
    with pytest.raises(NotReadyError, match=r"Models folder .* can't be read: No such file or directory"):
        models.get()

    version = put(tmp_path / "models")
    look_twice(models)

    assert models.get().version == version
