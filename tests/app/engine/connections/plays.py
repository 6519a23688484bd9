"""Short plays: requests as clients write them, and worlds in which they are sent."""

import asyncio
from collections.abc import Callable, Coroutine

from app.engine.limits import Limits
from tests.app.engine.connections.wires import Wire, World, complaints

__all__ = ["LARGE", "LIMITS", "chunked", "played", "post", "request", "with_world"]

LARGE = bytes(range(256)) * 70  # more than waits for its turn at once
LIMITS = Limits(max_body_bytes=100_000, turn_seconds=1e-6)


def request(line: str, *fields: str, body: bytes = b"", version: str = "1.1") -> bytes:
    head = "\r\n".join([f"{line} HTTP/{version}", "Host: s", *fields])
    return head.encode() + b"\r\n\r\n" + body


def post(target: str, body: bytes, *fields: str, version: str = "1.1") -> bytes:
    return request(f"POST {target}", f"Content-Length: {len(body)}", *fields, body=body, version=version)


def chunked(target: str, *chunks: bytes, trailers: bytes = b"") -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return request(f"POST {target}", "Transfer-Encoding: chunked", body=body + b"0\r\n" + trailers + b"\r\n")


def with_world(play: Callable[[World], Coroutine[None, None, None]], limits: Limits = LIMITS) -> None:
    """Play in a new world; nothing may be left of it."""

    async def run() -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        world = World(limits)
        with complaints() as logged:
            await play(world)
            await leave(world)
        assert (failures, logged) == ([], [])

    asyncio.run(run())


def played(play: Callable[[World, Wire], Coroutine[None, None, None]]) -> Wire:
    """What became of one client."""
    wires: list[Wire] = []

    async def play_alone(world: World) -> None:
        wires.append(world.connect())
        await play(world, wires[0])
        await world.settle()

    with_world(play_alone)
    return wires[0]


async def leave(world: World) -> None:
    """Have all clients take what they get and stop sending: no connection may stay, nor anything of it."""
    for wire in world.wires:
        wire.takes_all()
        wire.stops_sending()
    await world.settle()
    assert [wire.lost for wire in world.wires] == [True] * len(world.wires)
    assert not world.state.connections
    assert not world.state.tasks
    assert world.dispatcher.pending.bytes == 0
