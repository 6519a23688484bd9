"""What waits of what a client sends."""

import asyncio
from asyncio import Transport

import pytest

from app.engine.connections.reading import Reading


class _Socket(Transport):
    def __init__(self) -> None:
        super().__init__()
        self.is_read = True
        self.is_gone = False

    def pause_reading(self) -> None:
        assert self.is_read
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def is_closing(self) -> bool:
        return self.is_gone

    def abort(self) -> None:
        self.is_gone = True


async def _reading() -> tuple[Reading, _Socket]:
    socket = _Socket()
    return Reading(socket, asyncio.get_running_loop()), socket


async def test_what_is_taken_makes_way_for_what_comes() -> None:
    reading, _ = await _reading()
    reading.add(b"one two")
    reading.take(4)
    reading.add(b" three")
    assert reading.data[reading.start :] == b"two three"
    reading.take(len(reading.data))
    assert not reading.data


async def test_empty_lines_before_a_request_are_skipped_up_to_half_a_line_end() -> None:
    reading, _ = await _reading()
    reading.add(b"\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n")
    reading.skip_empty_lines()
    assert reading.data[reading.start :].startswith(b"GET ")
    reading.forget()
    reading.add(b"\r\n\r")
    reading.skip_empty_lines()
    assert reading.data[reading.start :] == b"\r"


@pytest.mark.parametrize(("taken", "kept"), [(400, 1000), (501, 499)])
async def test_no_more_of_what_was_taken_is_kept_than_of_what_waits(taken: int, kept: int) -> None:
    reading, _ = await _reading()
    reading.add(b"x" * 1000)
    reading.take(taken)
    reading.trim()
    assert len(reading.data) == kept
    assert len(reading.data) - reading.start == 1000 - taken


async def test_what_is_sent_in_vain_is_read_now_and_then_and_not_without_end() -> None:
    reading, socket = await _reading()
    reading.drop(1)
    assert not socket.is_read
    await asyncio.sleep(0.02)
    assert socket.is_read
    reading.drop(32 * 2**20)
    assert socket.is_gone


async def test_nothing_is_read_after_the_end() -> None:
    for end in ("the client's", "ours"):
        reading, socket = await _reading()
        reading.pause()
        reading.pause()
        reading.has_ended = end == "the client's"
        socket.is_gone = end == "ours"
        reading.resume()
        assert not socket.is_read
