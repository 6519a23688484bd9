"""What no browser shows is read like what browsers show: TIFF and PPM, in all modes and with any metadata."""

import io
import struct

import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from app.classifier.images import read_pixels
from tests import drawings, forgeries
from tests.pictures.exif import EXIFS, exif
from tests.pictures.png import png, sixteen_bit
from tests.pictures.profiles import BROKEN, GRAY_PROFILES, RGB_PROFILES
from tests.pictures.scene import COLOR, GRAY
from tests.pictures.webp import chunk, webp

XMP = b'<rdf:Description tiff:Orientation="6"/>'
_ASCII, _UNDEFINED, _LONG = 2, 7, 4  # types of TIFF values

ALPHA = GRAY.transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def with_alpha(mode: str) -> Image.Image:
    image = COLOR.convert(mode)
    image.putalpha(ALPHA)
    return image


def deep() -> Image.Image:
    return Image.open(io.BytesIO(sixteen_bit([83 * place % 65536 for place in range(784)])))


IMAGES = {
    "1": GRAY.convert("1"),
    "L": GRAY,
    "P": COLOR.quantize(64),
    "RGB": COLOR,
    "I;16": deep(),
    "LA": with_alpha("LA"),
    "RGBA": with_alpha("RGBA"),
}


@pytest.mark.parametrize("compression", ["raw", "packbits", "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", IMAGES)
def test_a_tiff_is_read_like_the_same_image_in_png(mode: str, compression: str) -> None:
    image = IMAGES[mode]

    tiff = drawings.encode(image, "TIFF", compression=compression)

    assert read_pixels(tiff) == read_pixels(drawings.encode(image, "PNG"))


def test_a_tiff_of_12_bits_is_scaled_by_them() -> None:
    values = [5 * place % 4096 for place in range(784)]
    rows = (f"{value:012b}" for value in values)
    data = int("".join(rows), 2).to_bytes(28 * 42, "big")
    tags = [(273, 4, 1, 8 + 2 + 9 * 12 + 4), (278, 4, 1, 28), (279, 4, 1, len(data))]

    pixels = read_pixels(forgeries.tiff(28, 28, tags, data, bits=12))

    assert max(abs(pixel - value * 255 / 4095) for pixel, value in zip(pixels, values, strict=True)) < 0.51


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "I;16"])
def test_a_ppm_is_read_like_the_same_image_in_png(mode: str) -> None:
    assert read_pixels(drawings.encode(IMAGES[mode], "PPM")) == read_pixels(drawings.encode(IMAGES[mode], "PNG"))


@pytest.mark.parametrize("profile", [*GRAY_PROFILES.values(), *RGB_PROFILES.values(), *BROKEN.values()])
def test_a_profile_says_the_same_in_tiff_as_in_png(profile: bytes) -> None:
    files = (drawings.encode(GRAY, file_format, icc_profile=profile) for file_format in ("TIFF", "PNG"))

    assert len({read_pixels(file) for file in files}) == 1


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw"])
@pytest.mark.parametrize(
    ("tag", "kind", "value"),
    [
        (700, _UNDEFINED, XMP),
        (700, _UNDEFINED, b"\xff\xfe garbage"),
        (270, _ASCII, b"\xff\xff no text"),
        (306, _ASCII, b"no time"),
        (33723, _UNDEFINED, b"garbage"),
        (34377, _UNDEFINED, b"8BIM\3\xed"),
        (34675, _UNDEFINED, b"no profile"),
        (34665, _LONG, b"\xff\xff\xff\x7f"),
        (34853, _LONG, b"\1\0\0\0"),
        (40965, _LONG, b"\xff\xff\xff\xff"),
        (65000, _UNDEFINED, bytes(5000)),
    ],
)
def test_tags_that_say_nothing_of_pixels_never_keep_a_tiff_from_being_read(
    tag: int, kind: int, value: bytes, compression: str
) -> None:
    tags = ImageFileDirectory_v2()
    tags.tagtype[tag] = kind
    tags[tag] = (
        value
        if kind == _UNDEFINED
        else value.decode("latin-1")
        if kind == _ASCII
        else int.from_bytes(value[:4], "little")
    )

    content = drawings.encode(GRAY, "TIFF", tiffinfo=tags, compression=compression)

    assert read_pixels(content) == GRAY.tobytes()


@pytest.mark.filterwarnings("ignore")  # of Pillow's, which the service ignores
@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 12])
@pytest.mark.parametrize("count", [0, 1, 3, 2**30])
def test_an_orientation_of_any_type_never_keeps_a_tiff_from_being_read(kind: int, count: int) -> None:
    offset = 8 + 2 + 10 * 12 + 4
    tags = [(273, 4, 1, offset), (274, kind, count, 6), (278, 4, 1, 28), (279, 4, 1, 784)]

    pixels = read_pixels(forgeries.tiff(28, 28, tags, GRAY.tobytes()))

    assert pixels in {GRAY.tobytes(), GRAY.transpose(Image.Transpose.ROTATE_270).tobytes()}


def test_a_tiff_is_turned_by_its_own_orientation_and_not_by_xmp() -> None:
    tags = ImageFileDirectory_v2()
    tags.tagtype[700] = _UNDEFINED
    tags[700] = XMP
    stored = GRAY.transpose(Image.Transpose.ROTATE_180)

    assert read_pixels(drawings.encode(GRAY, "TIFF", tiffinfo=tags)) == GRAY.tobytes()
    tags[274] = 3
    assert read_pixels(drawings.encode(stored, "TIFF", tiffinfo=tags)) == GRAY.tobytes()


@pytest.mark.parametrize("name", EXIFS)
def test_webp_is_not_turned(name: str) -> None:
    content = webp(GRAY, chunk(b"EXIF", EXIFS[name]), flags=0x08)

    assert read_pixels(content) == GRAY.tobytes()


def test_deep_gray_with_a_gamma_is_looked_up_by_its_high_byte() -> None:
    gamma = forgeries.png_chunk(b"gAMA", struct.pack(">I", 100_000))
    shallow = bytes(place % 256 for place in range(784))
    plain = sixteen_bit([257 * value for value in shallow])

    pixels = read_pixels(plain[:33] + gamma + plain[33:])

    eight_bits = drawings.png(Image.frombytes("L", (28, 28), shallow))
    assert pixels == read_pixels(eight_bits[:33] + gamma + eight_bits[33:])


def test_what_is_turned_is_in_the_colors_of_its_profile_too() -> None:
    chunks = forgeries.png_chunk(b"eXIf", exif()), forgeries.png_chunk(b"gAMA", struct.pack(">I", 100_000))
    turned, straight = (read_pixels(png(before=before)) for before in (chunks, chunks[1:]))

    image = Image.frombytes("L", (28, 28), straight)

    assert turned == image.transpose(Image.Transpose.ROTATE_270).tobytes()
