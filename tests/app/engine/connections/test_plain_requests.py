"""The reader of plain heads, held against httptools."""

from typing import Any

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.engine.connections.plain_requests import ordinary_post, read_plain_head

PLAIN = b"POST /predict?model=a%20b HTTP/1.1\r\nHost: s\r\nContent-Length: 5\r\nContent-Type: image/png\r\n\r\n"


class Parsed:
    """What httptools finds."""

    def __init__(self) -> None:
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


def parse(data: bytes) -> tuple[Any, Parsed]:
    parsed = Parsed()
    parser = httptools.HttpRequestParser(parsed)
    parser.feed_data(data)
    return parser, parsed


def test_a_plain_head_is_read() -> None:
    head = read_plain_head(PLAIN + b"image and more")

    assert head is not None
    assert (head.method, head.path, head.query) == (b"POST", "/predict", b"model=a%20b")
    assert head.fields == {b"host": b"s", b"content-length": b"5", b"content-type": b"image/png"}
    assert (head.body_bytes, head.keep_alive, head.size) == (5, True, len(PLAIN))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"PUT"),
        (b"POST /", b"POST http://s/"),
        (b"/predict", b"/pre%64ict"),
        (b"/predict", b"/pre dict"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"\r\nHost", b"\nHost"),
        (b"Host:", b"Host :"),
        (b"Host:", b" Host:"),
        (b"Host: s", b"Host: s\r\n t"),
        (b"Host: s", b"Host: s\r\nHost: t"),
        (b"Host: s", b"Host: \x00"),
        (b"Host: s", b"Connection: upgrade"),
        (b"Host: s", b"Connection: close, keep-alive"),
        (b"Host: s", b"Expect: 100-continue"),
        (b"Host: s", b"Upgrade: h2c"),
        (b"Host: s", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 5", b"Content-Length: 5\r\nContent-Length: 6"),
        (b"Content-Length: 5", b"Content-Length: -5"),
        (b"Content-Length: 5", b"Content-Length: 5, 5"),
        (b"Content-Length: 5", b"Content-Length: 0x5"),
        (b"Content-Length: 5", b"Content-Length: 5000000000"),
        (b"\r\n\r\n", b"\r\n"),
    ],
)
def test_what_is_not_plain_is_left_to_httptools(old: bytes, new: bytes) -> None:
    assert old in PLAIN

    assert read_plain_head(PLAIN.replace(old, new) + b"image") is None


@pytest.mark.parametrize(("value", "kept"), [(b"close", False), (b"Keep-Alive", True), (b"keep-alive", True)])
def test_whether_the_connection_is_kept_is_read(value: bytes, kept: bool) -> None:  # noqa: FBT001 - a parameter of the test
    head = read_plain_head(b"GET / HTTP/1.1\r\nHost: s\r\nConnection: " + value + b"\r\n\r\n")

    assert head is not None
    assert head.keep_alive is kept


TOKENS = st.sampled_from(
    b'GET |POST |/|/predict|?|a=%20|#| HTTP/1.1|\r\n|\r\n\r\n|\n|\r|Host: |X-Y: |:| |\t|\x00|\x7f|\xe9|"|v'
    b"|Connection: |close|keep-alive|Content-Length: |5|05|+5|image|Transfer-Encoding: chunked|Proxy-Connection: close|"
    b"Upgrade: x".split(b"|")
)
CUTS = st.integers(0, len(PLAIN))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A plain head with something else in the place of a part of it."""
    start, end = sorted((draw(CUTS), draw(CUTS)))
    return PLAIN[:start] + b"".join(draw(st.lists(TOKENS, max_size=4))) + PLAIN[end:]


@given(st.one_of(st.lists(TOKENS, max_size=16).map(b"".join), damaged(), st.binary(max_size=64)))
@example(PLAIN)
@example(b"GET / HTTP/1.1\r\nHost: s\r\nA: b \r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: s\r\nA:  b\t\r\n\r\n")
def test_whatever_is_plain_means_the_same_to_httptools(data: bytes) -> None:
    head = read_plain_head(data)
    if head is None:
        return
    body = b"x" * head.body_bytes
    parser, parsed = parse(data[: head.size] + body)
    url = httptools.parse_url(parsed.target)

    assert parsed.complete
    assert parser.get_method() == head.method
    assert parser.get_http_version() == "1.1"
    assert parser.should_keep_alive() is head.keep_alive
    assert not parser.should_upgrade()
    assert (url.path.decode("latin-1"), url.query or b"") == (head.path, head.query)
    assert parsed.fields == list(head.fields.items())
    assert parsed.body == body


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"POST", b"GET"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"Host: s\r\n", b""),
        (b"Host: s", b"Host: s\r\nHost: s"),
        (b"Host: s", b"Host: a/b"),
        (b"Host: s", b"Host: s\r\nX-REQUEST-ID: a"),
        (b"Host: s", b"Host: s\r\nOrigin: a"),
        (b"Host: s", b"Host: s\r\nConnection: close"),
        (b"Host: s", b"Host: s\r\nExpect: 100-continue"),
        (b"Host: s", b"Host: s\r\nTransfer-Encoding: chunked"),
        (b"Host: s", b"Host: s\r\ncontent-length: 5"),
        (b"Content-Length: 5", b"Content-Length: 4"),
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: 5\r\n", b""),
    ],
)
def test_what_needs_a_closer_look_is_no_ordinary_post(old: bytes, new: bytes) -> None:
    assert ordinary_post(PLAIN + b"image") == "/predict?model=a%20b"

    assert ordinary_post(PLAIN.replace(old, new) + b"image") is None


@given(st.one_of(st.lists(TOKENS, max_size=16).map(b"".join), damaged(), damaged().map(lambda data: data + b"image")))
@example(PLAIN + b"image")
@example(PLAIN.replace(b"Content-Type: image/png", b"connection: keep-alive") + b"image")
def test_an_ordinary_post_is_one_whole_request_to_httptools(data: bytes) -> None:
    target = ordinary_post(data)
    if target is None:
        return
    parser, parsed = parse(data)

    assert parsed.complete
    assert (parser.get_method(), parsed.target) == (b"POST", target.encode())
    assert parser.should_keep_alive()
    assert data.endswith(b"\r\n\r\n" + parsed.body)
    assert b"x-request-id" not in dict(parsed.fields)
    assert [name for name, _ in parsed.fields].count(b"host") == 1
