"""File bytes to pixels: every format and mode, resizing, and what is refused."""

import io
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.classifier.errors import (
    DamagedImageError,
    ImageError,
    NotAnImageError,
    SeveralFramesError,
    UnsupportedModeError,
    WrongSizeError,
)
from app.classifier.images import FORMATS, read_pixels, stack
from tests import drawings, forgeries

LOSSLESS = ("PNG", "BMP", "GIF", "TIFF", "PPM")


def reference(image: Image.Image) -> bytes:
    return image.convert("L").tobytes()


@pytest.mark.parametrize("file_format", LOSSLESS)
def test_grayscale_is_taken_as_it_is(file_format: str) -> None:
    image = drawings.noise()

    assert read_pixels(drawings.encode(image, file_format)) == image.tobytes()


def test_webp_and_jpeg_are_read_as_pillow_reads_them() -> None:
    for file_format in ("WEBP", "JPEG"):
        content = drawings.encode(drawings.ankle_boot(), file_format)

        assert read_pixels(content) == reference(Image.open(io.BytesIO(content)))


def test_one_bit_images_are_expanded_to_black_and_white() -> None:
    image = drawings.ankle_boot().convert("1")

    assert read_pixels(drawings.encode(image, "PNG")) == image.convert("L").tobytes()
    assert set(read_pixels(drawings.encode(image, "PNG"))) == {0, 255}


def test_palette_images_are_expanded() -> None:
    image = drawings.ankle_boot().convert("P")

    assert read_pixels(drawings.encode(image, "PNG")) == drawings.ankle_boot().tobytes()


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_grayscale_is_scaled(file_format: str) -> None:
    values = [round(position * 65535 / 783) for position in range(784)]
    image = Image.frombytes("I;16", (28, 28), b"".join(value.to_bytes(2, "little") for value in values))

    pixels = read_pixels(drawings.encode(image, file_format))

    assert list(pixels) == [round(value / 257) for value in values]


def test_color_becomes_luminance() -> None:
    image = Image.new("RGB", (28, 28), (255, 0, 0))

    assert set(read_pixels(drawings.encode(image, "PNG"))) == {76}  # 0.299 · 255, ITU-R 601


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_over_black(mode: str) -> None:
    color = (200, 128) if mode == "LA" else (200, 200, 200, 128)
    image = Image.new(mode, (28, 28), color)

    assert set(read_pixels(drawings.encode(image, "PNG"))) == {100}


def test_a_transparent_palette_color_is_black() -> None:
    image = Image.new("P", (28, 28), 1)
    image.putpalette([0, 0, 0, 255, 255, 255])

    assert set(read_pixels(drawings.encode(image, "GIF", transparency=1))) == {0}


