"""Orientation as browsers read it from Exif; that they do is held by `tests/page/test_shown_pixels.py`."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from app.classifier.orientation import read_orientation, upright
from tests.drawings import encode, noise
from tests.pictures.exif import EXIFS, exif

SIX = {
    "directory further on",
    "directory at an odd place",
    "more entries than there are",
    "cut behind its entry",
    "behind ten others",
    "6, then 3",
    "9, then 6",
    "a directory that is its own next",
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_of_exif_is_read(order: str, orientation: int) -> None:
    assert read_orientation(exif(orientation, order=order)) == orientation


@pytest.mark.parametrize("name", [name for name in EXIFS if "orientation" not in name])
def test_of_broken_exif_only_a_whole_and_valid_orientation_is_read(name: str) -> None:
    assert read_orientation(EXIFS[name]) == (6 if name in SIX else 1)


@given(st.binary(max_size=200))
def test_any_bytes_are_some_orientation(content: bytes) -> None:
    assert read_orientation(content) in range(1, 9)
    assert read_orientation(b"II*\0" + content) in range(1, 9)


def test_an_orientation_beyond_what_a_jpeg_can_have_is_not_looked_for() -> None:
    assert read_orientation(exif(others=5000)) == 6
    assert read_orientation(exif(others=6000)) == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_pillow_turns_it(orientation: int) -> None:
    stored = Image.Exif()
    stored[0x0112] = orientation
    image = Image.open(io.BytesIO(encode(noise(), "PNG", exif=stored)))

    assert upright(noise(), orientation).tobytes() == ImageOps.exif_transpose(image).tobytes()


@pytest.mark.parametrize("orientation", [0, 9, -1, (6, 6), "6", b"\x06", None])
def test_what_is_no_orientation_turns_nothing(orientation: object) -> None:
    assert upright(noise(), orientation).tobytes() == noise().tobytes()
