"""Prediction sets, and the model file that keeps what they are chosen by."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from app.classifier import artifact
from app.classifier.conformal import ConformalScores, least_images
from app.classifier.errors import ModelFileError
from tests.conftest import make_metadata, make_model


def answers(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Probabilities [N, 10] of an overconfident model, and true classes that follow flatter ones."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, 10, generator=generator) * 2
    truth = torch.multinomial(torch.softmax(logits, dim=1), 1, generator=generator).flatten()
    return torch.softmax(logits * 1.7, dim=1), truth


@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.95, 0.99])
def test_a_set_holds_the_truth_as_often_as_asked(coverage: float) -> None:
    conformal = ConformalScores.measure(*answers(4000, seed=0))
    probabilities, truth = answers(8000, seed=1)

    sets = [conformal.class_ids(row, coverage) for row in probabilities.tolist()]

    covered = sum(true in chosen for true, chosen in zip(truth.tolist(), sets, strict=True)) / 8000
    deviation = (coverage * (1 - coverage) * (1 / 4000 + 1 / 8000)) ** 0.5  # of the calibration and of the count
    likeliest = (probabilities.argmax(1) == truth).double().mean().item()  # a set always holds the likeliest class
    assert coverage - 4 * deviation < covered < max(coverage, likeliest) + 4 * deviation


def test_a_larger_coverage_only_adds_classes() -> None:
    conformal = ConformalScores.measure(*answers(500, seed=0))

    for row in answers(200, seed=1)[0].tolist():
        sets = [conformal.class_ids(row, coverage) for coverage in (0.5, 0.7, 0.9, 0.95, 0.99, 0.999)]
        assert all(larger[: len(smaller)] == smaller for smaller, larger in pairwise(sets))


def test_a_set_is_never_empty_and_its_likeliest_class_comes_first() -> None:
    conformal = ConformalScores(torch.ones(100))  # always sure, always right

    assert conformal.class_ids([0.2, 0.5, 0.3], 0.9) == [1]


def test_the_threshold_is_the_finite_sample_quantile() -> None:
    conformal = ConformalScores(torch.tensor([0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95]))  # n + 1 = 10

    assert conformal.class_ids([0.5, 0.25, 0.25], 0.8) == [0, 1, 2]  # the 8th likeliest of 9: 0.25
    assert conformal.class_ids([0.5, 0.25, 0.25], 0.7) == [0]  # the 7th: 0.4


def test_too_few_scores_for_a_coverage_give_all_classes() -> None:
    conformal = ConformalScores(torch.tensor([0.5, 0.9]))

    assert conformal.class_ids([1.0, 0.0, 0.0], 0.9) == [0, 1, 2]


@pytest.mark.parametrize(("coverage", "images"), [(0.5, 1), (0.9, 9), (0.95, 19), (0.99, 99), (0.999, 999)])
def test_so_many_images_are_needed_for_less_than_all_classes(coverage: float, images: int) -> None:
    assert least_images(coverage) == images
    for count, classes in ((images - 1, 2), (images, 1)):
        assert len(ConformalScores(torch.full((count,), 0.9)).class_ids([0.95, 0.05], coverage)) == classes


def test_the_model_file_keeps_them(tmp_path: Path) -> None:
    conformal = ConformalScores.measure(*answers(50, seed=0))
    artifact.save(tmp_path / "model.safetensors", make_model(), make_metadata(), conformal=conformal)

    found = artifact.load(tmp_path / "model.safetensors").conformal

    assert found is not None
    assert torch.equal(found.probabilities, conformal.probabilities)


def test_a_model_file_without_them_is_loaded(tmp_path: Path) -> None:
    artifact.save(tmp_path / "model.safetensors", make_model(), make_metadata())

    assert artifact.load(tmp_path / "model.safetensors").conformal is None


@pytest.mark.parametrize("scores", [torch.rand(3, 2), torch.rand(3).double(), torch.tensor([torch.nan])])
def test_a_model_file_with_others_is_refused(tmp_path: Path, scores: Tensor) -> None:
    path = tmp_path / "model.safetensors"
    artifact.save(path, make_model(), make_metadata())
    tensors = load_file(path) | {"conformal.probabilities": scores}
    save_file(tensors, path, {"softmax_serving": make_metadata().model_dump_json()})

    with pytest.raises(ModelFileError, match=r"conformal\.probabilities"):
        artifact.load(path)
