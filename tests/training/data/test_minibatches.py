"""Orders of images: complete, seeded, mixed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.conftest import make_split
from training.data.minibatches import POOL, Minibatches, minibatches
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


@pytest.mark.parametrize(("count", "batch_size"), [(1, 1), (180, 256), (4097, 64), (POOL, 5000), (132_072, 60_000)])
def test_a_stream_gives_the_minibatches_of_memory(count: int, batch_size: int, tmp_path: Path) -> None:
    pixels = torch.randint(0, 256, (count, 784), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    (tmp_path / "images").write_bytes(pixels.numpy().tobytes())
    splits = (
        Split(pixels, torch.arange(count)),
        FileSplit(tmp_path / "images", 0, torch.arange(count), torch.arange(count)),
    )
    memory, stream = (minibatches(split, min(batch_size, count), 0, CPU) for split in splits)

    for epoch in (1, 2):
        for source in (memory, stream):
            source.shuffle(epoch)
        for (pixels_of_one, ids_of_one), (pixels_of_other, ids_of_other) in zip(
            memory.chunks(), stream.chunks(), strict=True
        ):
            assert torch.equal(ids_of_one, ids_of_other)
            assert torch.equal(pixels_of_one, pixels_of_other)


def test_pools_of_a_file_sorted_by_class_have_all_classes() -> None:
    count, class_count = 3 * POOL, 10
    source = minibatches(Split(torch.zeros(count, 784, dtype=torch.uint8), torch.arange(count)), 4096, 0, CPU)
    source.shuffle(1)

    for number, (_, places) in enumerate(source.chunks()):
        if number % 16 == 0:
            shares = torch.bincount(places * class_count // count, minlength=class_count) / len(places)
            assert ((shares > 0.03) & (shares < 0.2)).all()


def test_minibatches_mix_images_from_all_over(source: Minibatches) -> None:
    first = torch.tensor(order(source, 1)[:1024]).double()

    assert abs(float(first.mean()) / COUNT - 0.5) < 0.05
