"""BMP: what Pillow would show otherwise than browsers do is mended or refused."""

import struct

import pytest

from app.classifier.errors import ImageError, TooManyPartsError
from app.classifier.formats.bmp_header import take_apart
from app.classifier.images import read_pixels
from tests.pictures.bmp import PICTURES, REFUSED, bmp


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_shown_otherwise_is_refused_and_named(name: str) -> None:
    content, words = REFUSED[name]

    with pytest.raises(ImageError) as refused:
        read_pixels(content, name="a.bmp")

    assert "a.bmp" in str(refused.value)
    assert words in str(refused.value)


def test_alpha_of_the_latest_headers_counts_in_plain_pixels_too() -> None:
    told, untold = (
        read_pixels(PICTURES[f"BMP: 32 bits with alpha, header of {size} with masks"]) for size in (124, 56)
    )

    assert told == read_pixels(PICTURES["BMP: masks BGRA, header of 124"])
    assert untold == read_pixels(PICTURES["BMP: 32 bits with alpha that is not told"])
    assert told != untold


def test_a_plain_file_is_left_as_it_is() -> None:
    content = PICTURES["BMP: 24 bits"]

    assert take_apart(content, "a.bmp").pixels is content


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("colors", [1, 2, 3])
def test_a_palette_of_few_grays_says_nothing_of_the_bits_of_a_pixel(bits: int, colors: int) -> None:
    palette = b"".join(bytes([value] * 3) + b"\0" for value in (0, 255, 128)[:colors])
    index = (1 << bits) - 1
    pixels = (b"\xff" * -(-28 * bits // 32) * 4) * 28

    shown = (0, 255, 128)[index] if index < colors else 0
    assert read_pixels(bmp(bits, pixels, palette=palette)) == bytes([shown]) * 784


@pytest.mark.parametrize("colors", [257, 65_536, 2**31])
def test_no_more_colors_are_read_than_there_are_indices(colors: int) -> None:
    content = bmp(8, bytes(784), palette=b"\x80" * 1028, colors=colors)

    [counted] = struct.unpack_from("<I", take_apart(content, "a.bmp").pixels, 46)
    assert counted == 256
    assert read_pixels(content) == b"\x80" * 784


def test_a_palette_in_a_short_header_is_no_compression() -> None:
    content = PICTURES["BMP: a palette of OS/2 that looks like run lengths"]

    assert take_apart(content, "a.bmp").pixels is content


def test_more_run_lengths_than_an_image_needs_are_refused() -> None:
    with pytest.raises(TooManyPartsError, match=r"a\.bmp is made of too many pieces"):
        take_apart(bmp(8, b"\1\1" * 5000, palette=bytes(1024), compression=1), "a.bmp")
