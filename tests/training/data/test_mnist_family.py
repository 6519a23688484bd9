"""MNIST and its relatives: generated images in the files that torchvision's own classes read."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from app.classifier.softmax import SIDE
from tests.training.conftest import make_split, write_idx
from training.data.catalog import DataOptions, load_dataset
from training.data.datasets import Dataset
from training.data.known import FAMILY
from training.data.splits import Split

DIGITS = "0123456789"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOWER = "abcdefghijklmnopqrstuvwxyz"
MERGED = DIGITS + UPPER + "abdefghnqrt"  # the other small letters look like their capitals

EMNIST_LABELS = {
    "byclass": DIGITS + UPPER + LOWER,
    "bymerge": MERGED,
    "balanced": MERGED,
    "letters": LOWER,
    "digits": DIGITS,
    "mnist": DIGITS,
}


def load(name: str, folder: Path) -> Dataset:
    return load_dataset(DataOptions(name, folder, test_size=0.2))


def square(split: Split) -> Tensor:
    """uint8 [N, 28, 28]."""
    return split.pixels.view(-1, SIDE, SIDE)


def write_ints(path: Path, rows: Tensor) -> None:
    """The format of QMNIST's label files: as MNIST's, with integers of four bytes, the first byte first."""
    sizes = b"".join(size.to_bytes(4, "big") for size in rows.shape)
    path.write_bytes(bytes([0, 0, 12, rows.ndim]) + sizes + rows.numpy().astype(">i4").tobytes())


def assert_same(read: object, written: Split) -> None:
    assert isinstance(read, Split)
    assert torch.equal(read.pixels, written.pixels)
    assert torch.equal(read.class_ids, written.class_ids)


def test_every_relative_is_tested_here() -> None:
    tested = {"mnist", "kmnist", "fashion-mnist", "qmnist", *(f"emnist-{part}" for part in EMNIST_LABELS)}

    assert tested == FAMILY.keys()


@pytest.mark.parametrize(
    ("name", "folder", "labels"),
    [
        ("mnist", "MNIST", tuple(DIGITS)),
        ("kmnist", "KMNIST", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")),
        (
            "fashion-mnist",
            "FashionMNIST",
            (
                *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
                *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
            ),
        ),
    ],
)
def test_mnist_and_what_took_its_place_keep_their_class_names(
    name: str, folder: str, labels: tuple[str, ...], tmp_path: Path
) -> None:
    train, test = make_split(40), make_split(20, seed=1)
    for prefix, split in (("train", train), ("t10k", test)):
        write_idx(tmp_path / folder / "raw" / f"{prefix}-images-idx3-ubyte", square(split))
        write_idx(tmp_path / folder / "raw" / f"{prefix}-labels-idx1-ubyte", split.class_ids)

    data = load(name, tmp_path)

    assert (data.name, data.labels) == (name, labels)
    assert_same(data.train, train)
    assert_same(data.test, test)


def test_of_all_that_qmnist_tells_of_an_image_the_first_number_is_its_class(tmp_path: Path) -> None:
    train, test = make_split(40), make_split(60, seed=1)
    for part, split in (("train", train), ("test", test)):
        raw = tmp_path / "QMNIST" / "raw"
        # class, series, writer, number of the writer's digits, code of the class, number in NIST's files, twice 0
        others = torch.tensor([1, 2345, 70_000, 48, 1_000_000, 0, 0]).expand(len(split), 7)
        write_idx(raw / f"qmnist-{part}-images-idx3-ubyte", square(split))
        write_ints(raw / f"qmnist-{part}-labels-idx2-int", torch.cat([split.class_ids[:, None], others], 1))

    data = load("qmnist", tmp_path)

    assert data.labels == tuple(DIGITS)
    assert_same(data.train, train)
    assert_same(data.test, test)


@pytest.mark.parametrize("part", EMNIST_LABELS)
def test_emnist_is_set_upright_and_its_labels_are_the_characters(part: str, tmp_path: Path) -> None:
    labels = tuple(EMNIST_LABELS[part])
    first_number = 1 if part == "letters" else 0
    train, test = make_split(2 * len(labels), len(labels)), make_split(len(labels), len(labels), seed=1)
    for half, split in (("train", train), ("test", test)):
        raw = tmp_path / "EMNIST" / "raw"
        column_by_column = square(split).transpose(1, 2).contiguous()
        write_idx(raw / f"emnist-{part}-{half}-images-idx3-ubyte", column_by_column)
        write_idx(raw / f"emnist-{part}-{half}-labels-idx1-ubyte", split.class_ids + first_number)

    data = load(f"emnist-{part}", tmp_path)

    assert data.labels == labels
    assert_same(data.train, train)
    assert_same(data.test, test)
