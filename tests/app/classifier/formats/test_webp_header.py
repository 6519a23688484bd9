"""WebP: what is transparent is background, whatever the header says."""

import pytest
from PIL import Image

from app.classifier.errors import DamagedImageError, SeveralFramesError
from app.classifier.formats.webp_header import take_apart
from app.classifier.images import read_pixels
from tests.pictures.scene import GRAY
from tests.pictures.webp import PICTURES, animation

BOX = (4, 6, 20, 16)


@pytest.mark.parametrize("flags", [0, 0x10])
@pytest.mark.parametrize("invert", [False, True])
def test_what_a_frame_leaves_uncovered_is_background(*, invert: bool, flags: int) -> None:
    expected = Image.new("L", (28, 28))
    expected.paste(GRAY.crop(BOX).point(lambda value: 255 - value if invert else value), BOX)

    assert read_pixels(animation(GRAY, BOX, flags=flags), invert=invert) == expected.tobytes()


def test_several_frames_are_refused() -> None:
    with pytest.raises(SeveralFramesError):
        read_pixels(animation(GRAY, frames=2))


@pytest.mark.parametrize("name", ["lossless", "lossy", "with alpha", "lossy with alpha"])
def test_other_files_are_left_as_they_are(name: str) -> None:
    content = PICTURES[f"WebP: {name}"]

    assert take_apart(content, "a.webp").pixels is content


def test_a_file_cut_in_its_header_is_refused() -> None:
    for length in range(16, 40):
        with pytest.raises(DamagedImageError, match=r"a\.webp"):
            read_pixels(animation(GRAY)[:length], name="a.webp")
