"""Data sets: what is read, and what is refused in one line that names the culprit."""

import json
import math
import os
import re
import unicodedata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.classifier.images import read_pixels
from app.classifier.preparation import Preparation
from tests.training.conftest import make_split, write_fashion_mnist, write_idx
from training.data.catalog import DataOptions, load_dataset
from training.data.datasets import Dataset, LeftOut
from training.data.known import entries
from training.data.splits import BLOCK, FileSplit, Split, split_off
from training.errors import DataError

RAW_FILES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def load(name: str, folder: Path = Path("nowhere"), **options: Any) -> Dataset:
    return load_dataset(DataOptions(name, folder, 0.2, **options))


def write_npy(folder: Path, split: Split) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", split.pixels.view(-1, 28, 28).numpy())
    np.save(folder / "labels.npy", split.class_ids.numpy())
    return folder


def write_images(folder: Path, split: Split, names: tuple[str, ...]) -> Path:
    for number, (pixels, class_id) in enumerate(zip(split.pixels, split.class_ids.tolist(), strict=True)):
        path = folder / names[class_id] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.frombytes("L", (28, 28), pixels.numpy().tobytes()).save(path)
    return folder


def test_data_that_are_damaged_are_refused_with_the_folder_to_mend(data_dir: Path) -> None:
    raw = data_dir / "FashionMNIST" / "raw"
    (raw / "train-images-idx3-ubyte").write_bytes(b"not idx")

    with pytest.raises(DataError, match=r"fashion-mnist can't be read from .*FashionMNIST/raw"):
        load("fashion-mnist", data_dir)


@st.composite
def idx_files(draw: st.DrawFn) -> bytes:
    """What may be taken for a file of MNIST's format: a magic number, sizes and bytes that need not fit together."""
    magic = draw(st.sampled_from([b"\0\0\x08", b"\0\0\x0d", b"\1\2\x08", b"\x1f\x8b\x08", b""]))
    sizes = draw(st.lists(st.sampled_from([0, 1, 2, 27, 28, 200, 784, 2**32 - 1]), max_size=5))
    dimensions = draw(st.sampled_from([len(sizes), 0, 1, 3, 255]))
    fitting = math.prod(sizes) if sizes and math.prod(sizes) < 10_000 else 0
    body = bytes(fitting) + draw(st.sampled_from([b"", b"x"]))
    return magic + bytes([dimensions]) + b"".join(size.to_bytes(4, "big") for size in sizes) + body


@given(content=st.one_of(idx_files(), st.binary(max_size=40)), file=st.sampled_from(RAW_FILES))
@settings(max_examples=150, deadline=None)
def test_whatever_stands_in_a_file_is_refused_in_one_sentence(content: bytes, file: str) -> None:
    with TemporaryDirectory() as folder:
        data_dir = write_fashion_mnist(Path(folder), make_split(200), make_split(20, seed=1))
        (data_dir / "FashionMNIST" / "raw" / file).write_bytes(content)

        with pytest.raises(DataError) as refused:
            load("fashion-mnist", data_dir)

    assert re.fullmatch(r"fashion-mnist('s files in| can't be read from) [^\n]+\.", str(refused.value))


def test_a_damaged_file_is_named(data_dir: Path) -> None:
    path = data_dir / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(DataError, match=r"\(t10k-images-idx3-ubyte is damaged\)"):
        load("fashion-mnist", data_dir)


def test_labels_that_are_no_list_are_refused(data_dir: Path) -> None:
    write_idx(data_dir / "FashionMNIST" / "raw" / "train-labels-idx1-ubyte", make_split(1000).class_ids[:, None])

    with pytest.raises(DataError, match="fashion-mnist can't be read from"):
        load("fashion-mnist", data_dir)


