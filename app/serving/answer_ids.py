"""The ids of answers: never given before, by whichever process, and not to be guessed.

An id is 28 hexadecimal digits: the second in which it was drawn, so that a database keeps what is new together, and 80
random bits. They are drawn many at a time, as asking the system for randomness takes longer than all the rest.
"""

import os
from time import time

__all__ = ["ANSWER_ID", "new_answer_id"]

ANSWER_ID = "^[0-9a-f]{28}$"  # as a pattern

_DRAWN_AT_ONCE = 128
_RANDOM_BYTES = 10

_drawn: list[str] = []
os.register_at_fork(after_in_child=_drawn.clear)  # or two processes would give the same


def new_answer_id() -> str:
    """A new id; safe in any thread."""
    try:
        return _drawn.pop()
    except IndexError:
        second = f"{int(time()):08x}"
        digits = os.urandom(_RANDOM_BYTES * _DRAWN_AT_ONCE).hex()
        width = 2 * _RANDOM_BYTES
        _drawn.extend(second + digits[start : start + width] for start in range(0, len(digits), width))
        return _drawn.pop()
