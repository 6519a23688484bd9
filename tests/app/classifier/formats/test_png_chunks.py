"""PNG: which chunks change what is shown, and that no other can."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.classifier.errors import SeveralFramesError, TooManyPartsError
from app.classifier.formats.png_chunks import take_apart
from app.classifier.images import read_pixels
from tests.forgeries import png_chunk
from tests.pictures.exif import exif
from tests.pictures.png import METADATA, png
from tests.pictures.profiles import RGB_PROFILES

PALETTE = 3  # type of color
LINEAR = png_chunk(b"gAMA", struct.pack(">I", 100_000))
SRGB = png_chunk(b"sRGB", b"\0")
PRIMARIES = png_chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000))
EXIF = png_chunk(b"eXIf", exif())


def profile(content: bytes) -> bytes:
    return png_chunk(b"iCCP", b"name\0\0" + zlib.compress(content))


def damaged(chunk: bytes) -> bytes:
    return chunk[:-1] + bytes([chunk[-1] ^ 1])


def gamma(*chunks: bytes) -> float | None:
    return take_apart(png(before=chunks), "a.png").gamma


@given(
    *[st.lists(st.sampled_from([*METADATA, *map(damaged, METADATA)]), max_size=4)] * 3, st.sampled_from([0, 2, 3, 4, 6])
)
def test_metadata_are_taken_off_whatever_they_are(
    before: list[bytes], middle: list[bytes], after: list[bytes], color_type: int
) -> None:
    content = png(color_type, before=before, middle=middle, after=after)

    assert take_apart(content, "a.png").pixels == png(color_type)


@given(
    kind=st.from_regex("[a-z][a-zA-Z]{3}", fullmatch=True), data=st.binary(max_size=100), behind=st.binary(max_size=50)
)
def test_no_bytes_of_a_chunk_beside_the_pixels_or_behind_the_end_make_them_unreadable(
    kind: str, data: bytes, behind: bytes
) -> None:
    chunk = png_chunk(kind.encode(), data)

    for content in (png(after=[chunk]) + behind, png(before=[damaged(chunk)]) + behind):
        assert read_pixels(content) == read_pixels(png())


def test_a_plain_file_is_left_as_it_is() -> None:
    content = png()

    assert take_apart(content, "a.png").pixels is content


def test_the_first_chunk_of_a_kind_counts_if_it_is_whole_and_before_the_pixels() -> None:
    other = png_chunk(b"eXIf", exif(3))

    assert take_apart(png(before=[EXIF, other]), "a.png").exif == exif()
    assert take_apart(png(before=[damaged(other), EXIF]), "a.png").exif == exif()
    assert take_apart(png(after=[EXIF]), "a.png").exif == b""


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([], None),
        ([LINEAR], 1.0),
        ([LINEAR, SRGB], None),
        ([SRGB, LINEAR], None),
        ([LINEAR, png_chunk(b"sRGB", b"\x09")], 1.0),
        ([png_chunk(b"gAMA", struct.pack(">I", 45455))], None),
        ([png_chunk(b"gAMA", struct.pack(">I", 45455)), PRIMARIES], 0.45455),
        ([png_chunk(b"gAMA", struct.pack(">I", 43181))], 0.43181),
        ([png_chunk(b"gAMA", struct.pack(">I", 47728))], 0.47728),
        ([png_chunk(b"gAMA", bytes(4)), LINEAR], 1.0),
        ([png_chunk(b"gAMA", b"\1"), LINEAR], 1.0),
        ([LINEAR, png_chunk(b"cHRM", b"\xff" * 32)], None),
        ([LINEAR, png_chunk(b"cHRM", bytes(32))], None),
        ([LINEAR, png_chunk(b"cHRM", b"cut")], 1.0),
        ([LINEAR, png_chunk(b"cICP", b"\1\x0d\0\1")], None),
        ([SRGB, png_chunk(b"cICP", b"\1\x08\0\1")], 1.0),
        ([png_chunk(b"cICP", b"\x16\x04\0\1"), LINEAR], 1 / 2.2),
        ([png_chunk(b"cICP", b"\x02\x0d\0\1"), LINEAR], 1.0),
        ([png_chunk(b"cICP", b"\1\x09\0\1"), LINEAR], 1.0),
        ([png_chunk(b"cICP", b"\1\x0d\0\0"), LINEAR], 1.0),
        ([damaged(png_chunk(b"cICP", b"\1\x0d\0\1")), LINEAR], 1.0),
        ([png_chunk(b"cICP", b"\1\x09\0\1"), png_chunk(b"cICP", b"\1\x0d\0\1"), LINEAR], 1.0),
    ],
)
def test_gamma_counts_where_nothing_better_is_said(chunks: list[bytes], expected: float | None) -> None:
    assert gamma(*chunks) == expected


def test_a_profile_is_unpacked() -> None:
    linear = RGB_PROFILES["linear"]

    assert take_apart(png(before=[profile(linear)]), "a.png").profile == linear


def test_a_coded_color_space_outdoes_a_profile() -> None:
    coded = png_chunk(b"cICP", b"\1\x0d\0\1")

    assert take_apart(png(before=[profile(RGB_PROFILES["linear"]), coded]), "a.png").profile is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"name",
        b"name\0",
        b"\0\0" + zlib.compress(b"no name"),
        b"n" * 80 + b"\0\0" + zlib.compress(b"a long name"),
        b"name\0\1" + zlib.compress(b"another method"),
        b"name\0\0not packed",
        b"name\0\0" + zlib.compress(b"cut")[:-3],
        b"name\0\0" + zlib.compress(bytes(2**20 + 1)),
    ],
)
def test_a_profile_that_can_not_be_unpacked_is_none(data: bytes) -> None:
    assert take_apart(png(before=[png_chunk(b"iCCP", data)]), "a.png").profile is None


def test_indices_beyond_the_palette_show_its_last_color() -> None:
    few = bytes(value % 256 for value in range(3 * 100))

    assert read_pixels(png(PALETTE, palette=few)) == read_pixels(png(PALETTE, palette=few + few[-3:] * 156))


@pytest.mark.parametrize(("alphas", "rest"), [(99, 255), (100, 60), (101, 60)])
def test_indices_beyond_the_palette_are_as_transparent_as_its_last_color(alphas: int, rest: int) -> None:
    few = bytes(value % 256 for value in range(3 * 100))
    said = bytes([*[200] * 99, *[60] * (alphas - 99)])
    whole = bytes([*[200] * 99, *[rest] * 157])

    short = png(PALETTE, palette=few, middle=[png_chunk(b"tRNS", said)])

    assert read_pixels(short) == read_pixels(
        png(PALETTE, palette=few + few[-3:] * 156, middle=[png_chunk(b"tRNS", whole)])
    )


@pytest.mark.parametrize(
    ("chunks", "after", "has_more"),
    [
        ([(1, True)], [], False),
        ([(2, True)], [], True),
        ([(1, False)], [png_chunk(b"fdAT", bytes(9))], True),
        ([(0, True)], [], False),
        ([], [png_chunk(b"fdAT", bytes(9))], False),
    ],
)
def test_an_animation_of_more_than_the_image_is_told(
    *, chunks: list[tuple[int, bool]], after: list[bytes], has_more: bool
) -> None:
    frame = png_chunk(b"fcTL", struct.pack(">5IHHBB", 0, 28, 28, 0, 0, 1, 1, 0, 0))
    before = [
        chunk
        for frames, is_image in chunks
        for chunk in (png_chunk(b"acTL", struct.pack(">II", frames, 0)), *([frame] if is_image else []))
    ]
    content = png(before=before, after=after)

    assert take_apart(content, "a.png").has_more_frames == has_more
    if has_more:
        with pytest.raises(SeveralFramesError):
            read_pixels(content)


def test_more_chunks_than_an_image_needs_are_refused() -> None:
    with pytest.raises(TooManyPartsError, match=r"a\.png is made of too many pieces"):
        take_apart(png(before=[png_chunk(b"abCd")] * 3000), "a.png")
