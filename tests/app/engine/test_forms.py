"""The form reader, held against python-multipart."""

from contextlib import suppress
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.engine.forms import Upload, boundary_of, split_form
from app.engine.problems import BadRequestError, TooLargeError, UnsupportedMediaTypeError

BOUNDARY = b"----boundary7"


def form(*parts: tuple[bytes, bytes], closing: bytes = b"--\r\n") -> bytes:
    sections = [b"--" + BOUNDARY + b"\r\n" + headers + b"\r\n\r\n" + content + b"\r\n" for headers, content in parts]
    return b"".join(sections) + b"--" + BOUNDARY + closing


def disposition(parameters: bytes) -> bytes:
    return b"Content-Disposition: form-data" + parameters


Parts = list[tuple[dict[bytes, bytes], bytes]]  # fields and content of each


def read_by_python_multipart(body: bytes) -> Parts:
    """What the library finds in a whole form; an empty list where that is none."""
    parts: Parts = []
    field = [b"", b""]
    ends: list[bool] = []

    def begin() -> None:
        parts.append(({}, b""))

    def add(place: int, data: bytes, start: int, end: int) -> None:
        field[place] += data[start:end]

    def end_field() -> None:
        parts[-1][0][field[0].lower()] = field[1]
        field[:] = b"", b""

    def content(data: bytes, start: int, end: int) -> None:
        parts[-1] = parts[-1][0], parts[-1][1] + data[start:end]

    parser = MultipartParser(
        BOUNDARY,
        {
            "on_part_begin": begin,
            "on_header_field": partial(add, 0),
            "on_header_value": partial(add, 1),
            "on_header_end": end_field,
            "on_part_data": content,
            "on_end": lambda: ends.append(True),
        },
    )
    with suppress(FormParserError):
        parser.write(body)
    return parts if ends else []


def read_by_us(body: bytes) -> list[Upload] | None:
    with suppress(BadRequestError, TooLargeError):
        return split_form(body, BOUNDARY, max_parts=9)
    return None


DELIMITER = b"\r\n--" + BOUNDARY
PIECES = st.sampled_from(
    [
        DELIMITER,
        DELIMITER + b"\r\n",
        DELIMITER + b"--",
        DELIMITER[:-1],
        b"--",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"Content-Disposition: form-data",
        b"content-disposition: form-data",
        b'; name="file"',
        b'; filename="a.png"',
        b'; filename="a;b.png"',
        b'; filename="C:\\x\\a.png"',
        b'; name="a\\"b"',
        b"; name=file",
        b"; filename*=UTF-8''a.png",
        b"Content-Type: image/png",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Type: a\x00b",
        b": ",
        b"content",
        b"\x00",
        b"\xff",
    ]
)
USUAL = form((disposition(b'; name="file"; filename="a.png"') + b"\r\nContent-Type: image/png", b"content"))


@st.composite
def forms(draw: st.DrawFn) -> bytes:
    """A usual form with something else in the place of a part of it, or a row of what forms are made of."""
    start, end = sorted((draw(st.integers(0, len(USUAL))), draw(st.integers(0, len(USUAL)))))
    pieces = b"".join(draw(st.lists(PIECES, max_size=8)))
    return USUAL[:start] + pieces + USUAL[end:] if draw(st.booleans()) else b"--" + BOUNDARY + b"\r\n" + pieces


@examples(max_examples=1000)
@given(forms())
@example(USUAL)
def test_whatever_we_read_python_multipart_reads_alike_and_the_other_way_round(body: bytes) -> None:
    ours, its = read_by_us(body), read_by_python_multipart(body)

    if ours is None:
        assert not its or any(not is_named(fields) for fields, _ in its)
        return
    assert [upload.content for upload in ours] == [content for _, content in its]
    for upload, (fields, _) in zip(ours, its, strict=True):
        _, parameters = parse_options_header(fields[b"content-disposition"])
        assert (upload.field, upload.filename) == (parameters[b"name"], parameters.get(b"filename", b""))


def is_named(fields: dict[bytes, bytes]) -> bool:
    kind, parameters = parse_options_header(fields.get(b"content-disposition", b""))
    return kind == b"form-data" and b"name" in parameters


@given(st.lists(st.binary(max_size=200).filter(lambda content: BOUNDARY not in content), min_size=1, max_size=5))
def test_any_content_comes_through(contents: list[bytes]) -> None:
    body = form(*((disposition(b'; name="file"; filename="a.png"'), content) for content in contents))

    parts = split_form(body, BOUNDARY, max_parts=5)

    assert [part.content for part in parts] == contents


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (b"multipart/form-data; boundary=usual-1", b"usual-1"),
        (b"Multipart/Form-Data;boundary=x", b"x"),
        (b'multipart/form-data; boundary="a;b"', b"a;b"),
        (b'multipart/form-data; note="; boundary=evil; "; boundary=good', b"good"),
        (b'multipart/form-data; boundary=good; note="; boundary=evil"', b"good"),
    ],
)
def test_the_boundary_is_read_however_the_type_is_written(content_type: bytes, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@given(
    st.lists(st.sampled_from([b"multipart/form-data", b"; ", b";", b"boundary=", b"a", b'"', b"=", b" "]), max_size=9)
)
def test_the_boundary_is_the_one_that_python_multipart_reads(pieces: list[bytes]) -> None:
    content_type = b"".join(pieces)
    kind, parameters = parse_options_header(content_type)

    with suppress(BadRequestError, UnsupportedMediaTypeError):
        assert (kind, boundary_of(content_type)) == (b"multipart/form-data", parameters[b"boundary"])


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
        (form((disposition(b'; name="a"'), b"x"))[:-6], "closing boundary"),
        (form((b"X-Other: 1", b"x")), "no readable 'Content-Disposition: form-data'"),
        (form((disposition(b""), b"x")), "has no name"),
        (form((disposition(b'; name="a"') + b"\r\nX-Long: " + b"x" * 2048, b"x")), "can't be read"),
        (b"--" + BOUNDARY + b"\r\nContent-Disposition: form-data; name=a\r\n--" + BOUNDARY + b"--", "cut off"),
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
