"""The ids of answers: never given before, by whichever process, and not to be guessed.

An id is 28 hexadecimal digits: the second in which it was drawn, so that a database keeps what is new together, and 80
random bits. They are drawn many at a time, as asking the system for randomness takes longer than all the rest.
"""

import os
from time import time

__all__ = ["ANSWER_ID", "new_answer_id", "new_answer_ids"]

ANSWER_ID = "^[0-9a-f]{28}$"  # as a pattern

_DRAWN_AT_ONCE = 128
_SECOND_BYTES = 4
_RANDOM_BYTES = 10

_drawn: list[str] = []
os.register_at_fork(after_in_child=_drawn.clear)  # or two processes would give the same


def new_answer_id() -> str:
    """A new id; safe in any thread."""
    try:
        return _drawn.pop()
    except IndexError:
        _drawn.extend(new_answer_ids(_DRAWN_AT_ONCE).split(","))
        return _drawn.pop()


def new_answer_ids(count: int) -> str:
    """So many new ids, with commas between them: made byte by byte of all, as one by one takes ten times as long."""
    size = _SECOND_BYTES + _RANDOM_BYTES
    random = os.urandom(_RANDOM_BYTES * count)
    ids = bytearray(size * count)
    for place, byte in enumerate(int(time()).to_bytes(_SECOND_BYTES, "big")):
        ids[place::size] = bytes([byte]) * count
    for place in range(_RANDOM_BYTES):
        ids[_SECOND_BYTES + place :: size] = random[place::_RANDOM_BYTES]
    return ids.hex(",", size)
