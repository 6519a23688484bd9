"""JPEG: which segments change what is shown, and that no other can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.classifier.errors import TooManyPartsError
from app.classifier.formats.jpeg_segments import take_apart
from app.classifier.images import read_pixels
from tests import forgeries
from tests.pictures.exif import exif
from tests.pictures.jpeg import METADATA, PICTURES, jpeg, segment
from tests.pictures.profiles import RGB_PROFILES
from tests.pictures.scene import COLOR, GRAY

APP0, APP1, APP2, APP14, COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
PROFILE = RGB_PROFILES["linear"]


def part(data: bytes, number: int = 1, count: int = 1) -> bytes:
    return segment(APP2, b"ICC_PROFILE\0" + bytes([number, count]) + data)


@given(
    segments=st.lists(
        st.one_of(
            st.sampled_from([data for data in METADATA if data[1] not in {APP0, 0xFF}]),
            st.builds(segment, st.sampled_from([APP1, APP2, 0xED, 0xEF, COMMENT]), st.binary(max_size=200)),
        ),
        max_size=5,
    ),
    behind=st.binary(max_size=200),
    is_progressive=st.booleans(),
)
def test_metadata_are_taken_off_whatever_they_are(
    *, segments: list[bytes], behind: bytes, is_progressive: bool
) -> None:
    plain = jpeg(COLOR, progressive=is_progressive)

    assert take_apart(jpeg(COLOR, *segments, progressive=is_progressive) + behind, "a.jpg").pixels == plain


def test_a_plain_file_is_left_as_it_is() -> None:
    content = jpeg()

    assert take_apart(content, "a.jpg").pixels is content


@pytest.mark.parametrize("name", [name for name in PICTURES if "Exif" not in name and "profile" not in name])
def test_what_passes_without_a_walk_is_what_a_walk_would_keep(name: str) -> None:
    content = PICTURES[name]

    walked = take_apart(content + b"behind the end", "a.jpg").pixels

    assert take_apart(content, "a.jpg").pixels == walked


def test_what_says_how_colors_are_stored_stays_if_it_is_whole() -> None:
    adobe = segment(APP14, b"Adobe\0\x64\0\0\0\0\0")

    assert take_apart(jpeg(COLOR, adobe), "a.jpg").pixels == jpeg(COLOR, adobe)
    assert take_apart(jpeg(COLOR, adobe[:2] + b"\0\x07" + b"Adobe"), "a.jpg").pixels == jpeg(COLOR)
    assert take_apart(jpeg(COLOR, segment(APP0, b"JFIF")), "a.jpg").pixels == jpeg(COLOR)


def test_the_first_exif_that_is_not_empty_counts() -> None:
    first, second = (segment(APP1, b"Exif\0\0" + exif(number)) for number in (6, 3))

    assert take_apart(jpeg(GRAY, first, second), "a.jpg").exif == exif(6)
    assert take_apart(jpeg(GRAY, segment(APP1, b"Exif\0\0"), second), "a.jpg").exif == exif(3)
    assert take_apart(jpeg() + first, "a.jpg").exif == b""


@pytest.mark.parametrize(
    "parts",
    [
        [part(PROFILE)],
        [part(PROFILE[:99], 1, 2), part(PROFILE[99:], 2, 2)],
        [part(PROFILE[99:], 2, 2), part(PROFILE[:99], 1, 2)],
        [part(b""), part(PROFILE)],
        [part(PROFILE), part(PROFILE, 2, 1)],
    ],
)
def test_a_profile_is_joined_from_its_parts(parts: list[bytes]) -> None:
    assert take_apart(jpeg(GRAY, *parts), "a.jpg").profile == PROFILE


@pytest.mark.parametrize(
    "parts",
    [
        [part(PROFILE[:99], 1, 2)],
        [part(PROFILE, 0, 1)],
        [part(PROFILE, 1, 0)],
        [part(PROFILE, 2, 1), part(PROFILE)],
        [part(PROFILE[:99], 1, 2), part(PROFILE[:99], 1, 2), part(PROFILE[99:], 2, 2)],
        [part(PROFILE[:99], 1, 2), part(PROFILE[99:], 2, 3)],
    ],
)
def test_a_profile_with_parts_missing_or_out_of_place_is_none(parts: list[bytes]) -> None:
    assert take_apart(jpeg(GRAY, *parts), "a.jpg").profile is None


def test_bytes_that_look_like_scans_are_none_beside_the_pixels() -> None:
    scans = b"\xff\xda" * 1000

    motion_photo = jpeg(GRAY, segment(APP1, b"Exif\0\0" + exif(1) + scans)) + b"\0\0\0\x18ftypmp42" + scans

    assert read_pixels(motion_photo) == read_pixels(jpeg())


def test_more_scans_than_64_are_refused() -> None:
    assert len(read_pixels(forgeries.jpeg(scans=50))) == 784
    with pytest.raises(TooManyPartsError, match=r"trap\.jpg is a JPEG of more than 64 scans"):
        read_pixels(forgeries.jpeg(scans=64), name="trap.jpg")


def test_more_segments_than_an_image_needs_are_refused() -> None:
    with pytest.raises(TooManyPartsError, match=r"a\.jpg is made of too many pieces"):
        take_apart(jpeg(GRAY, *[segment(COMMENT)] * 3000), "a.jpg")
