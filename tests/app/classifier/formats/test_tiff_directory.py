"""A TIFF's directory: what honest files have is let through, what costs more than the image needs is refused."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.classifier.errors import (
    DamagedImageError,
    ImageError,
    TooManyPartsError,
    TooManyPixelsError,
    UnsupportedModeError,
)
from app.classifier.formats.tiff_directory import take_apart
from app.classifier.images import read_pixels
from tests import drawings, forgeries
from tests.forgeries import tiled_tiff

SHORT, LONG, FRACTION = 3, 4, 5
WIDTH, HEIGHT = 322, 323


def sides(width: int, height: int, kind: int = LONG) -> list[tuple[int, int, int, int]]:
    return [(WIDTH, kind, 1, width), (HEIGHT, kind, 1, height)]


def big(*tags: tuple[int, int, int, int]) -> bytes:
    """A BigTIFF of these tags, without pixels."""
    return b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, len(tags)) + b"".join(struct.pack("<HHQQ", *tag) for tag in tags)


@pytest.mark.parametrize("tags", [sides(512, 512), sides(512, 512, SHORT), sides(256, 1024)])
def test_a_tile_as_programs_make_them_is_read(tags: list[tuple[int, int, int, int]]) -> None:
    content = tiled_tiff(*tags)

    assert take_apart(content, "a.tif").pixels is content
    assert read_pixels(content) == bytes(784)


def test_a_tile_may_be_as_large_as_the_image() -> None:
    content = tiled_tiff(*sides(1008, 1008), side=1000)

    assert take_apart(content, "a.tif").pixels is content


@pytest.mark.parametrize(
    "content",
    [
        tiled_tiff(*sides(46_320, 46_320)),
        tiled_tiff(*sides(16, 65_520, SHORT)),
        tiled_tiff(*sides(2**32 - 1, 1)),
        big((256, LONG, 1, 28), (257, LONG, 1, 28), *sides(46_320, 46_320)),
        b"MM\0*" + struct.pack(">IHHHIHHHHIHH", 8, 2, WIDTH, SHORT, 1, 46_320, 0, HEIGHT, SHORT, 1, 46_320, 0),
    ],
)
@pytest.mark.parametrize("resize", [False, True])
def test_a_tile_that_is_larger_is_refused_and_its_size_named(content: bytes, *, resize: bool) -> None:
    with pytest.raises(TooManyPixelsError, match=r"a\.tif is a TIFF in tiles of \d+×\d+ pixels; save it in strips"):
        take_apart(content, "a.tif")
    with pytest.raises(ImageError):
        read_pixels(content, resize=resize)


@pytest.mark.parametrize(
    "tags",
    [
        [*sides(46_320, 46_320), *sides(16, 16)],
        [*sides(16, 16), *sides(46_320, 46_320)],
        sides(16, 16)[:1],
        sides(16, 16)[1:],
        sides(16, 16, kind=11),
        [(WIDTH, LONG, 2, 8), (HEIGHT, LONG, 1, 16)],
    ],
)
def test_a_tile_of_no_clear_size_is_refused(tags: list[tuple[int, int, int, int]]) -> None:
    with pytest.raises(DamagedImageError, match=r"a\.tif is a TIFF that does not say clearly how large its tiles are"):
        read_pixels(tiled_tiff(*tags), name="a.tif")


@pytest.mark.parametrize("length", range(0, 60, 4))
def test_a_file_that_is_cut_is_left_to_the_decoder(length: int) -> None:
    content = tiled_tiff(*sides(16, 16))[:length]

    assert take_apart(content, "a.tif").pixels is content


@pytest.mark.parametrize("kind", [SHORT, LONG, FRACTION, 99])
def test_values_that_cannot_be_in_the_file_are_left_to_the_decoder_that_passes_over_them(kind: int) -> None:
    assert take_apart(forgeries.tiff(28, 28, [(282, kind, 2**30, 200)], bytes(784)), "a.tif")


def test_a_big_endian_bigtiff_is_refused_as_pillow_misreads_it() -> None:
    with pytest.raises(UnsupportedModeError, match=r"a\.tif is a big-endian BigTIFF; save it as TIFF"):
        read_pixels(b"MM\0+\0\x08\0\0" + bytes(800), name="a.tif")


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("big", [False, True])
def test_what_pillow_writes_is_let_through(compression: str | None, big: bool) -> None:  # noqa: FBT001
    content = drawings.encode(drawings.ankle_boot(), "TIFF", compression=compression, big_tiff=big)

    assert take_apart(content, "boot.tif").pixels == content
    assert read_pixels(content) == drawings.ankle_boot().tobytes()


def test_a_palette_of_16_bits_and_a_profile_of_bytes_are_let_through() -> None:
    palette, profile = (320, SHORT, 3 * 65_536, 200), (34_675, 7, 900_000, 200)

    assert take_apart(forgeries.tiff(28, 28, [palette, profile], bytes(784)), "boot.tif")


def test_a_thousand_fractions_are_let_through_and_more_are_refused_and_counted() -> None:
    def content(count: int) -> bytes:
        return forgeries.tiff(28, 28, [(282, FRACTION, count, 200)], bytes(16_000))

    assert take_apart(content(1024), "boot.tif")
    with pytest.raises(TooManyPartsError, match=r"^boot\.tif has .* 1,025 of them fractions"):
        take_apart(content(1025), "boot.tif")


@given(st.binary(max_size=80), st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"MM+\0"]))
def test_a_directory_of_any_bytes_is_let_through_or_refused(rest: bytes, signature: bytes) -> None:
    content = signature + rest
    with suppress(ImageError):
        assert take_apart(content, "boot.tif").pixels == content


def test_an_image_is_read_as_before_where_the_directory_lies_behind_it() -> None:
    image = Image.new("L", (28, 28), 7)
    content = drawings.encode(image, "TIFF")
    [start] = struct.unpack_from("<I", content, 4)
    moved = content[:4] + struct.pack("<I", len(content)) + content[8:] + content[start:]

    assert read_pixels(moved) == image.tobytes()