@pytest.mark.parametrize("invert", [False, True])
def test_a_transparent_value_of_16_bit_gray_is_background(invert: bool) -> None:  # noqa: FBT001
    values = [65535 if number % 3 else 514 for number in range(784)]
    image = Image.frombytes("I;16", (28, 28), b"".join(value.to_bytes(2, "little") for value in values))

    pixels = read_pixels(drawings.encode(image, "PNG", transparency=65535), invert=invert)

    assert list(pixels) == [0 if number % 3 else 253 if invert else 2 for number in range(784)]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_transparent_value_of_few_bits_is_background(bits: int) -> None:
    white = 2**bits - 1
    row = b"\0" + (int(f"{white:0{bits}b}{0:0{bits}b}" * 14, 2) << -28 * bits % 8).to_bytes((28 * bits + 7) // 8, "big")
    transparent = forgeries.png_chunk(b"tRNS", struct.pack(">H", white))
    file = forgeries.png(28, 28, color_type=0, bits=bits, pixels=row * 28, extra=transparent)

    assert read_pixels(file) == bytes(784)
    assert read_pixels(file, invert=True) == bytes([0, 255] * 392)


def test_a_transparent_value_of_16_bit_color_is_background() -> None:
    row = b"\0" + b"\x80\x07" * 3 * 14 + b"\x20\x07" * 3 * 14
    transparent = forgeries.png_chunk(b"tRNS", b"\x80\x07" * 3)

    pixels = read_pixels(forgeries.png(28, 28, bits=16, pixels=row * 28, extra=transparent))

    assert pixels == (bytes(14) + b"\x20" * 14) * 28


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_white_is_zero_is_read_as_it_is_shown(bits: int) -> None:
    size = 784 * bits // 8
    tags = [(273, 4, 1, 8 + 2 + 9 * 12 + 4), (278, 4, 1, 28), (279, 4, 1, size)]

    pixels = read_pixels(forgeries.tiff(28, 28, tags, bytes(size), bits=bits, white_is_zero=True))

    assert pixels == b"\xff" * 784


def test_what_is_transparent_stays_background_when_inverting() -> None:
    image = Image.new("LA", (28, 28), (0, 0))
    image.paste((0, 255), (10, 10, 14, 14))

    pixels = read_pixels(drawings.encode(image, "PNG"), invert=True)

    assert pixels.count(255) == 16
    assert pixels.count(0) == 784 - 16


@pytest.mark.parametrize(
    ("mode", "file_format"),
    [("CMYK", "TIFF"), ("CMYK", "JPEG"), ("YCbCr", "TIFF"), ("RGB", "WEBP"), ("RGBA", "TIFF"), ("I;16B", "TIFF")],
)
def test_other_modes_are_read(mode: str, file_format: str) -> None:
    image = Image.new(mode, (28, 28))

    assert len(read_pixels(drawings.encode(image, file_format))) == 784


@pytest.mark.parametrize("mode", ["F", "LAB"])
def test_pixels_without_a_grayscale_range_are_refused(mode: str) -> None:
    content = drawings.encode(Image.new(mode, (28, 28)), "TIFF")

    with pytest.raises(UnsupportedModeError, match=f"scan.tif has {mode} pixels"):
        read_pixels(content, name="scan.tif")


def test_integers_beyond_sixteen_bits_are_refused() -> None:
    content = drawings.encode(Image.new("I", (28, 28), 70_000), "TIFF")

    with pytest.raises(UnsupportedModeError, match="0 to 65535"):
        read_pixels(content)


def test_an_image_lying_on_its_side_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned a quarter to the left
    image = drawings.ankle_boot()
    content = drawings.encode(image.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)

    assert read_pixels(content) == image.tobytes()


def test_resizing_averages_areas() -> None:
    image = drawings.noise()
    doubled = image.resize((56, 56), Image.Resampling.NEAREST)

    assert read_pixels(drawings.encode(doubled, "PNG"), resize=True) == image.tobytes()


@pytest.mark.parametrize(("size", "filled"), [((280, 140), 28 * 14), ((140, 280), 28 * 14), ((5000, 1), 28)])
def test_resizing_keeps_proportions_on_black(size: tuple[int, int], filled: int) -> None:
    pixels = read_pixels(drawings.encode(Image.new("L", size, 255), "PNG"), resize=True)

    assert pixels.count(255) == filled
    assert pixels.count(0) == 784 - filled


def test_inverting_comes_before_letter_boxing() -> None:
    pixels = read_pixels(drawings.encode(Image.new("L", (280, 140), 255), "PNG"), resize=True, invert=True)

    assert set(pixels) == {0}


@pytest.mark.parametrize("file_format", ["GIF", "TIFF", "WEBP", "PNG"])
def test_several_frames_are_refused(file_format: str) -> None:
    images = [drawings.ankle_boot(), drawings.noise()]
    content = drawings.encode(images[0], file_format, save_all=True, append_images=images[1:])

    with pytest.raises(SeveralFramesError):
        read_pixels(content)


def test_another_size_is_refused_and_named() -> None:
    with pytest.raises(WrongSizeError, match=r"photo.png is 640×480 pixels"):
        read_pixels(drawings.png(Image.new("L", (640, 480))), name="photo.png")


def test_a_file_without_a_byte_is_said_to_be_empty() -> None:
    with pytest.raises(NotAnImageError, match=r"^boot\.jpg is empty\.$"):
        read_pixels(b"", name="boot.jpg")


@pytest.mark.parametrize("content", [b"text", b"%PDF-1.7", b"<svg/>", b"\0" * 100])
def test_other_files_are_not_images(content: bytes) -> None:
    with pytest.raises(NotAnImageError, match="PNG, JPEG, BMP, GIF, WebP, TIFF, PPM"):
        read_pixels(content)


def test_a_truncated_png_is_refused_and_named() -> None:
    content = drawings.png(drawings.noise())

    with pytest.raises(DamagedImageError, match=r"cut.png looks like PNG, but it can't be decoded"):
        read_pixels(content[: len(content) // 2], name="cut.png")


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_file_cut_anywhere_is_decoded_or_refused(file_format: str) -> None:
    content = drawings.encode(drawings.noise(), str(file_format))

    for length in range(0, len(content), 7):
        with suppress(ImageError):
            assert len(read_pixels(content[:length])) == 784


@given(
    file_format=st.sampled_from(FORMATS),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=20),
    resize=st.booleans(),
)
def test_a_file_damaged_anywhere_is_decoded_or_refused(
    file_format: str,
    changes: list[tuple[float, int]],
    resize: bool,  # noqa: FBT001 - hypothesis passes by keyword
) -> None:
    content = bytearray(drawings.encode(drawings.noise(), file_format))
    for position, value in changes:
        content[int(position * len(content))] = value

    with suppress(ImageError):
        assert len(read_pixels(bytes(content), resize=resize)) == 784


def test_images_are_stacked_in_order() -> None:
    images = [drawings.ankle_boot().tobytes(), drawings.noise().tobytes()]

    stacked = stack(images)

    assert stacked.shape == (2, 784)
    assert bytes(stacked.flatten().tolist()) == images[0] + images[1]
