"""Images unlike the training images, told by the pixels' statistics in the model file."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from app.classifier import artifact
from app.classifier.errors import ModelFileError
from app.classifier.images import read_pixels
from app.classifier.pixel_statistics import PixelStatistics, WarningCode
from app.classifier.softmax import PIXELS, SIDE
from tests.conftest import make_metadata, make_model
from tests.drawings import ankle_boot, noise
from tests.pictures.png import sixteen_bit


def boots(count: int = 200) -> Tensor:
    """uint8 [N, 784]: the boot in many brightnesses."""
    boot = torch.tensor(list(ankle_boot().tobytes()), dtype=torch.float32)
    return (boot * torch.linspace(0.5, 1.1, count)[:, None]).clamp(max=255).to(torch.uint8)


def warning(statistics: PixelStatistics, pixels: Tensor) -> WarningCode | None:
    return statistics.warning(bytes(pixels.tolist()), pixels.float())


def test_mean_and_deviation_are_those_of_the_inputs() -> None:
    pixels = torch.randint(0, 256, (20_000, PIXELS), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)

    found = PixelStatistics.measure(pixels)

    inputs = pixels.double() / 255
    assert torch.allclose(found.mean.double(), inputs.mean(0), atol=1e-6)
    assert torch.allclose(found.deviation.double(), inputs.std(0, correction=0), atol=1e-6)


def test_the_limit_holds_995_of_1000_training_images() -> None:
    pixels = torch.randint(0, 256, (2000, PIXELS), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)

    found = PixelStatistics.measure(pixels.view(-1, SIDE, SIDE))

    assert int((found.distances(pixels) > found.limit).sum()) == 10


def test_images_like_those_of_training_pass() -> None:
    statistics = PixelStatistics.measure(boots())

    assert [warning(statistics, boot) for boot in boots()[10:-10]] == [None] * 180


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (255 - boots()[100], "inverted"),
        (torch.zeros(PIXELS, dtype=torch.uint8), "blank"),
        (torch.full((PIXELS,), 255, dtype=torch.uint8), "blank"),
        (torch.tensor(list(noise().tobytes()), dtype=torch.uint8), "unusual"),
        (boots()[100].view(SIDE, SIDE).rot90().flatten(), "unusual"),
    ],
)
def test_other_images_are_named_for_what_is_odd(pixels: Tensor, expected: WarningCode) -> None:
    assert warning(PixelStatistics.measure(boots()), pixels) == expected


def speckled(count: int, *, ground: int = 0, speck: int = 255) -> Tensor:
    pixels = torch.full((PIXELS,), ground, dtype=torch.uint8)
    pixels[100 : 100 + 50 * count : 50] = speck
    return pixels


def noisy(ground: int, deviation: int) -> Tensor:
    noise = torch.randint(-deviation, deviation + 1, (PIXELS,), generator=torch.Generator().manual_seed(0))
    return (ground + noise).clamp(0, 255).to(torch.uint8)


NEARLY_BLANK = {
    "noise on black": noisy(0, 25),
    "noise on white": noisy(255, 25),
    "noise on gray": noisy(128, 12),
    "a speck on black": speckled(1),
    "seven specks on white": speckled(7, ground=255, speck=0),
    "8 bits in 16": torch.tensor(list(read_pixels(sixteen_bit([value % 256 for value in range(PIXELS)])))),
    "12 bits in 16": torch.tensor(list(read_pixels(sixteen_bit([5 * value for value in range(PIXELS)])))),
    "a boot in the dark": boots()[100] // 8,
}


@pytest.mark.parametrize("name", NEARLY_BLANK)
def test_nearly_blank_images_are_as_blank_as_blank_ones(name: str) -> None:
    assert warning(PixelStatistics.measure(boots()), NEARLY_BLANK[name]) == "blank"


@pytest.mark.parametrize("pixels", [speckled(8), speckled(8, ground=255, speck=0), noisy(128, 60), boots()[100] // 4])
def test_images_with_something_on_them_are_not_blank(pixels: Tensor) -> None:
    assert warning(PixelStatistics.measure(boots()), pixels) != "blank"


def test_many_images_are_judged_as_each_alone() -> None:
    statistics = PixelStatistics.measure(boots())
    nearly_blank = torch.stack(list(NEARLY_BLANK.values())).to(torch.uint8)
    pixels = torch.cat([boots(), 255 - boots(), nearly_blank, torch.zeros(1, PIXELS, dtype=torch.uint8)])

    together = statistics.warnings([bytes(image.tolist()) for image in pixels], pixels.float())

    assert together == [warning(statistics, image) for image in pixels]
    assert together[400:] == ["blank"] * 9
    assert [found is not None for found in together[:400]] == (
        statistics.distances(pixels[:400]) > statistics.limit
    ).tolist()


def test_the_model_file_keeps_them(tmp_path: Path) -> None:
    statistics = PixelStatistics.measure(boots())
    artifact.save(tmp_path / "model.safetensors", make_model(), make_metadata(), statistics)

    found = artifact.load(tmp_path / "model.safetensors").pixel_statistics

    assert found is not None
    assert torch.equal(found.mean, statistics.mean)
    assert torch.equal(found.deviation, statistics.deviation)
    assert torch.equal(found.limit, statistics.limit)


def test_a_model_file_without_them_is_loaded(tmp_path: Path) -> None:
    artifact.save(tmp_path / "model.safetensors", make_model(), make_metadata())

    assert artifact.load(tmp_path / "model.safetensors").pixel_statistics is None


def test_a_model_file_with_a_part_of_them_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    artifact.save(path, make_model(), make_metadata(), PixelStatistics.measure(boots()))
    tensors = load_file(path)
    del tensors["pixels.limit"]
    save_file(tensors, path, {"softmax_serving": make_metadata().model_dump_json()})

    with pytest.raises(ModelFileError, match=r"pixels\.limit"):
        artifact.load(path)
