"""The model file: what is saved is loaded, and nothing else."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from app.classifier import artifact
from app.classifier.errors import ModelFileError
from app.classifier.softmax import SoftmaxRegression
from tests.conftest import make_metadata, make_model


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some-model" / artifact.FILE_NAME
    artifact.save(path, make_model(), make_metadata())
    return path


def rewrite(path: Path, tensors: dict[str, Tensor] | None = None, metadata: dict[str, str] | None = None) -> None:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    kept = json.loads(content[8 : 8 + length])["__metadata__"]
    path.write_bytes(save_tensors(load_tensors(content) | (tensors or {}), kept if metadata is None else metadata))


def test_what_is_saved_is_loaded(path: Path) -> None:
    loaded = artifact.load(path)

    assert torch.equal(loaded.model.weight, make_model().weight)
    assert torch.equal(loaded.model.bias, make_model().bias)
    assert loaded.metadata == make_metadata()


def test_the_version_is_the_start_of_the_files_sha256(path: Path) -> None:
    again = artifact.save(path, make_model(), make_metadata())
    other = artifact.save(path, make_model(seed=1), make_metadata())

    assert again != other
    assert artifact.load(path).version == other


def test_the_same_model_is_the_same_file_and_so_the_same_version(path: Path) -> None:
    versions = {artifact.save(path, make_model(), make_metadata()) for _ in range(20)}

    assert versions == {artifact.load(path).version}


def test_saving_leaves_nothing_but_the_file(path: Path) -> None:
    assert [entry.name for entry in path.parent.iterdir()] == [artifact.FILE_NAME]


def test_a_failed_save_leaves_the_old_file_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        artifact.save(path, make_model(seed=1), make_metadata())

    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [artifact.FILE_NAME]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"Model file .*/model.safetensors: it does not exist"):
        artifact.load(tmp_path / artifact.FILE_NAME)


def test_a_file_cut_anywhere_is_refused(path: Path) -> None:
    content = path.read_bytes()

    for length in range(0, len(content), 997):
        path.write_bytes(content[:length])
        with pytest.raises(ModelFileError, match="damaged"):
            artifact.load(path)


def test_a_flipped_weight_is_noticed_by_the_stored_answers(path: Path) -> None:
    weight = make_model().weight
    weight[3] = -weight[3]
    rewrite(path, {"weight": weight})

    with pytest.raises(ModelFileError, match="no longer gives the answers"):
        artifact.load(path)


def test_no_byte_of_a_file_can_change_unnoticed(path: Path) -> None:
    content = path.read_bytes()

    key = content.index(b"sha256")
    for position in (*range(0, len(content), 101), *range(key, key + len("sha256"))):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(ModelFileError):
            artifact.load(path)


def test_a_file_without_a_checksum_is_proven_without_it(path: Path) -> None:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    stored = json.loads(content[8 : 8 + length])["__metadata__"]
    del stored["sha256"]
    rewrite(path, metadata=stored)

    assert artifact.load(path).metadata == make_metadata()


@pytest.mark.parametrize(
    ("name", "tensor", "reason"),
    [
        ("weight", torch.zeros(10, 783), r"'weight' should be torch.float32 \[10, 784\]"),
        ("weight", torch.zeros(10, 784, dtype=torch.float64), "'weight' should be torch.float32"),
        ("bias", torch.zeros(9), r"'bias' should be torch.float32 \[10\]"),
        ("bias", torch.full((10,), float("nan")), "'bias' has values that are not finite"),
        ("check.images", torch.zeros(2, 28, 28), "'check.images' should be torch.uint8"),
        ("check.images", torch.zeros(0, 28, 28, dtype=torch.uint8), r"should be torch.uint8 \[1, 28, 28\]"),
        ("check.images", torch.zeros((), dtype=torch.uint8), r"should be torch.uint8 \[1, 28, 28\]"),
        ("check.probabilities", torch.zeros(1, 10), "'check.probabilities' should be"),
    ],
)
def test_a_tensor_of_another_form_is_refused_and_named(path: Path, name: str, tensor: Tensor, reason: str) -> None:
    rewrite(path, {name: tensor})

    with pytest.raises(ModelFileError, match=reason):
        artifact.load(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": ["a", "b"]}, "confusion matrix"),
        ({"labels": ["a"] * 10}, "labels are not unique"),
        ({"format_version": 2}, "format_version"),
        ({"name": ""}, "name"),
    ],
)
def test_metadata_that_do_not_fit_are_refused(path: Path, change: dict[str, object], reason: str) -> None:
    document = json.loads(make_metadata().model_dump_json()) | change
    rewrite(path, metadata={"softmax_serving": json.dumps(document)})

    with pytest.raises(ModelFileError, match=reason):
        artifact.load(path)


def test_another_safetensors_file_is_refused(path: Path) -> None:
    rewrite(path, metadata={})

    with pytest.raises(ModelFileError, match="not a softmax-serving model"):
        artifact.load(path)


@pytest.mark.parametrize(
    ("name", "tensor", "reason"),
    [
        ("weight", torch.full((10, 784), 3e35), "its logits could reach 2.4e\\+38"),
        ("bias", torch.full((10,), -3e38), "its logits could reach 3.0e\\+38"),
        ("conformal.probabilities", torch.tensor([0.5, 0.4]), "'conformal.probabilities' is not in ascending order"),
        ("conformal.probabilities", torch.tensor([-0.1, 0.4]), "not from 0 to 1"),
        ("conformal.probabilities", torch.tensor([0.1, 1.5]), "not from 0 to 1"),
        ("pixels.mean", torch.full((784,), 1.5), "'pixels.mean' has values that are not from 0 to 1"),
        ("pixels.deviation", torch.full((784,), -0.1), "'pixels.deviation' has values that are not from 0 to 1"),
        ("pixels.limit", torch.tensor(-1.0), "'pixels.limit' has values that are not from 0 to inf"),
        ("trained_on", torch.tensor([2**62, -(2**62)]), "'trained_on' is not in ascending order"),
    ],
)
def test_values_that_no_training_gives_are_refused_and_named(
    path: Path, name: str, tensor: Tensor, reason: str
) -> None:
    statistics = {"pixels.mean": torch.zeros(784), "pixels.deviation": torch.zeros(784), "pixels.limit": torch.ones(())}
    rewrite(path, statistics | {name: tensor})

    with pytest.raises(ModelFileError, match=reason):
        artifact.load(path)


def test_the_largest_weights_that_are_taken_give_probabilities_for_every_image(path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.where(torch.rand(10, 784, generator=generator) < 0.5, -1.0, 1.0) * (artifact._MAX_LOGIT / 790)  # noqa: SLF001
    model = SoftmaxRegression(weight, weight[:, 0])
    artifact.save(path, model, make_metadata())
    loaded = artifact.load(path).model

    images = torch.cat([torch.randint(0, 256, (50, 784), generator=generator), 255 * (weight > 0), 255 * (weight < 0)])

    for values in images.float():
        assert torch.isfinite(loaded.classify(values)).all()
    assert torch.isfinite(loaded.classify(images.float())).all()


@pytest.mark.parametrize(
    "change",
    [
        {"hyperparameters": {"epochs": 10**30}},
        {"labels": ["\ud800", *"bcdefghij"]},
        {"dataset": "\udfff"},
        {"hyperparameters": {"deep": json.loads("[" * 300 + "]" * 300)}},
        {"evaluation": {"loss": float("inf")}},
        {"evaluation": {"sample_count": 10**30}},
        {"evaluation": {"confusion_matrix": [[-1] * 10] * 10}},
    ],
)
def test_metadata_that_can_not_be_answered_are_refused(path: Path, change: dict[str, Any]) -> None:
    document = json.loads(make_metadata().model_dump_json())
    changed = document | {key: document[key] | value if key == "evaluation" else value for key, value in change.items()}
    rewrite(path, metadata={"softmax_serving": json.dumps(changed)})

    with pytest.raises(ModelFileError, match=r"metadata can't be written|not a softmax-serving model"):
        artifact.load(path)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_is_refused_at_once(path: Path, kind: str) -> None:
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")

    with pytest.raises(ModelFileError, match="it is not a file"):
        artifact.load(path)


def test_a_huge_file_is_refused_unread(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(2**30)

    with pytest.raises(ModelFileError, match="larger than"):
        artifact.load(path)
