"""GIF: the first frame on its screen, and what says how it is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageOps

from app.classifier.errors import ImageError, TooManyPartsError
from app.classifier.formats.gif_blocks import take_apart
from app.classifier.images import read_pixels
from tests import drawings
from tests.pictures.gif import COLORS, GRAYS, METADATA, REFUSED, WHOLE, control, frame, gif
from tests.pictures.scene import GRAY, SIDE, gray

SHOWN = gray(10, 10)
BOXES = st.tuples(*[st.integers(0, 13)] * 2, *[st.integers(1, 15)] * 2)


@given(
    before=st.lists(st.sampled_from(METADATA), max_size=3),
    after=st.lists(st.sampled_from(METADATA), max_size=3),
    behind=st.binary(max_size=50),
)
def test_extensions_are_taken_off_whatever_they_are(before: list[bytes], after: list[bytes], behind: bytes) -> None:
    assert take_apart(gif(*before, frame(), *after) + behind, "a.gif").pixels == gif(frame())


@given(
    box=BOXES, background=st.integers(0, 255), interlaced=st.booleans(), is_local=st.booleans(), invert=st.booleans()
)
def test_what_a_frame_leaves_uncovered_is_background(
    *,
    box: tuple[int, int, int, int],
    background: int,
    interlaced: bool,
    is_local: bool,
    invert: bool,
) -> None:
    shown = frame(box, interlaced=interlaced, palette=COLORS if is_local else b"")
    whole = read_pixels(gif(frame(palette=COLORS) if is_local else frame()), invert=invert)

    pixels = read_pixels(gif(shown, palette=COLORS if is_local else GRAYS, background=background), invert=invert)

    left, top, width, height = box
    for place, value in enumerate(pixels):
        is_covered = left <= place % SIDE < left + width and top <= place // SIDE < top + height
        assert value == (whole[place] if is_covered else 0)


def test_a_trimmed_image_is_read_like_the_whole() -> None:
    """As image editors save a dark garment on white: they leave out what is one color all around."""
    boot = drawings.ankle_boot()
    dark_on_light = ImageOps.invert(boot)
    left, top, right, bottom = box = boot.getbbox() or (0, 0, SIDE, SIDE)
    whole = drawings.encode(dark_on_light, "GIF")

    trimmed = drawings.encode(dark_on_light.crop(box), "GIF")
    palette_end = 13 + 3 * (2 << (trimmed[10] & 7))
    place = trimmed.index(b",", palette_end)
    size = bytes([SIDE, 0, SIDE, 0])
    moved = bytes([left, 0, top, 0])
    content = trimmed[:6] + size + trimmed[10 : place + 1] + moved + trimmed[place + 5 :]

    assert (right - left, bottom - top) != (SIDE, SIDE)
    assert read_pixels(content, invert=True) == read_pixels(whole, invert=True) == boot.tobytes()


@pytest.mark.parametrize(
    ("controls", "is_transparent"),
    [
        (control(), False),
        (control(transparent=SHOWN), True),
        (control(transparent=SHOWN) + control(), False),
        (control() + control(transparent=SHOWN), True),
        (control(transparent=SHOWN, disposal=2), True),
        (b"!\xf9\0", False),
        (b"!\xf9\1\1\0", False),
    ],
)
def test_the_last_control_before_the_frame_says_what_is_transparent(*, controls: bytes, is_transparent: bool) -> None:
    pixels = read_pixels(gif(controls, frame()), invert=True)

    places = [place for place, value in enumerate(GRAY.tobytes()) if value == SHOWN]
    assert {pixels[place] for place in places} == {0 if is_transparent else 255 - SHOWN}


@pytest.mark.parametrize("name", REFUSED)
def test_a_frame_that_can_not_be_read_is_refused_and_named(name: str) -> None:
    content, words = REFUSED[name]

    with pytest.raises(ImageError) as refused:
        read_pixels(content, name="a.gif")

    assert "a.gif" in str(refused.value)
    assert words in str(refused.value)


def test_a_frame_that_is_cut_is_refused() -> None:
    content = gif(frame(WHOLE))

    for length in (20, 800, len(content) - 100):
        with pytest.raises(ImageError, match=r"a\.gif"):
            read_pixels(content[:length], name="a.gif")


def test_more_blocks_than_an_image_needs_are_refused() -> None:
    with pytest.raises(TooManyPartsError, match=r"a\.gif is made of too many pieces"):
        take_apart(gif(b"!\xfe" + b"\1a" * 3000 + b"\0", frame()), "a.gif")
