"""Files that are small to send and long to open are refused before that time is spent."""

import re
import subprocess
import sys

import pytest
from PIL import Image

from app.classifier.errors import ImageError, TooManyPartsError, TooManyPixelsError
from app.classifier.formats.parts import most_pieces
from app.classifier.image_limits import CountedReads
from app.classifier.images import read_pixels
from tests import drawings, forgeries
from tests.conftest import REPOSITORY


@pytest.mark.parametrize("forgery", forgeries.COSTLY)
def test_a_costly_file_is_refused_and_named(forgery: str) -> None:
    content, words = forgeries.COSTLY[forgery]
    assert len(content) <= 2**20

    with pytest.raises(ImageError) as refused:
        read_pixels(content, name="trap.img", resize=True)

    assert "trap.img" in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize("forgery", forgeries.LONG_METADATA)
def test_metadata_that_are_long_to_read_are_left_unread(forgery: str) -> None:
    content = forgeries.LONG_METADATA[forgery]
    assert len(content) <= 2**20

    assert read_pixels(content) == bytes(784)


@pytest.mark.parametrize("file_format", forgeries.HUGE)
def test_gigapixels_are_refused_by_the_header(file_format: str) -> None:
    with pytest.raises(TooManyPixelsError, match=r"more than the 16,000,000"):
        read_pixels(forgeries.HUGE[file_format], resize=True)


def test_the_most_pixels_can_be_set() -> None:
    content = drawings.png(Image.new("L", (100, 100)))

    assert len(read_pixels(content, resize=True, max_pixels=10_000)) == 784
    with pytest.raises(TooManyPixelsError, match=r"more than the 9,999"):
        read_pixels(content, resize=True, max_pixels=9_999)


@pytest.mark.parametrize(
    ("content", "reads"), [(bytes(640), [0] * 2059), (bytes(640), [-1, *[640] * 60]), (bytes(64_000), [0] * 3049)]
)
def test_a_file_may_be_read_in_some_pieces_and_some_times_over(content: bytes, reads: list[int]) -> None:
    file = CountedReads(content, "pieces.png")
    for size in reads[:-1]:
        file.seek(0)
        file.read(size)


@pytest.mark.parametrize(("size", "times"), [(0, 2059), (640, 200)])
def test_a_file_read_in_more_pieces_or_more_often_is_refused(size: int, times: int) -> None:
    file = CountedReads(bytes(640), "pieces.png")

    def read_again_and_again() -> None:
        for _ in range(times):
            file.seek(0)
            file.read(size)

    with pytest.raises(TooManyPartsError, match=re.escape("pieces.png is made of too many pieces")):
        read_again_and_again()


@pytest.mark.parametrize("size", [(2000, 2000), (4000, 1000)])
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM"])
def test_photographs_are_within_the_limits(file_format: str, size: tuple[int, int]) -> None:
    photograph = drawings.noise().resize(size).convert("L")
    options = {"progressive": True} if file_format == "JPEG" else {}

    assert len(read_pixels(drawings.encode(photograph, file_format, **options), resize=True)) == 784


def test_a_28x28_image_in_run_lengths_or_text_is_within_the_limits() -> None:
    text = b"P2\n# by hand\n28 28\n255\n" + b" ".join(b"%d" % value for value in drawings.noise().tobytes())
    four_bits = b"P5 28 28 15\n" + bytes(value % 16 for value in range(784))

    assert read_pixels(text) == drawings.noise().tobytes()
    assert len(read_pixels(four_bits)) == 784


def test_exif_written_by_cameras_is_read() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    exif[0x9286] = "a comment " * 5000  # 50 KB
    upside_down = drawings.ankle_boot().transpose(Image.Transpose.ROTATE_180)

    assert read_pixels(drawings.encode(upside_down, "PNG", exif=exif)) == drawings.ankle_boot().tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_every_orientation_is_turned_upright(file_format: str, orientation: int) -> None:
    stored = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    upright = drawings.ankle_boot()
    image = upright.transpose(stored[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation

    assert read_pixels(drawings.encode(image, file_format, exif=exif)) == upright.tobytes()


def test_odd_metadata_is_not_written_to_the_log() -> None:
    odd = forgeries.tiff(28, 28, [(273, 4, 1, 8), (279, 4, 1, 784), (284, 3, 92, 8)], bytes(784))
    program = f"from app.classifier.images import read_pixels; read_pixels({odd!r})"

    result = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, check=True)

    assert (result.stdout, result.stderr) == (b"", b"")


def test_a_photograph_of_many_bytes_may_be_made_of_no_more_pieces_than_one_of_two_megabytes() -> None:
    assert most_pieces(bytes(2**23)) == most_pieces(bytes(2**21)) > most_pieces(bytes(2**20))
