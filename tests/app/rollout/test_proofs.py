"""What was proven is known by its bytes, and by nothing else."""

import os
from hashlib import sha256
from pathlib import Path

import orjson
import pytest

from app.classifier import artifact
from app.classifier.errors import ModelFileError
from app.rollout.errors import UnfitChallengerError
from app.rollout.model_folder import CHALLENGER, PREVIOUS, ModelFolder
from app.rollout.proofs import Proofs, Prove
from tests.app.rollout.conftest import save_model, whole_version
from tests.damages import DAMAGES


class Proving:
    """Proves as ever, and counts."""

    def __init__(self) -> None:
        self.versions: list[str] = []

    def __call__(self, path: Path, content: bytes) -> artifact.Artifact:
        loaded = artifact.prove(path, content)
        self.versions.append(loaded.version)
        return loaded


@pytest.fixture
def proving() -> Proving:
    return Proving()


@pytest.fixture
def promoted(folder: Path) -> Path:
    """The folder of a model whose challenger has been promoted."""
    save_model(folder / CHALLENGER, seed=2)
    model_folder(folder, artifact.prove).promote("the command line", lambda _champion, _challenger: None)
    return folder


def model_folder(path: Path, prove: Prove, least: float | None = None) -> ModelFolder:
    return ModelFolder(path, lambda _decision: None, prove, least)


def test_what_a_promotion_has_proven_goes_back_and_forth_unproven(promoted: Path, proving: Proving) -> None:
    champion, previous = whole_version(promoted), whole_version(promoted / PREVIOUS)

    model_folder(promoted, proving).roll_back("the command line")
    assert whole_version(promoted) == previous
    model_folder(promoted, proving).roll_back("the command line")

    assert whole_version(promoted) == champion
    assert proving.versions == []


def test_a_previous_version_that_nobody_has_proven_is_proven_once(folder: Path, proving: Proving) -> None:
    previous = save_model(folder / PREVIOUS, seed=2)
    champion = whole_version(folder)

    model_folder(folder, proving).roll_back("the command line")
    assert set(proving.versions) == {previous}
    model_folder(folder, proving).roll_back("the command line")  # the champion: it answered, but no decision proved it
    assert set(proving.versions) == {previous, champion}
    proving.versions.clear()
    model_folder(folder, proving).roll_back("the command line")

    assert proving.versions == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_has_changed_since_it_was_proven_is_refused(promoted: Path, damage: str) -> None:
    change, reason = DAMAGES[damage]
    file = promoted / PREVIOUS / artifact.FILE_NAME
    file.write_bytes(change(file.read_bytes()))
    before = whole_version(promoted)

    with pytest.raises(ModelFileError, match=reason):
        model_folder(promoted, artifact.prove).roll_back("the command line")

    assert whole_version(promoted) == before


def test_the_least_accuracy_holds_for_what_was_proven_before_it_was_set(promoted: Path, proving: Proving) -> None:
    before = whole_version(promoted)

    with pytest.raises(UnfitChallengerError, match=r"0\.9000, is below SOFTMAX_MIN_ACCURACY, 0\.9500"):
        model_folder(promoted, proving, least=0.95).roll_back("the command line")

    assert whole_version(promoted) == before
    assert proving.versions == []


def test_a_damaged_champion_that_becomes_the_previous_version_does_not_pass_for_proven(promoted: Path) -> None:
    previous = whole_version(promoted / PREVIOUS)
    (promoted / artifact.FILE_NAME).write_bytes(b"half")
    model_folder(promoted, artifact.prove).roll_back("the command line")

    with pytest.raises(ModelFileError, match="damaged"):
        model_folder(promoted, artifact.prove).roll_back("the command line")

    assert whole_version(promoted) == previous


def strange(path: Path, what: str) -> None:
    path.unlink()
    match what:
        case "a pipe":
            os.mkfifo(path)
        case "a folder":
            path.mkdir()
        case "too large":
            with path.open("wb") as file:
                file.truncate(2**27)
        case _:
            path.write_text(what)


@pytest.mark.parametrize(
    "what", ["a pipe", "a folder", "too large", "half", "[1, 2]", '{"service": "0.1.0", "accuracies": {"a": "b"}}']
)
def test_what_remembers_nothing_is_no_proof_and_stops_nobody(promoted: Path, what: str, proving: Proving) -> None:
    previous = whole_version(promoted / PREVIOUS)
    strange(promoted / ".proven.json", what)

    model_folder(promoted, proving).roll_back("the command line")

    assert whole_version(promoted) == previous
    assert set(proving.versions) == {previous}
    assert orjson.loads((promoted / ".proven.json").read_bytes())["accuracies"].keys() == {digest(promoted)}


def test_what_another_version_of_the_service_has_proven_is_proven_again(promoted: Path, proving: Proving) -> None:
    written = orjson.loads((promoted / ".proven.json").read_bytes())
    (promoted / ".proven.json").write_bytes(orjson.dumps(written | {"service": "0.0.9"}))

    model_folder(promoted, proving).roll_back("the command line")

    assert set(proving.versions) == {whole_version(promoted)}


def test_only_what_is_named_is_remembered(folder: Path, tmp_path: Path, proving: Proving) -> None:
    file, other = folder / artifact.FILE_NAME, tmp_path / artifact.FILE_NAME
    save_model(tmp_path, seed=2, card=False)
    proofs = Proofs(tmp_path / ".proven.json", proving)
    proofs.load(file)
    proofs.load(other)

    proofs.remember({digest(folder), sha256(b"never seen").hexdigest()})

    later = Proofs(tmp_path / ".proven.json", proving)
    proving.versions.clear()
    assert later.accuracy(file) == (whole_version(folder), 0.9)
    assert proving.versions == []
    assert later.accuracy(other) == (artifact.load(other).version, 0.9)
    assert proving.versions == [artifact.load(other).version]


def digest(folder: Path) -> str:
    return sha256((folder / artifact.FILE_NAME).read_bytes()).hexdigest()
