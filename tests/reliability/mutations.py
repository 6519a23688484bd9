"""Requests that were whole before something happened to them: images, forms and tensors, damaged in ways that matter.

One function of a random generator, so that Hypothesis draws the same requests that `make fuzz` makes by the thousand.
"""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tests import drawings, forgeries
from tests.reliability.sockets import BOUNDARY, FORM_TYPE

__all__ = ["Request", "mutated_bytes", "random_request"]

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
IMAGES: Sequence[bytes] = (
    *(drawings.encode(drawings.noise(), file_format) for file_format in _FORMATS),
    *(drawings.encode(drawings.ankle_boot(), file_format) for file_format in _FORMATS),
    *(drawings.encode(drawings.ankle_boot().convert(mode), "PNG") for mode in ("1", "P", "LA", "RGBA")),
    drawings.encode(drawings.ankle_boot(), "JPEG", progressive=True),
    drawings.encode(drawings.ankle_boot(), "TIFF", compression="tiff_lzw"),
    drawings.png(drawings.ankle_boot().resize((60, 40))),
    *forgeries.SEVERAL_FRAMES.values(),
    *forgeries.HUGE.values(),
)
_INTERESTING = (
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\r\n",
    b'"',
    b"--",
    b";",
    b"\\",
)
_TENSOR = b'{"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 784], "data": [%s]}]}' % b",".join(
    b"%d" % value for value in drawings.noise().tobytes()
)
_QUERIES = (
    "",
    "",
    "",
    "?resize=true",
    "?invert=true&pixels=true",
    "?coverage=0.9",
    "?coverage=%00",
    "?model=x",
    "?resize=2",
)
_CONTENT_TYPES = (
    b"image/png",
    b"image/*",
    b"application/octet-stream",
    FORM_TYPE,
    b"multipart/form-data",
    b"text/plain",
    b"",
)


class Request(NamedTuple):
    """One POST, framed correctly."""

    path: str
    content_type: bytes
    body: bytes
    headers: bytes = b""  # whole lines

    def wire(self) -> bytes:
        """The bytes that are sent."""
        head = b"POST %b HTTP/1.1\r\nHost: s\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n"
        return head % (self.path.encode(), self.content_type, len(self.body), self.headers) + self.body


def mutated_bytes(generator: random.Random, content: bytes) -> bytes:
    """The content with up to 8 changes: bytes flipped, set, cut out, doubled, moved, or the end cut off."""
    mutated = bytearray(content)
    for _ in range(generator.randint(1, 8)):
        start = generator.randrange(len(mutated) + 1)
        length = min(generator.choice((1, 1, 2, 4, 16, 64)), len(mutated) - start)
        generator.choice(_CHANGES)(generator, mutated, start, length)
    return bytes(mutated)


def _flip(generator: random.Random, content: bytearray, start: int, length: int) -> None:
    if length:
        content[start] ^= 1 << generator.randrange(8)


def _set(generator: random.Random, content: bytearray, start: int, length: int) -> None:
    value = generator.choice(_INTERESTING)
    content[start : start + min(length, len(value))] = value[:length]


def _insert(generator: random.Random, content: bytearray, start: int, length: int) -> None:
    content[start:start] = generator.randbytes(length)


def _cut_out(_: random.Random, content: bytearray, start: int, length: int) -> None:
    del content[start : start + length]


def _double(_: random.Random, content: bytearray, start: int, length: int) -> None:
    content[start:start] = content[start : start + length]


def _move(generator: random.Random, content: bytearray, start: int, length: int) -> None:
    piece = content[start : start + length]
    del content[start : start + length]
    place = generator.randrange(len(content) + 1)
    content[place:place] = piece


def _cut_off(_: random.Random, content: bytearray, start: int, length: int) -> None:
    if not length % 4:  # seldom, as little is left to damage after it
        del content[start:]


_CHANGES: Sequence[Callable[[random.Random, bytearray, int, int], None]] = (
    _flip,
    _flip,
    _set,
    _insert,
    _cut_out,
    _double,
    _move,
    _cut_off,
)


def _image(generator: random.Random) -> bytes:
    image = generator.choice(IMAGES)
    return mutated_bytes(generator, image) if generator.random() < 0.9 else image


def _form(generator: random.Random, *fields: tuple[bytes, bytes]) -> bytes:
    head = (
        b'--%b\r\nContent-Disposition: form-data; name="%b"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n%b\r\n'
    )
    body = b"".join(head % (BOUNDARY, *field) for field in fields) + b"--%b--\r\n" % BOUNDARY
    return mutated_bytes(generator, body) if generator.random() < 0.5 else body


def _raw(generator: random.Random) -> Request:
    path = generator.choice(("/predict", "/predict", "/explain"))
    content_type = generator.choice(_CONTENT_TYPES) if generator.random() < 0.1 else b"image/png"
    return Request(path + generator.choice(_QUERIES), content_type, _image(generator))


def _one(generator: random.Random) -> Request:
    path = generator.choice(("/predict", "/predict", "/explain"))
    return Request(path + generator.choice(_QUERIES), FORM_TYPE, _form(generator, (b"file", _image(generator))))


def _many(generator: random.Random) -> Request:
    images = [(b"files", _image(generator)) for _ in range(generator.randint(1, 4))]
    return Request("/predict/batch" + generator.choice(_QUERIES), FORM_TYPE, _form(generator, *images))


def _labeled(generator: random.Random) -> Request:
    fields = [(b"file", _image(generator)), (b"label", generator.choice((b"Bag", b"Coat", b"", b"\xff", b"none")))]
    return Request("/feedback" + generator.choice(_QUERIES), FORM_TYPE, _form(generator, *fields))


def _tensor(generator: random.Random) -> Request:
    path = "/v2/models/fashion-mnist/infer"
    if generator.random() < 0.5:
        return Request(path, b"application/json", mutated_bytes(generator, _TENSOR))
    length = generator.choice((0, 0, 0, 1, 784, -1, 99999))
    pixels = generator.randbytes(generator.choice((784, 784, 1568, 783, 0)))
    return Request(path, b"", pixels, b"Inference-Header-Content-Length: %d\r\n" % length)


_KINDS: Sequence[Callable[[random.Random], Request]] = (_raw, _raw, _raw, _one, _one, _one, _many, _labeled, _tensor)


def random_request(generator: random.Random) -> Request:
    """One request of any kind."""
    return generator.choice(_KINDS)(generator)
