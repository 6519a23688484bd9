"""Heads of plain HTTP/1.1 requests, read in one go: what nearly every client sends.

httptools parses any stream of bytes and calls Python for each field of it, which takes several times as long. This
reader refuses nothing: of whatever is not plain, whole and strictly written, it says so, and httptools reads it. The
tests hold the two against each other.
"""

import re
from typing import NamedTuple

__all__ = ["HOST", "MAX_FIELDS", "PlainHead", "ordinary_post", "read_plain_head"]

# Nothing in these is tried twice: the quantifiers are possessive.
_NAME = rb"[!#-'*+\-.^_`|~0-9A-Za-z]++"
_HEAD = re.compile(
    rb"(GET|POST) (/[!$&-;=@-Z_a-z~]*+)(?:\?([!$-;=?-Z_a-z~]*+))? HTTP/1\.1"
    rb"((?:\r\n%b: [!-~][\t -~]*+(?<![\t ]))*+)\r\n\r\n" % _NAME
)
_ORDINARY_FIELDS = (
    rb"(?:(?!(?i:connection: (?!keep-alive\r)|content-length:|expect:|host:|origin:|proxy-connection:|"
    rb"transfer-encoding:|upgrade:|x-request-id:))%b: [\t -~]*+\r\n)*+" % _NAME
)
_ORDINARY_POST = re.compile(
    rb"POST (/[!-~]*+) HTTP/1\.1\r\n(?i:host): [0-9A-Za-z.:-]++\r\n%b(?i:content-length): ([0-9]{1,9})\r\n%b\r\n"
    % (_ORDINARY_FIELDS, _ORDINARY_FIELDS)
)
_FIELD = re.compile(rb"\n([^:]++): ([^\r]*+)")
_NEVER_PLAIN = frozenset({b"content-encoding", b"expect", b"proxy-connection", b"transfer-encoding", b"upgrade"})
MAX_FIELDS = 100  # of a head
# A host as RFC 3986 writes it, and a port; a user has no place here (RFC 9110, 4.2.4).
HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]++\]|[0-9A-Za-z\-._~!$&'()*+,;=%]*+)(?::[0-9]{0,5})?")
_KEEPS_ALIVE = {b"": True, b"keep-alive": True, b"close": False}  # by what the field Connection says
_MAX_LENGTH_DIGITS = 9


class PlainHead(NamedTuple):
    """The request line and the header fields."""

    method: bytes
    path: str  # in which nothing is escaped
    query: bytes
    fields: dict[bytes, bytes]  # by lower-case name; none is there twice
    body_bytes: int
    keep_alive: bool
    size: int  # of the head, in bytes, with the empty line at its end


def read_plain_head(data: bytes, start: int = 0) -> PlainHead | None:
    """Read the head that begins at `start`; None: it is not whole, or not plain."""
    head = _HEAD.match(data, start)
    if head is None:
        return None
    method, path, query, block = head.groups(b"")
    lines = _FIELD.findall(block)
    fields = {name.lower(): value for name, value in lines}
    length = fields.get(b"content-length", b"0")
    keep_alive = _KEEPS_ALIVE.get(fields.get(b"connection", b"").lower())
    if (
        keep_alive is None
        or len(lines) > MAX_FIELDS
        or not HOST.fullmatch(fields.get(b"host", b"/"))
        or len(fields) < len(lines)  # one is there twice
        or not _NEVER_PLAIN.isdisjoint(fields)
        or not length.isdigit()
        or len(length) > _MAX_LENGTH_DIGITS
    ):
        return None
    return PlainHead(method, path.decode("ascii"), query, fields, int(length), keep_alive, head.end() - start)


def ordinary_post(data: bytes) -> str | None:
    """The target of a plain POST request that is all of `data` and needs no other answer than the next one; else None.

    What is shed need not be read any further, and must not cost more: reading all fields takes three times as long.
    """
    head = _ORDINARY_POST.match(data)
    return head[1].decode("ascii") if head is not None and head.end() + int(head[2]) == len(data) else None
