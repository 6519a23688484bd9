"""Long arrays of numbers in JSON, read piece by piece, so that other threads get their turn in between.

A JSON parser reads a body in one go, and nothing else is done meanwhile: 40 ms for 256 images in FP32. So the array
`data` of a long body is cut out, and its numbers are read some thousands at a time. What remains is an ordinary
request.
"""

import re
from array import array
from collections.abc import Sequence
from time import sleep
from typing import Any, NamedTuple

import orjson

from app.engine.problems import BadRequestError

__all__ = ["Cut", "cut", "nested_otherwise", "read_numbers"]

_NAME = b'"data"'
_START = re.compile(rb"\s*:\s*(?=\[)")
_FOREIGN = re.compile(rb"[^][0-9,.eE+\- \t\r\n]")  # to an array of numbers
_PIECE = 64 * 1024  # bytes that are read in one go: half a millisecond
_BRACKETS_TO_SPACES = bytes.maketrans(b"[]", b"  ")
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]"))


class Cut(NamedTuple):
    """A body in two."""

    rest: bytes  # with an empty array in the place of the numbers
    numbers: bytes  # the array, nested or not


def cut(content: bytes) -> Cut | None:
    """Cut the one array `data` out of a body; None: there is none, or several."""
    name = content.find(_NAME)
    if name < 0 or content.find(_NAME, name + len(_NAME)) >= 0:
        return None
    found = _START.match(content, name + len(_NAME))
    if found is None:
        return None
    end = found.end()
    while end < len(content):
        foreign = _FOREIGN.search(content, end, end + _PIECE)
        if foreign is not None:
            end = foreign.start()
            break
        end += _PIECE
        sleep(0)  # lets other threads go on, here and below
    end = content.rfind(b"]", found.end(), end) + 1
    return Cut(content[: found.end()] + b"[]" + content[end:], content[found.end() : end]) if end else None


def read_numbers(numbers: bytes, typecode: str, shape: Sequence[int]) -> "array[Any]":
    """Read an array that is nested as its shape says, to any depth or not at all.

    Args:
        numbers: the array in JSON.
        typecode: of `array`: B for whole numbers of 0 to 255, f for any.
        shape: how many there are at each level.

    Raises:
        BadRequestError: it is nested otherwise, or has something else than such numbers.
    """
    if numbers.translate(None, _ALL_BUT_BRACKETS) not in _nestings(shape, len(numbers)):
        raise nested_otherwise(shape)
    values = array(typecode)
    start = 0
    while start < len(numbers):
        end = numbers.find(b",", start + _PIECE)
        end = len(numbers) if end < 0 else end
        piece = numbers[start:end].translate(_BRACKETS_TO_SPACES)
        try:
            if start and not piece.strip():
                raise TypeError("a comma, and no number behind it")  # noqa: TRY301 - as the parser would
            values.extend(orjson.loads(b"[%b]" % piece))
        except (orjson.JSONDecodeError, TypeError, OverflowError) as error:
            raise BadRequestError(
                f"Input 'images' has data other than numbers of its datatype, after {len(values):,} of them."
            ) from error
        start = end + 1
        sleep(0)
    return values


def nested_otherwise(shape: Sequence[int]) -> BadRequestError:
    """The refusal of an array whose nesting is not that of its shape."""
    return BadRequestError(f"Input 'images' has data that are not nested as shape {list(shape)} says, and not flat.")


def _nestings(shape: Sequence[int], longest: int) -> list[bytes]:
    """The brackets of all ways to nest an array, of those that are no longer than so many bytes."""
    found: list[bytes] = []
    for depth in range(1, len(shape) + 1):
        brackets = b"[]"
        for count in reversed(shape[: depth - 1]):
            if len(brackets) * count > longest:
                return found
            brackets = b"[%b]" % (brackets * count)
        found.append(brackets)
    return found
