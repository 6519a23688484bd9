"""Load on a server from a process of its own: many connections, each asking again as soon as it is answered."""

import asyncio
import multiprocessing
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event

import httpx
import uvloop

__all__ = ["Answers", "full_load"]

_IDS = re.compile(rb"[0-9a-f]{28}")  # of answers, which are never the same
# How often each status and body, without its ids, was answered; status 0: a connection was lost.
Answers = Counter[tuple[int, bytes]]


@contextmanager
def full_load(requests: Sequence[httpx.Request]) -> Iterator[Answers]:
    """Send requests, one connection each, again and again for as long as the context lasts; all to one server.

    Yields:
        The answers, once every connection has had its first; empty until the context ends.
    """
    context = multiprocessing.get_context("spawn")
    running, stop = context.Event(), context.Event()
    receiver, sender = context.Pipe(duplex=False)
    url = requests[0].url
    written = [_written(request) for request in requests]
    process = context.Process(target=_run, args=(url.host, url.port, written, running, stop, sender))
    process.start()
    sender.close()
    answers: Answers = Counter()
    try:
        if not running.wait(60):
            raise TimeoutError("The load did not start within 60 s.")
        yield answers
    finally:
        stop.set()
        if receiver.poll(30):
            answers.update(receiver.recv())
        process.join(30)


def _written(request: httpx.Request) -> bytes:
    head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n".encode()
    headers = b"".join(b"%s: %s\r\n" % field for field in request.headers.raw)
    return head + headers + b"\r\n" + request.read()


def _run(host: str, port: int, requests: list[bytes], running: Event, stop: Event, sender: Connection) -> None:
    sender.send(uvloop.run(_ask_all(host, port, requests, running, stop)))


async def _ask_all(host: str, port: int, requests: list[bytes], running: Event, stop: Event) -> Answers:
    answers: Answers = Counter()
    connections = [await asyncio.open_connection(host, port) for _ in requests]
    for connection, request in zip(connections, requests, strict=True):
        await _ask(*connection, request, answers)
    running.set()
    await asyncio.gather(
        *(
            _ask_repeatedly(*connection, request, answers, stop)
            for connection, request in zip(connections, requests, strict=True)
        )
    )
    return answers


async def _ask_repeatedly(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, answers: Answers, stop: Event
) -> None:
    try:
        while not stop.is_set():
            await _ask(reader, writer, request, answers)
    except (EOFError, OSError) as error:
        answers[0, repr(error).encode()] += 1
    writer.close()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, answers: Answers) -> None:
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"\ncontent-length: (\d+)", head)
    body = await reader.readexactly(int(length[1]) if length else 0)
    answers[int(head[9:12]), _IDS.sub(b"", body)] += 1
