"""multipart/form-data (RFC 7578): a body to its parts."""

import re
from typing import NamedTuple

from app.engine.problems import BadRequestError, TooLargeError, UnsupportedMediaTypeError

__all__ = ["Upload", "boundary_of", "shown", "split_form"]

_MAX_PART_HEADERS = 2 * 1024
_MAX_SHOWN = 80  # bytes of a client's own text that an answer repeats
_BOUNDARY = re.compile(
    rb'multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^;\s"]{1,70}))\s*(?:;|$)', re.IGNORECASE
)
# What browsers, curl and httpx write; however else the header may be written, the two patterns below it read.
_USUAL_DISPOSITION = re.compile(
    rb'\r\nContent-Disposition: form-data; name="([^"\\\r\n]*)"(?:; filename="([^"\\\r\n]*)")?\r\n', re.IGNORECASE
)
_DISPOSITION = re.compile(rb"^content-disposition:\s*form-data\b([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_PARAMETER = re.compile(rb';\s*([\w*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s"]+))')


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
    """Split a multipart/form-data body (RFC 7578) into its parts, without copying any of them twice.

    A strict reader for a body that is in memory already; python-multipart, which reads any stream, takes six times as
    long for one image. The tests hold the two against each other.

    Raises:
        BadRequestError: the body is not made of whole parts.
        TooLargeError: it has more than `max_parts`.
    """
    delimiter = b"\r\n--" + boundary
    opening, *sections = (b"\r\n" + body).split(delimiter, max_parts + 1)
    if not sections:
        raise BadRequestError("The form has no part: the boundary that Content-Type names is not in the body.")
    *sections, epilogue = sections
    del opening  # whatever stands before the first boundary, or after the last, means nothing
    if not epilogue.startswith(b"--"):
        if len(sections) == max_parts:
            raise TooLargeError(f"The form has more than {max_parts} parts, the limit for files and fields together.")
        raise BadRequestError("The form is cut off: its closing boundary is missing.")
    return [_part(section) for section in sections]


def _part(section: bytes) -> Upload:
    end = section.find(b"\r\n\r\n", 0, _MAX_PART_HEADERS)
    usual = _USUAL_DISPOSITION.match(section)
    if usual is not None and end > 0:
        return Upload(usual[1], usual[2] or b"", section[end + 4 :])
    disposition = _DISPOSITION.search(section, 0, max(end, 0))
    if disposition is None:
        raise BadRequestError("A part of the form has no readable 'Content-Disposition: form-data' header.")
    parameters = {key.lower(): quoted or token for key, quoted, token in _PARAMETER.findall(disposition[1])}
    if b"name" not in parameters:
        raise BadRequestError("A part of the form has no name.")
    return Upload(parameters[b"name"], parameters.get(b"filename", b""), section[end + 4 :])


def boundary_of(content_type: bytes) -> bytes:
    match = _BOUNDARY.match(content_type)
    if match is not None:
        boundary: bytes = match[1] or match[2]
        return boundary
    if content_type.lower().startswith(b"multipart/form-data"):
        raise BadRequestError("Content-Type multipart/form-data names no boundary of 1 to 70 characters.")
    found = f"is {shown(content_type)!r}" if content_type else "is missing"
    raise UnsupportedMediaTypeError(f"Content-Type {found}; send multipart/form-data.")


def shown(text: bytes) -> str:
    """As an answer may repeat it: decoded, and not too much of it."""
    decoded = text[:_MAX_SHOWN].decode("utf-8", "replace")
    return decoded if len(text) <= _MAX_SHOWN else decoded + "…"