def test_a_test_set_without_images_is_refused(data_dir: Path) -> None:
    write_idx(data_dir / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte", torch.zeros(0, 28, 28))
    write_idx(data_dir / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte", torch.zeros(0))

    with pytest.raises(DataError, match=r"^fashion-mnist has no test images\.$"):
        load("fashion-mnist", data_dir)


@pytest.mark.parametrize("share", [-0.1, 1, 7, math.nan])
def test_a_test_size_that_is_no_share_is_refused_also_where_none_is_split_off(data_dir: Path, share: float) -> None:
    with pytest.raises(DataError, match=rf"--test-size {share} must be at least 0 and below 1"):
        load_dataset(DataOptions("fashion-mnist", data_dir, share))


def test_images_and_labels_of_different_data_sets_are_refused(data_dir: Path) -> None:
    write_idx(data_dir / "FashionMNIST" / "raw" / "t10k-labels-idx1-ubyte", torch.zeros(7, dtype=torch.uint8))

    with pytest.raises(DataError, match=r"not of one data set of 28×28 images: images \[\d+, 28, 28\], 7 labels"):
        load("fashion-mnist", data_dir)


def test_a_folder_of_images_is_read_as_the_service_reads_them(tmp_path: Path) -> None:
    write_images(tmp_path / "letters", make_split(20, class_count=2), ("ex", "why"))

    data = load(f"folder:{tmp_path / 'letters'}")

    assert (data.name, data.labels) == ("letters", ("ex", "why"))
    assert (len(data.train), len(data.test)) == (16, 4)


def test_a_folder_may_bring_its_own_test_images(tmp_path: Path) -> None:
    write_images(tmp_path / "train", make_split(20, class_count=2), ("ex", "why"))
    write_images(tmp_path / "test", make_split(6, class_count=2, seed=1), ("ex", "why"))

    data = load(f"folder:{tmp_path}")

    assert isinstance(data.test, Split)
    assert torch.equal(data.test.pixels.sum(0), make_split(6, class_count=2, seed=1).pixels.sum(0))


def test_unreadable_images_are_named_counted_and_skipped_only_when_told_to(tmp_path: Path) -> None:
    write_images(tmp_path, make_split(20, class_count=2), ("ex", "why"))
    (tmp_path / "ex" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.new("L", (64, 48)).save(tmp_path / "why" / "large.png")

    with pytest.raises(DataError, match=r"2 of 22 files .*--resize fits .* \(1\) .*--skip-unreadable.*broken\.png"):
        load(f"folder:{tmp_path}")
    assert len(load(f"folder:{tmp_path}", skip_unreadable=True).train) == 16


def test_test_images_of_a_class_that_is_not_trained_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "train", make_split(20, class_count=2), ("ex", "why"))
    write_images(tmp_path / "test", make_split(6, class_count=3), ("ex", "why", "zed"))

    with pytest.raises(DataError, match=r"test has images of 'zed', of which there are no training images"):
        load(f"folder:{tmp_path}")


def test_a_part_without_images_that_can_be_used_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "train", make_split(20, class_count=2), ("ex", "why"))
    (tmp_path / "test" / "ex").mkdir(parents=True)
    with pytest.raises(DataError, match="test has no images"):
        load(f"folder:{tmp_path}")

    (tmp_path / "test" / "ex" / "broken.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="test has no images that can be used"):
        load(f"folder:{tmp_path}", skip_unreadable=True)


def test_a_class_whose_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "images", make_split(20, class_count=2), ("ex", os.fsdecode(b"wh\xff")))
    write_npy(tmp_path / "arrays", make_split(20, class_count=2))
    (tmp_path / "arrays" / "classes.json").write_text('["ex", "wh\\ud800"]')

    for name in ("folder:images", "npy:arrays"):
        kind, _, folder = name.partition(":")
        with pytest.raises(DataError, match=r"has the name 'wh.*', which is not UTF-8"):
            load(f"{kind}:{tmp_path / folder}")


def test_an_archive_is_not_taken_for_an_array(tmp_path: Path) -> None:
    with (tmp_path / "images.npy").open("wb") as file:
        np.savez(file, np.zeros((4, 28, 28), np.uint8))

    with pytest.raises(DataError, match=r"images\.npy is an archive"):
        load(f"npy:{tmp_path}")


@pytest.mark.parametrize("names", [("training", "testing"), ("train", "val"), ("Train", "Test"), ("train",)])
def test_parts_under_other_names_are_named_with_what_to_do(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        write_images(tmp_path / name, make_split(6, class_count=2), ("ex", "why"))

    with pytest.raises(DataError, match=f"{names[0]}.* look like parts of a data set.*name the") as refused:
        load(f"folder:{tmp_path}")

    assert "--skip-unreadable" not in str(refused.value)


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    write_images(tmp_path, make_split(20, class_count=2), ("test", "val"))

    assert load(f"folder:{tmp_path}").labels == ("test", "val")


def test_a_third_part_is_not_used_without_a_word(tmp_path: Path) -> None:
    for name in ("train", "test", "val"):
        write_images(tmp_path / name, make_split(6, class_count=2), ("ex", "why"))

    assert "['val'], which are not used" in " ".join(load(f"folder:{tmp_path}").warnings())


def test_a_named_pipe_and_a_folder_are_not_waited_for(tmp_path: Path) -> None:
    write_images(tmp_path, make_split(20, class_count=2), ("ex", "why"))
    os.mkfifo(tmp_path / "ex" / "pipe.png")
    (tmp_path / "why" / "inner").mkdir()

    with pytest.raises(DataError, match=r"2 of 22 files .*pipe\.png is no file"):
        load(f"folder:{tmp_path}")
    assert len(load(f"folder:{tmp_path}", skip_unreadable=True).train) == 16


@pytest.mark.parametrize("target", ["not/there", "c"], ids=["nowhere", "loop"])
def test_a_link_in_the_place_of_a_class_that_leads_nowhere_is_not_passed_over(tmp_path: Path, target: str) -> None:
    write_images(tmp_path, make_split(20, class_count=2), ("a", "b"))
    (tmp_path / "c").symlink_to(target)

    with pytest.raises(DataError, match=r"/c is a link that leads nowhere; mend it, or remove it\.$"):
        load(f"folder:{tmp_path}")


def test_a_file_that_is_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    write_images(tmp_path, make_split(20, class_count=2), ("a", "b"))
    (tmp_path / "a" / "x.png").symlink_to("gone.png")

    with pytest.raises(DataError, match=rf"The first: {tmp_path}/a/x\.png: No such file or directory\.$"):
        load(f"folder:{tmp_path}")
    assert len(load(f"folder:{tmp_path}", skip_unreadable=True).train) == 16


def test_an_error_names_the_class(tmp_path: Path) -> None:
    write_images(tmp_path, make_split(2, class_count=2), ("ex", "why"))

    with pytest.raises(DataError, match=r"the class 'ex' has 1 image, too few for --test-size .* of them; add some"):
        load(f"folder:{tmp_path}")


def test_where_images_are_few_the_error_says_which_share_will_do(tmp_path: Path) -> None:
    write_images(tmp_path, make_split(4, class_count=2), ("ex", "why"))

    with pytest.raises(DataError, match=r"the class 'ex' has 2 images, .*; --test-size 0\.5 takes half\."):
        load(f"folder:{tmp_path}")
    with pytest.raises(DataError, match=r"the class 'ex' has 2 training images, .*; --validation 0 keeps none apart\."):
        split_off(make_split(4, class_count=2), 0.05, ("ex", "why"))


def test_an_archive_and_a_folder_without_its_prefix_are_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"PK")
    (tmp_path / "my photos").mkdir()

    with pytest.raises(DataError, match=r"photos\.zip is a file, not a folder; an archive is to be unpacked first"):
        load(f"folder:{tmp_path / 'photos.zip'}")
    with pytest.raises(DataError, match=f"for a folder of one's own, say 'folder:{tmp_path / 'my photos'}'"):
        load(str(tmp_path / "my photos"))


def test_names_that_look_alike_are_shown_apart(tmp_path: Path) -> None:
    names = (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é"))
    write_images(tmp_path, make_split(20, class_count=2), names)

    [warning] = load(f"folder:{tmp_path}").warnings()

    assert "\\xe9" in warning
    assert "e\\u0301" in warning


def test_what_was_left_out_is_told_by_class_and_reason(tmp_path: Path) -> None:
    write_images(tmp_path, make_split(20, class_count=2), ("ex", "why"))
    (tmp_path / "ex" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for number in range(2):
        Image.new("L", (64, 48)).save(tmp_path / "why" / f"large{number}.png")

    data = load(f"folder:{tmp_path}", skip_unreadable=True)

    assert data.left_out == (
        LeftOut("ex", "damaged", ("broken.png",)),
        LeftOut("why", "not 28×28", ("large0.png", "large1.png")),
    )
    [warning] = data.warnings()
    assert warning == (
        "Left out: 3 of 23 files, 13% of all: 1 of 'ex': damaged (broken.png); 2 of 'why': not 28×28 (large0.png, "
        "large1.png)."
    )


def test_of_many_files_that_are_left_out_the_first_are_named() -> None:
    few, many = (LeftOut("ex", "damaged", tuple(f"{number}.png" for number in range(count))) for count in (3, 5))

    assert few.named() == "0.png, 1.png, 2.png"
    assert many.named() == "0.png, 1.png, 2.png, 2 more"


def test_images_of_any_size_are_read_as_the_service_reads_them(tmp_path: Path) -> None:
    for label, shade in (("ex", 40), ("why", 200)):
        (tmp_path / label).mkdir()
        for number in range(10):
            Image.new("RGB", (120, 90), (shade + number,) * 3).save(tmp_path / label / f"{number}.jpg")
    preparation = Preparation(resize=True, invert=True)

    data = load(f"folder:{tmp_path}", preparation=preparation)

    assert isinstance(data.train, Split)
    content = (tmp_path / "ex" / "0.jpg").read_bytes()
    served = torch.frombuffer(bytearray(read_pixels(content, resize=True, invert=True)), dtype=torch.uint8)
    assert any(torch.equal(row, served) for split in (data.train, data.test) for row in split.pixels)  # type: ignore[union-attr]
    assert data.preparation == preparation


def test_only_image_files_are_prepared(tmp_path: Path) -> None:
    write_npy(tmp_path, make_split(30, class_count=3))

    with pytest.raises(DataError, match="--resize, --invert and --center are for folder: data sets"):
        load(f"npy:{tmp_path}", preparation=Preparation(resize=True))


def test_pixels_of_0_and_1_only_are_warned_of(tmp_path: Path) -> None:
    write_npy(tmp_path, Split(make_split(30, class_count=3).pixels % 2, torch.arange(30) % 3))

    assert "All pixels are 0 or 1" in " ".join(load(f"npy:{tmp_path}").warnings())


def test_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_npy(tmp_path / "parts", make_split(30, class_count=3))
    monkeypatch.setenv("HOME", str(tmp_path))

    assert load("npy:~/parts").name == "parts"


def test_only_arrays_are_streamed(tmp_path: Path) -> None:
    write_images(tmp_path, make_split(20, class_count=2), ("ex", "why"))

    with pytest.raises(DataError, match=r"--stream reads npy:"):
        load(f"folder:{tmp_path}", stream=True)


def test_arrays_bring_their_class_names(tmp_path: Path) -> None:
    write_npy(tmp_path / "parts", make_split(30, class_count=3))
    (tmp_path / "parts" / "classes.json").write_text(json.dumps(["bolt", "nut", "washer"]))

    data = load(f"npy:{tmp_path / 'parts'}")

    assert data.labels == ("bolt", "nut", "washer")
    assert (len(data.train), len(data.test)) == (24, 6)


def test_streamed_arrays_are_the_same_data(tmp_path: Path) -> None:
    write_npy(tmp_path, make_split(BLOCK + 1000))

    streamed, mapped = (load(f"npy:{tmp_path}", stream=stream) for stream in (True, False))

    assert isinstance(streamed.train, FileSplit)
    assert streamed.fingerprint() == mapped.fingerprint()
    assert torch.equal(streamed.test.class_ids, mapped.test.class_ids)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((4, 28, 28), np.float32), np.arange(4), r"images\.npy must be uint8 \[N, 28, 28\]"),
        (np.zeros((4, 32, 32), np.uint8), np.arange(4), r"not uint8 \[4, 32, 32\]"),
        (np.zeros((4, 28, 28), np.uint8), np.arange(3), r"labels\.npy must be whole numbers \[4\]"),
        (np.zeros((4, 28, 28), np.uint8), np.array([0, 1, -1, 0]), r"has the label -1"),
        (np.zeros((4, 28, 28), np.uint8), np.array([0, 1, 10**9, 0]), r"has the label 1000000000"),
        (np.zeros((40, 28, 28), np.uint8), np.arange(40) % 2 * 2, r"class '1' has no training images"),
        (np.zeros((9, 28, 28), np.uint8), np.zeros(9, np.int64), r"has 1 class;"),
        (np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.int64), r"has no classes;"),
        (np.zeros((28, 28, 9), np.uint8).T, np.arange(9), r"not uint8 \[9, 28, 28\] in Fortran order"),
    ],
)
def test_arrays_that_cannot_be_trained_on_are_refused(
    tmp_path: Path, images: np.ndarray, labels: np.ndarray, message: str
) -> None:
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", labels)

    with pytest.raises(DataError, match=message):
        load(f"npy:{tmp_path}")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 no archive",
        b"\x93NUMPY\x01\x00\x10\x00{'descr': '|u1', 'shape': (4, 28, 28)}\n",
        b"\x93NUMPY\x01\x00\x76\x00%-118s" % b"{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999, 28, 28)}",
    ],
    ids=["empty", "zip", "header", "size"],
)
def test_a_damaged_array_is_refused_and_named(tmp_path: Path, content: bytes) -> None:
    write_npy(tmp_path, make_split(30, class_count=3))
    (tmp_path / "images.npy").write_bytes(content)

    with pytest.raises(DataError, match=r"images\.npy is not a NumPy array"):
        load(f"npy:{tmp_path}")


