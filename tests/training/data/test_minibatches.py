"""Orders of images: complete, seeded, mixed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.conftest import make_split
from training.data.minibatches import Minibatches, minibatches
from training.data.splits import BLOCK, FileSplit, Split

CPU = torch.device("cpu")
COUNT = 2 * BLOCK + 100


def numbered() -> Split:
    """Each image's class id is its place."""
    return Split(make_split(COUNT).pixels, torch.arange(COUNT))


@pytest.fixture(params=["memory", "stream"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Minibatches:
    split: Split | FileSplit = numbered()
    if request.param == "stream":
        (tmp_path / "images").write_bytes(numbered().pixels.numpy().tobytes())
        split = FileSplit(tmp_path / "images", 0, torch.arange(COUNT), torch.arange(COUNT))
    return minibatches(split, 64, 0, CPU)


def order(source: Minibatches, epoch: int) -> list[int]:
    source.shuffle(epoch)
    return torch.cat([class_ids.clone() for _, class_ids in source.chunks()]).tolist()


def test_an_epoch_shows_each_image_once(source: Minibatches) -> None:
    assert sorted(order(source, 1)) == list(range(COUNT))


def test_pixels_stay_with_their_class(source: Minibatches) -> None:
    source.shuffle(1)

    for pixels, class_ids in source.chunks():
        assert np.array_equal(pixels.numpy(), numbered().pixels[class_ids].numpy())


def test_an_order_follows_from_the_seed_and_the_epoch(source: Minibatches) -> None:
    first, second, again = (order(source, epoch) for epoch in (1, 2, 1))

    assert first == again
    assert first != second


def test_every_chunk_but_the_last_holds_whole_minibatches(source: Minibatches) -> None:
    source.shuffle(1)

    *chunks, _ = (len(class_ids) for _, class_ids in source.chunks())

    assert all(length % 64 == 0 for length in chunks)


def test_minibatches_mix_images_from_all_over(source: Minibatches) -> None:
    first = torch.tensor(order(source, 1)[:1024]).double()

    assert abs(float(first.mean()) / COUNT - 0.5) < 0.05
