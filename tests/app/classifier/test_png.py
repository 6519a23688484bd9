"""The fast lane of plain PNG: it takes only the plainest, refuses nothing, and reads what it takes as Pillow does."""

import io
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from app.classifier.images import read_pixels
from app.classifier.png import unpack_plain_png
from tests import drawings
from tests.forgeries import png_chunk
from tests.pictures.png import METADATA

SIDE = 28
ROWS = st.lists(st.tuples(st.sampled_from([0, 0, 1, 2, 3, 4, 4, 5]), st.binary(min_size=28, max_size=28)), max_size=30)
NONE: Sequence[bytes] = ()


def png(
    rows: Sequence[tuple[int, bytes]],
    *,
    header: tuple[int, int, int, int, int] = (SIDE, SIDE, 8, 0, 0),
    level: int = 6,
    cuts: Sequence[float] = (),
    lost: int = 0,
    trailing: bytes = b"",
    before: Sequence[bytes] = NONE,
    after: Sequence[bytes] = NONE,
    behind: bytes = b"",
) -> bytes:
    """A file of filtered rows, its data cut into chunks; the header is width, height, bits, color and interlacing."""
    width, height, bits, color, interlacing = header
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data = zlib.compress(b"".join(bytes([kind]) + row for kind, row in rows), level)
    data = data[: len(data) - lost] + trailing
    places = [0, *sorted(round(cut * len(data)) for cut in cuts), len(data)]
    pixels = [png_chunk(b"IDAT", data[start:end]) for start, end in pairwise(places)]
    start = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", size + bytes([bits, color, 0, 0, interlacing]))
    return start + b"".join((*before, *pixels, *after)) + png_chunk(b"IEND") + behind


def read_by_pillow(content: bytes) -> tuple[str, tuple[int, int], bytes]:
    image = PngImagePlugin.PngImageFile(io.BytesIO(content))
    image.load()
    assert not image.is_animated
    assert not image.has_transparency_data
    return image.mode, image.size, image.tobytes()


PLAIN_ROWS = [(kind % 5, bytes((kind * 9 + x) % 256 for x in range(SIDE))) for kind in range(SIDE)]


@given(
    rows=ROWS,
    header=st.one_of(
        st.just((SIDE, SIDE, 8, 0, 0)),
        st.tuples(
            st.sampled_from([27, 28, 29]),
            *[st.sampled_from(values) for values in ([28], [1, 8, 16], [0, 3, 4], [0, 1])],
        ),
    ),
    level=st.integers(0, 9),
    cuts=st.lists(st.floats(0, 1), max_size=2),
    lost=st.integers(0, 30),
    trailing=st.binary(max_size=5),
    before=st.lists(st.sampled_from(METADATA), max_size=1),
    after=st.lists(st.sampled_from(METADATA), max_size=1),
    behind=st.binary(max_size=5),
)
@example(PLAIN_ROWS, (SIDE, SIDE, 8, 0, 0), 6, [], 0, b"", [], [], b"")
@example(PLAIN_ROWS, (SIDE, SIDE, 8, 0, 0), 6, [], 20, b"", [], [], b"")
@example(PLAIN_ROWS[:1], (SIDE, SIDE, 8, 0, 0), 6, [], 0, b"", [], [], b"")
@example([*PLAIN_ROWS, *PLAIN_ROWS], (SIDE, SIDE, 8, 0, 0), 6, [], 0, b"", [], [], b"")
@example([(5, bytes(SIDE))] * SIDE, (SIDE, SIDE, 8, 0, 0), 6, [], 0, b"", [], [], b"")
@example([], (SIDE, SIDE, 8, 0, 0), 6, [], 0, b"", [], [], b"")
def test_what_the_lane_takes_of_a_png_is_what_pillow_reads(
    rows: list[tuple[int, bytes]],
    header: tuple[int, int, int, int, int],
    level: int,
    cuts: list[float],
    lost: int,
    trailing: bytes,
    before: list[bytes],
    after: list[bytes],
    behind: bytes,
) -> None:
    content = png(
        rows,
        header=header,
        level=level,
        cuts=cuts,
        lost=lost,
        trailing=trailing,
        before=before,
        after=after,
        behind=behind,
    )

    taken = unpack_plain_png(content)

    if taken is not None:
        assert read_by_pillow(content) == ("L", (SIDE, SIDE), taken)


@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.binary(min_size=28, max_size=28)), min_size=28, max_size=28),
    level=st.integers(0, 9),
)
def test_the_plainest_png_is_taken(rows: list[tuple[int, bytes]], level: int) -> None:
    content = png(rows, level=level)

    assert unpack_plain_png(content) == read_by_pillow(content)[2]


@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_no_damaged_png_is_taken(place: float, change: int) -> None:
    content = bytearray(png(PLAIN_ROWS))
    content[int(place * len(content))] ^= change

    assert unpack_plain_png(bytes(content)) is None


def test_no_cut_png_is_taken() -> None:
    content = png(PLAIN_ROWS)

    assert [length for length in range(len(content)) if unpack_plain_png(content[:length]) is not None] == []


def test_whatever_else_is_left_to_the_general_reader() -> None:
    others = [
        drawings.png(Image.new("L", (29, 28))),
        drawings.png(Image.new("RGB", (28, 28))),
        drawings.encode(drawings.noise(), "PNG", dpi=(72, 72)),
        drawings.encode(drawings.noise(), "BMP"),
        drawings.png(drawings.noise()) + b"more",
        png(PLAIN_ROWS, cuts=[0.5]),
        b"",
    ]

    assert [unpack_plain_png(other) for other in others] == [None] * len(others)


def test_threads_do_not_unpack_pngs_into_each_other() -> None:
    contents = [drawings.png(drawings.noise(seed)) for seed in range(8)]
    expected = [drawings.noise(seed).tobytes() for seed in range(8)]

    with ThreadPoolExecutor(8) as threads:
        for _ in range(50):
            assert list(threads.map(unpack_plain_png, contents)) == expected


def test_a_png_whose_data_end_early_shows_nothing_of_the_image_before() -> None:
    read_pixels(drawings.png(drawings.noise()))

    pixels = read_pixels(png([(0, bytes([7] * SIDE))]))

    assert pixels == bytes([7] * 28 + [0] * 756)
