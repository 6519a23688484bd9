"""The form reader, held against python-multipart."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart import MultipartParser

from app.engine.forms import split_form
from app.engine.problems import BadRequestError, TooLargeError
from app.engine.routes import DirectRoute
from app.main import create_app
from app.routes.images import ManyImagesRoute, OneImageRoute
from app.settings import Settings

BOUNDARY = b"----boundary7"


def form(*parts: tuple[bytes, bytes], closing: bytes = b"--\r\n") -> bytes:
    sections = [b"--" + BOUNDARY + b"\r\n" + headers + b"\r\n\r\n" + content + b"\r\n" for headers, content in parts]
    return b"".join(sections) + b"--" + BOUNDARY + closing


def disposition(parameters: bytes) -> bytes:
    return b"Content-Disposition: form-data" + parameters


def contents_by_python_multipart(body: bytes) -> list[bytes]:
    contents: list[bytes] = []

    def begin() -> None:
        contents.append(b"")

    def data(chunk: bytes, start: int, end: int) -> None:
        contents[-1] += chunk[start:end]

    parser = MultipartParser(BOUNDARY, {"on_part_begin": begin, "on_part_data": data})
    parser.write(body)
    parser.finalize()
    return contents


@given(st.lists(st.binary(max_size=200).filter(lambda content: BOUNDARY not in content), min_size=1, max_size=5))
def test_any_content_comes_through_as_python_multipart_reads_it(contents: list[bytes]) -> None:
    body = form(*((disposition(b'; name="file"; filename="a.png"'), content) for content in contents))

    parts = split_form(body, BOUNDARY, max_parts=5)

    assert [part.content for part in parts] == contents == contents_by_python_multipart(body)


@pytest.mark.parametrize(
    ("parameters", "field", "name"),
    [
        (b'; name="file"; filename="boot.png"', b"file", "boot.png"),
        (b"; name=file; filename=boot.png", b"file", "boot.png"),
        (b';name="file";filename=""', b"file", "file"),
        (b'; filename="a;name=x.png"; name="file"', b"file", "a;name=x.png"),
        ('; name="file"; filename="schuh-grün.png"'.encode(), b"file", "schuh-grün.png"),
        (b'; name="file"', b"file", "file"),
    ],
)
def test_names_are_read_however_clients_write_them(parameters: bytes, field: bytes, name: str) -> None:
    [part] = split_form(form((disposition(parameters), b"x")), BOUNDARY, max_parts=1)

    assert (part.field, part.name) == (field, name)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is not in the body"),
        (form((disposition(b'; name="a"'), b"x"))[:-6], "closing boundary is missing"),
        (form((b"X-Other: 1", b"x")), "no readable 'Content-Disposition: form-data'"),
        (form((disposition(b""), b"x")), "has no name"),
        (form((disposition(b'; name="a"') + b"\r\nX-Long: " + b"x" * 2048, b"x")), "no readable"),
        (b"--" + BOUNDARY + b"\r\nContent-Disposition: form-data; name=a\r\n--" + BOUNDARY + b"--", "no readable"),
    ],
)
def test_a_form_that_is_not_whole_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(BadRequestError, match=words):
        split_form(body, BOUNDARY, max_parts=3)


def test_a_form_of_more_parts_than_allowed_is_refused() -> None:
    with pytest.raises(TooLargeError, match="more than 3 parts"):
        split_form(form(*[(disposition(b'; name="a"'), b"x")] * 4), BOUNDARY, max_parts=3)


@given(st.binary(max_size=300))
def test_no_bytes_do_worse_than_a_refusal(noise: bytes) -> None:
    whole = form((disposition(b'; name="file"'), b"content"))
    for body in (noise, whole[: len(noise)] + noise, noise + whole):
        with suppress(BadRequestError, TooLargeError):
            split_form(body, BOUNDARY, max_parts=3)


@pytest.mark.parametrize("query", [b"resize=true", b"%72esize=true", b"invert=1&r%65size=1"])
@pytest.mark.parametrize("route", [OneImageRoute, ManyImagesRoute])
def test_what_may_be_scaled_down_from_any_size_is_heavy(
    settings: Settings, route: type[DirectRoute], query: bytes
) -> None:
    call = create_app(settings).dispatcher.call("/predict", query, {})

    assert not route.is_light(call, 100)
