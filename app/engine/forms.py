"""multipart/form-data (RFC 7578): a body to its parts.

python-multipart reads it. What nearly every client writes, one usual part after another, takes it ten times as long as
splitting the body at its boundaries: that is a fast lane, and hands whatever is not so plain to the library.
"""

import logging
import re
from typing import Any, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.engine.problems import BadRequestError, TooLargeError, UnsupportedMediaTypeError

__all__ = ["Upload", "boundary_of", "shown", "split_form"]

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # bytes after a form's end are nothing to warn of

_MAX_FIELDS = 8  # of a part's head
_MAX_FIELD = 2 * 1024  # bytes of one of them
_MAX_BOUNDARY = 70  # characters (RFC 2046)
_MAX_SHOWN = 80  # bytes of a client's own text that an answer repeats
_MULTIPART = b"multipart/form-data"
_USUAL_TYPE = re.compile(rb"multipart/form-data; boundary=([\w-]{1,%d})" % _MAX_BOUNDARY)
# What browsers, curl and httpx write. Nothing in it is escaped.
_USUAL_HEAD = re.compile(
    rb'\r\nContent-Disposition: form-data; name="([ !#-\[\]-~\x80-\xff]*+)"'
    rb'(?:; filename="([ !#-\[\]-~\x80-\xff]*+)")?(?:\r\nContent-Type: [\w!#$&^.+/-]++)?\r\n\r\n'
)


class Upload(NamedTuple):
    """One uploaded file, or another part of a form."""

    field: bytes
    filename: bytes  # never used as a path
    content: bytes

    @property
    def name(self) -> str:
        """What errors call it."""
        return shown(self.filename) or shown(self.field)


def split_form(body: bytes | memoryview, boundary: bytes, max_parts: int) -> list[Upload]:
    """Read a multipart/form-data body that has arrived.

    Raises:
        BadRequestError: the body is not made of whole parts.
        TooLargeError: it has more than `max_parts`.
    """
    parts = _split_usual(body, boundary, max_parts)
    return _read_any(bytes(body), boundary, max_parts) if parts is None else parts


def _split_usual(body: bytes | memoryview, boundary: bytes, max_parts: int) -> list[Upload] | None:
    """The parts of a form that is one usual part after another; None: it is another one."""
    before, *sections = (b"\r\n" + body).split(b"\r\n--" + boundary, max_parts + 2)
    if before or len(sections) < 2 or sections.pop() not in (b"--", b"--\r\n"):
        return None
    parts = []
    for section in sections:
        head = _USUAL_HEAD.match(section)
        if head is None or (end := head.end()) > _MAX_FIELD:
            return None
        name, filename = head.groups(b"")
        parts.append(Upload(name, filename, section[end:]))
    return parts if len(parts) <= max_parts else None


def _read_any(body: bytes, boundary: bytes, max_parts: int) -> list[Upload]:
    if b"--" + boundary not in body:
        raise BadRequestError("The form has no part: the boundary that Content-Type names is not in the body.")
    reading = _Reading(max_parts)
    parser = MultipartParser(boundary, reading.callbacks(), max_header_count=_MAX_FIELDS, max_header_size=_MAX_FIELD)
    try:
        parser.write(body)
    except FormParserError as error:
        raise BadRequestError(f"The form can't be read: {error}.") from error
    if not reading.has_ended:
        raise BadRequestError("The form is cut off: its closing boundary is missing.")
    return reading.parts


class _Reading:
    """The parts that python-multipart finds."""

    def __init__(self, max_parts: int) -> None:
        self.parts: list[Upload] = []
        self.has_ended = False
        self._max_parts = max_parts
        self._name = self._value = b""
        self._fields: dict[bytes, bytes] = {}
        self._content: list[bytes] = []

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_to_name,
            "on_header_value": self._add_to_value,
            "on_header_end": self._end_field,
            "on_part_data": self._add_content,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) == self._max_parts:
            raise TooLargeError(
                f"The form has more than {self._max_parts} parts, the limit for files and fields together."
            )
        self._fields = {}
        self._content = []

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_field(self) -> None:
        self._fields[self._name.lower()] = self._value
        self._name = self._value = b""

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self._content.append(data[start:end])

    def _end_part(self) -> None:
        kind, parameters = parse_options_header(self._fields.get(b"content-disposition", b""))
        if kind != b"form-data":
            raise BadRequestError("A part of the form has no readable 'Content-Disposition: form-data' header.")
        if b"name" not in parameters:
            raise BadRequestError("A part of the form has no name.")
        content = b"".join(self._content)
        self.parts.append(Upload(parameters[b"name"], parameters.get(b"filename", b""), content))

    def _end(self) -> None:
        self.has_ended = True


def boundary_of(content_type: bytes, others: str = "") -> bytes:
    """What stands between the parts, by a form's Content-Type.

    Args:
        content_type: of the request.
        others: what else than a form the route takes, for the refusal: " or …".

    Raises:
        BadRequestError: it names none.
        UnsupportedMediaTypeError: it is another type.
    """
    usual = _USUAL_TYPE.fullmatch(content_type)
    if usual is not None:
        return usual[1]
    kind, parameters = parse_options_header(content_type)
    if kind != _MULTIPART:
        found = f"is {shown(content_type)!r}" if content_type else "is missing"
        raise UnsupportedMediaTypeError(f"Content-Type {found}; send multipart/form-data{others}.")
    boundary = parameters.get(b"boundary", b"")
    if not 0 < len(boundary) <= _MAX_BOUNDARY:
        raise BadRequestError(f"Content-Type multipart/form-data names no boundary of 1 to {_MAX_BOUNDARY} characters.")
    return boundary


def shown(text: bytes) -> str:
    """As an answer may repeat it: decoded, and not too much of it."""
    if len(text) <= _MAX_SHOWN:
        return text.decode("utf-8", "replace")
    return text[:_MAX_SHOWN].decode("utf-8", "replace") + "…"
