"""TIFF: tiles take no more memory than the image needs."""

import struct

import pytest

from app.classifier.errors import DamagedImageError, ImageError, TooManyPixelsError
from app.classifier.formats.tiff_directory import take_apart
from app.classifier.images import read_pixels
from tests.forgeries import tiled_tiff

SHORT, LONG = 3, 4
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
