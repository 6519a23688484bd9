"""HTTP bodies of the protocol: content codings, and the JSON object with the binary tensors behind it.

JSON is parsed in one go, and nothing else is done meanwhile: about 0.1 µs a number, but 1 µs an array, 10 µs an object.
Long arrays of numbers are cut out before (`app.open_inference.numbers`).
"""

import gzip
import zlib
from codecs import BOM_UTF8
from functools import lru_cache
from typing import NamedTuple

from pydantic import ValidationError

from app.classifier.softmax import PIXELS, SIDE
from app.engine.problems import BadRequestError, TooLargeError
from app.open_inference.numbers import cut
from app.open_inference.schemas import InferenceRequest, InputParameters, InputTensor, RequestParameters

__all__ = ["Body", "check_json", "compress", "split_body"]

_FASTEST = 1  # compression level; probabilities hardly shrink at any
_MAX_DIGITS = 18
_LONG_JSON = 32 * 1024  # bytes of a body whose numbers are read piece by piece
_MAX_CACHED = 512  # bytes of a JSON object
_MAX_OBJECTS = 64  # within it; a request that asks for all there is has 8
_MAX_ARRAYS = 32 * 1024  # within it; an image that is nested in rows has 29


class Body(NamedTuple):
    """A request as it was sent: the JSON object, and what stands behind it."""

    request: InferenceRequest
    binary: memoryview
    numbers: bytes | None = None  # the array `data` of the tensor, where it is long


def split_body(content: bytes | memoryview, header_length: bytes | None, max_json_bytes: int) -> Body:
    """Split a body into its JSON object and its binary tensors.

    Args:
        content: the whole body, decompressed.
        header_length: the request's `Inference-Header-Content-Length`; None: the body is all JSON; 0: it is all pixels,
            UINT8 [N, 28, 28], and every output is returned in binary.
        max_json_bytes: the longest JSON object that is parsed, without the numbers of a long tensor.

    Raises:
        BadRequestError: the length does not fit the body, or the JSON object is not an inference request.
        TooLargeError: the JSON object is longer, or has too many arrays or objects within it.
    """
    if header_length is None:
        return _split_json(bytes(content), max_json_bytes)
    if not header_length.isdigit() or len(header_length) > _MAX_DIGITS or int(header_length) > len(content):
        shown = header_length[:40].decode("latin-1")
        raise BadRequestError(
            f"Inference-Header-Content-Length is {shown!r}; send the length of the JSON object at the body's start, "
            f"at most the {len(content):,} bytes of the body before compression."
        )
    length = int(header_length)
    binary = memoryview(content)[length:]
    if length == 0:
        return Body(_raw_request(len(binary)), binary)
    parse = _parse_cached if length <= _MAX_CACHED else _parse
    return Body(parse(bytes(content[:length]), max_json_bytes), binary)


def check_json(content: bytes, max_bytes: int) -> None:
    """Refuse JSON that would take long to parse.

    Raises:
        BadRequestError: it begins with a byte order mark.
        TooLargeError: it is longer than `max_bytes`, or has too many arrays or objects.
    """
    if len(content) > max_bytes:
        raise TooLargeError(
            f"The JSON object has {len(content):,} bytes; the limit is {max_bytes:,}; send the images in binary."
        )
    if content.startswith(BOM_UTF8):
        raise BadRequestError("The JSON object begins with a byte order mark; send it without.")
    if content.count(b"{") > _MAX_OBJECTS or content.count(b"[") > _MAX_ARRAYS:
        raise TooLargeError(
            f"The JSON object has {content.count(b'{'):,} objects and {content.count(b'['):,} arrays in it; "
            f"the limits are {_MAX_OBJECTS} and {_MAX_ARRAYS:,}."
        )


def compress(content: bytes, accepted: bytes) -> tuple[bytes, str | None]:
    """Compress an answer if that is asked for: `Accept-Encoding` names gzip or deflate and nothing besides.

    Browsers and HTTP libraries list all that they can read, unasked, and get the answer as it is.

    Returns:
        The content and its `Content-Encoding`.
    """
    if accepted == b"gzip":
        return gzip.compress(content, _FASTEST, mtime=0), "gzip"
    if accepted == b"deflate":
        return zlib.compress(content, _FASTEST), "deflate"
    return content, None


def _split_json(content: bytes, max_bytes: int) -> Body:
    pieces = cut(content) if len(content) > _LONG_JSON else None
    if pieces is None:
        return Body(_parse(content, max_bytes), memoryview(b""))
    return Body(_parse(pieces.rest, max_bytes), memoryview(b""), pieces.numbers)


def _parse(content: bytes, max_bytes: int) -> InferenceRequest:
    check_json(content, max_bytes)
    try:
        return InferenceRequest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise BadRequestError(f"Inference request{place and f', {place}'}: {first['msg']}.") from error


# Before binary tensors, clients repeat the same few JSON objects; parsing takes longer than looking one up.
_parse_cached = lru_cache(maxsize=1024)(_parse)


@lru_cache(maxsize=1024)
def _raw_request(size: int) -> InferenceRequest:
    # A size that is no whole number of images is refused with the tensor, like that of any other.
    images = InputTensor(
        name="images",
        datatype="UINT8",
        shape=[max(1, size // PIXELS), SIDE, SIDE],
        parameters=InputParameters(binary_data_size=size),
    )
    return InferenceRequest(inputs=[images], parameters=RequestParameters(binary_data_output=True))
