"""Content codings of request bodies."""

import gzip
import zlib
from collections.abc import Callable
from random import Random

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.codings import decompress
from app.engine.problems import BadRequestError, TooLargeError, UnsupportedMediaTypeError
from tests import drawings

COMPRESSORS: dict[bytes, Callable[[bytes], bytes]] = {b"gzip": gzip.compress, b"deflate": zlib.compress}


@pytest.mark.parametrize("coding", COMPRESSORS)
@given(content=st.binary(max_size=1000))
def test_a_compressed_body_is_read_as_it_was(coding: bytes, content: bytes) -> None:
    assert decompress(memoryview(COMPRESSORS[coding](content)), coding, max_bytes=1000) == content


@pytest.mark.parametrize("coding", COMPRESSORS)
@pytest.mark.parametrize("repeats", [0, 1, 40])
def test_a_body_of_many_pieces_is_read_as_it_was(coding: bytes, repeats: int) -> None:
    noise = Random(repeats).randbytes(100_000)  # noqa: S311 - no secret
    content = noise + bytes(70_000) * repeats + noise * (repeats + 1) + b"end"
    packed = memoryview(COMPRESSORS[coding](content))

    assert decompress(packed, coding, max_bytes=len(content)) == content
    with pytest.raises(TooLargeError):
        decompress(packed, coding, max_bytes=len(content) - 1)
    with pytest.raises(BadRequestError, match="100,000 bytes after its end"):
        decompress(memoryview(bytes(packed) + noise), coding, max_bytes=len(content))
    with pytest.raises(BadRequestError, match="cut off"):
        decompress(packed[:-1], coding, max_bytes=len(content))


@pytest.mark.parametrize(
    ("coding", "content"), [(b"GZIP", gzip.compress(b"{}", mtime=0)), (b"Identity", b"{}"), (b"", b"{}")]
)
def test_the_name_of_a_coding_is_read_in_any_case(coding: bytes, content: bytes) -> None:
    assert bytes(decompress(memoryview(content), coding, max_bytes=10)) == b"{}"


@pytest.mark.parametrize("coding", COMPRESSORS)
def test_a_small_body_that_inflates_beyond_the_limit_is_refused(coding: bytes) -> None:
    bomb = COMPRESSORS[coding](bytes(2**24))
    assert len(bomb) < 2**15

    with pytest.raises(TooLargeError, match="decompressed body is over the limit of 1,000 bytes"):
        decompress(memoryview(bomb), coding, max_bytes=1000)


@pytest.mark.parametrize("coding", COMPRESSORS)
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda _: b"", "cut off"),
        (lambda _: b"plain text", "is not"),
        (lambda content: content[:-1], "cut off"),
        (lambda content: content + b"more", "4 bytes after its end"),
    ],
)
def test_a_damaged_compressed_body_is_refused(coding: bytes, damage: Callable[[bytes], bytes], reason: str) -> None:
    with pytest.raises(BadRequestError, match=reason):
        decompress(memoryview(damage(COMPRESSORS[coding](b"pixels" * 9))), coding, max_bytes=1000)


def test_an_unknown_coding_is_refused_and_named() -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="Content-Encoding 'br'"):
        decompress(memoryview(b""), b"br", max_bytes=1000)


@pytest.mark.parametrize("path", ["/predict", "/explain"])
@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_compressed_upload_is_answered_as_it_would_be_without(
    client: httpx.AsyncClient, path: str, coding: str
) -> None:
    compress = COMPRESSORS[coding.encode()]

    plain = await client.post(path, content=drawings.png(), headers={"Content-Type": "image/png"})
    packed = await client.post(
        path, content=compress(drawings.png()), headers={"Content-Type": "image/png", "Content-Encoding": coding}
    )

    assert packed.status_code == 200
    assert packed.json()["probabilities"] == plain.json()["probabilities"]


async def test_a_compressed_upload_is_refused_as_such_where_it_is_none(client: httpx.AsyncClient) -> None:
    answers = [
        await client.post(
            "/predict", content=drawings.png(), headers={"Content-Type": "image/png", "Content-Encoding": coding}
        )
        for coding in ("gzip", "br")
    ]

    assert [(answer.status_code, answer.json()["title"]) for answer in answers] == [
        (400, "Unreadable request"),
        (415, "Unsupported media type"),
    ]


def test_a_compressed_upload_is_read_over_a_socket(server: str) -> None:
    headers = {"Content-Type": "image/png", "Content-Encoding": "gzip"}

    answer = httpx.post(f"{server}/predict", content=gzip.compress(drawings.png()), headers=headers)

    assert answer.status_code == 200
