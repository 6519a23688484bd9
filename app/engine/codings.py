"""Content codings of request bodies (RFC 9110, 8.4)."""

import zlib

from app.engine.problems import BadRequestError, TooLargeError, UnsupportedMediaTypeError

__all__ = ["decompress"]

_WINDOW_BITS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


def decompress(content: memoryview, coding: bytes, max_bytes: int) -> memoryview:
    """Undo a `Content-Encoding`, and stop at `max_bytes`.

    Raises:
        BadRequestError: the content is not of this coding, cut off, or goes on after its end.
        TooLargeError: there is more than `max_bytes` in it.
        UnsupportedMediaTypeError: the coding is neither gzip nor deflate.
    """
    name = coding.decode("latin-1").lower()
    if name in ("", "identity"):
        return content
    if name not in _WINDOW_BITS:
        raise UnsupportedMediaTypeError(f"Content-Encoding {name[:40]!r} is not read; send gzip, deflate or none.")
    decompressor = zlib.decompressobj(_WINDOW_BITS[name])
    try:
        plain = decompressor.decompress(content, max_bytes + 1)
    except zlib.error as error:
        raise BadRequestError(f"The body is not {name}, as Content-Encoding says: {error}.") from error
    if len(plain) > max_bytes:
        raise TooLargeError(f"The decompressed body is over the limit of {max_bytes:,} bytes.")
    if not decompressor.eof:
        raise BadRequestError(f"The {name} body is cut off.")
    if decompressor.unused_data:
        raise BadRequestError(f"The {name} body goes on for {len(decompressor.unused_data):,} bytes after its end.")
    return memoryview(plain)
