"""The validation split."""

from pathlib import Path

import pytest
import torch

from tests.training.conftest import make_split
from training.data.splits import FileSplit, Split, split_off
from training.errors import DataError

LABELS = tuple("abcdefghij")


def test_each_class_gives_the_same_share() -> None:
    train, validation = split_off(make_split(400, class_count=4), 0.1, LABELS)

    assert torch.bincount(validation.class_ids).tolist() == [10, 10, 10, 10]
    assert torch.bincount(train.class_ids).tolist() == [90, 90, 90, 90]


def test_no_image_is_lost_or_doubled() -> None:
    pixels = torch.arange(100).repeat_interleave(784).view(100, 784).to(torch.uint8)

    train, validation = split_off(Split(pixels, torch.arange(100) % 5), 0.2, LABELS)

    assert isinstance(train, Split)
    assert sorted([*train.pixels[:, 0].tolist(), *validation.pixels[:, 0].tolist()]) == list(range(100))


def test_the_seed_decides_which_images_go() -> None:
    first, again, other = (split_off(make_split(400), 0.1, LABELS, seed=seed)[1] for seed in (0, 0, 1))

    assert torch.equal(first.pixels, again.pixels)
    assert not torch.equal(first.pixels, other.pixels)


def test_a_share_of_nothing_leaves_all() -> None:
    train, validation = split_off(make_split(40), 0, LABELS)

    assert (len(train), len(validation)) == (40, 0)


def test_a_class_that_is_too_small_to_split_is_named() -> None:
    with pytest.raises(DataError, match="the class 'a' has 4 training images, too few"):
        split_off(make_split(40), 0.1, LABELS)


def test_a_file_larger_than_memory_is_not_mapped_whole(tmp_path: Path) -> None:
    path = tmp_path / "images"
    with path.open("wb") as file:
        file.truncate(10**13)  # ten terabytes, of which the disk holds nothing
        file.seek(5 * 784)
        file.write(bytes([7]) * 784)
    split = FileSplit(path, 0, torch.arange(3, 8), torch.arange(5))

    assert split.pixels(torch.tensor([2, 0]))[:, 0].tolist() == [7, 0]
