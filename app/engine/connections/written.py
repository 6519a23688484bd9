"""Answers as they are sent."""

import re
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus

from app.engine.calls import Answer

__all__ = ["lines", "shed_answer", "whole_answer"]

Fields = tuple[tuple[bytes, bytes], ...]

_CLOSE = (b"connection", b"close")
_CLOSE_LINE = b"connection: close\r\n"
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_BREAK = re.compile(rb"[\r\n\0]")


def whole_answer(answer: Answer, default_headers: Fields, more: bytes, *, keep_alive: bool) -> tuple[bytes, bool]:
    """All of an answer, and whether others may follow on its connection.

    Args:
        answer: that is sent.
        default_headers: of the server.
        more: lines of the head.
        keep_alive: whether others may, where its own headers do not say otherwise.
    """
    own_lines, closes = _cached_lines(answer.headers)
    server_lines, _ = _cached_lines(default_headers)
    text = b"%b%b%bcontent-length: %d\r\n%b%bx-request-id: %b\r\n\r\n%b" % (
        _STATUS_LINES[answer.status],
        server_lines,
        more,
        len(answer.content),
        own_lines,
        b"" if keep_alive or closes else _CLOSE_LINE,
        answer.request_id,
        answer.content,
    )
    return text, keep_alive and not closes


def shed_answer(template: Answer, default_headers: Fields, more: bytes, request_id: bytes, *, is_last: bool) -> bytes:
    """All of an answer that says the same to all but for the request's id, which stands where it has %b."""
    text, size = _shed_text(template, default_headers)
    return text % (more + _CLOSE_LINE if is_last else more, size + len(request_id), request_id, request_id)


def lines(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Header fields as they are sent; what would end one early is replaced (RFC 9110, 5.5)."""
    return b"".join([b"%b: %b\r\n" % (name, _BREAK.sub(b" ", value)) for name, value in fields])


@lru_cache(maxsize=256)
def _cached_lines(fields: Fields) -> tuple[bytes, bool]:
    """Fields that are sent again and again as they are sent, and whether they end the connection."""
    return lines(fields), _CLOSE in fields


@lru_cache(maxsize=4)
def _shed_text(template: Answer, default_headers: Fields) -> tuple[bytes, int]:
    """All of it but more lines, the length and, twice, the request's id; and the length without the id."""
    fields = lines(default_headers), lines(template.headers)
    head = b"%b%b%b%%bcontent-length: %%d\r\nx-request-id: %%b\r\n\r\n" % (_STATUS_LINES[template.status], *fields)
    return head + template.content, len(template.content % b"")
