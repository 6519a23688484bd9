"""Signals that end a command: each becomes an exception, so that what was begun is ended as it should be."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = ["Interruption", "held_back", "interruptible"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, `docker stop` and the like, a terminal that closes


class Interruption(BaseException):
    """A signal asked the process to end.

    Attributes:
        exit_code: what a shell shows of a process that the signal has killed.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@contextmanager
def interruptible(*, by_ctrl_c_alone: bool = False) -> Iterator[None]:
    """Have signals raise an Interruption, but for those that are ignored, as `nohup` has it."""

    def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
        raise Interruption(number)

    heeded = (signal.SIGINT,) if by_ctrl_c_alone else _SIGNALS
    before = {number: signal.getsignal(number) for number in heeded}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def held_back() -> Iterator[None]:
    """Let signals wait until the block has ended, as what is done in it belongs together."""
    came: list[int] = []
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])
