"""The model file: what is saved is loaded, and nothing else."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from app.classifier import artifact
from app.classifier.errors import ModelFileError
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


def test_a_huge_file_is_refused_unread(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(2**30)

    with pytest.raises(ModelFileError, match="larger than"):
        artifact.load(path)
