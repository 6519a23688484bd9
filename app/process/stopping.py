"""A server's end: what its clients still wait for is answered, and what is logged of it written."""

import asyncio
import logging
import socket
from typing import Protocol, cast

import uvicorn

from app.process import logs

__all__ = ["StoppingServer"]

logger = logging.getLogger(__name__)

_LAST_SECONDS = 1.0  # for clients to take their last answers
_LOOKS = 20  # whether they have


class _Connection(Protocol):
    def end(self) -> None:
        """Answer what is not answered yet, and close."""


class StoppingServer(uvicorn.Server):
    """uvicorn's server, which answers whoever it leaves when it is forced to end."""

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        await super()._serve(sockets)
        logs.flush()

    async def _wait_tasks_to_complete(self) -> None:
        try:
            await super()._wait_tasks_to_complete()
        finally:  # also when the time for it is over
            await self._end_connections()

    async def _end_connections(self) -> None:
        connections = self.server_state.connections
        for connection in list(connections):
            try:
                cast(_Connection, connection).end()
            except Exception:  # of one, which must not keep the others from being told
                logger.exception("A connection could not be ended.")
        for _ in range(_LOOKS):
            if not connections:
                break
            await asyncio.sleep(_LAST_SECONDS / _LOOKS)