def test_a_label_beyond_all_numbers_of_torch_is_named_as_it_is(tmp_path: Path) -> None:
    write_npy(tmp_path, make_split(30, class_count=3))
    np.save(tmp_path / "labels.npy", np.full(30, 2**64 - 1, np.uint64))

    with pytest.raises(DataError, match="has the label 18446744073709551615"):
        load(f"npy:{tmp_path}")


def test_a_file_in_the_place_of_the_folder_is_told_what_is_needed(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", images=np.zeros((4, 28, 28), np.uint8))

    with pytest.raises(DataError, match=r"npy:DIR needs images\.npy and labels\.npy in DIR"):
        load(f"npy:{tmp_path / 'data.npz'}")


@pytest.mark.parametrize("content", [b"[" * 100_000, b"[1e999]", b'["a", "\xff"]', b"{}", b'["a", ""]'])
def test_class_names_that_are_none_are_refused_and_their_file_named(tmp_path: Path, content: bytes) -> None:
    write_npy(tmp_path, make_split(30, class_count=3))
    (tmp_path / "classes.json").write_bytes(content)

    with pytest.raises(DataError, match=r"classes\.json (is not JSON|must be a JSON list)"):
        load(f"npy:{tmp_path}")


def test_a_named_pipe_with_class_names_is_not_waited_for(tmp_path: Path) -> None:
    write_npy(tmp_path, make_split(30, class_count=3))
    os.mkfifo(tmp_path / "classes.json")

    with pytest.raises(DataError, match=r"classes\.json is no file"):
        load(f"npy:{tmp_path}")


def test_class_names_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    write_npy(tmp_path, make_split(30, class_count=3))
    (tmp_path / "classes.json").write_bytes(b'\xef\xbb\xbf["bolt", "nut", "washer"]')

    assert load(f"npy:{tmp_path}").labels == ("bolt", "nut", "washer")


def test_a_file_larger_than_any_image_is_left_out_unread(tmp_path: Path) -> None:
    write_images(tmp_path, make_split(20, class_count=2), ("ex", "why"))
    with (tmp_path / "ex" / "huge.png").open("wb") as file:
        file.truncate(2**40)

    with pytest.raises(DataError, match=r"1 of 21 files .*huge\.png is larger than"):
        load(f"folder:{tmp_path}")
    assert len(load(f"folder:{tmp_path}", skip_unreadable=True).train) == 16


def test_a_label_beyond_the_named_classes_is_refused(tmp_path: Path) -> None:
    write_npy(tmp_path, make_split(30, class_count=3))
    (tmp_path / "classes.json").write_text('["bolt", "nut"]')

    with pytest.raises(DataError, match="label 2, but its 2 classes are 0 to 1"):
        load(f"npy:{tmp_path}")


def test_missing_arrays_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"images\.npy does not exist"):
        load(f"npy:{tmp_path}")


def test_a_folder_without_classes_or_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no sub-folders"):
        load(f"folder:{tmp_path}")
    with pytest.raises(DataError, match="can't be read: No such file"):
        load(f"folder:{tmp_path / 'typo'}")


def test_every_data_set_is_listed() -> None:
    names = [name for name, _ in entries()]

    assert {"fashion-mnist", "mnist", "kmnist", "qmnist", "emnist-letters", "folder:PATH", "npy:DIR"} <= set(names)
    assert sum(name.startswith("emnist-") for name in names) == 6
