"""Content codings of request bodies (RFC 9110, 8.4)."""

import zlib
from typing import Any

from app.engine.problems import BadRequestError, TooLargeError, UnsupportedMediaTypeError

__all__ = ["decompress"]

_PIECE_BYTES = 2**16  # read and written at once: zlib lets other threads go on meanwhile, but not while it copies
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
        plain, read = _decompressed(decompressor, content, max_bytes)
    except zlib.error as error:
        raise BadRequestError(f"The body is not {name}, as Content-Encoding says: {error}.") from error
    if len(plain) > max_bytes:
        raise TooLargeError(f"The decompressed body is over the limit of {max_bytes:,} bytes.")
    if not decompressor.eof:
        raise BadRequestError(f"The {name} body is cut off.")
    if rest := len(content) - read + len(decompressor.unused_data):
        raise BadRequestError(f"The {name} body goes on for {rest:,} bytes after its end.")
    return memoryview(plain)


def _decompressed(decompressor: Any, content: memoryview, max_bytes: int) -> tuple[bytearray, int]:
    """What a decompressor makes of a content up to its end, or a little over `max_bytes`; and how much it has read."""
    plain = bytearray()
    read = 0
    while read < len(content) and not decompressor.eof and len(plain) <= max_bytes:
        piece = bytes(content[read : read + _PIECE_BYTES])
        read += len(piece)
        while piece and len(plain) <= max_bytes:
            plain += decompressor.decompress(piece, _PIECE_BYTES)
            piece = decompressor.unconsumed_tail
    if len(plain) <= max_bytes:
        plain += decompressor.flush()
    return plain, read
