"""The end of a server."""

import uvicorn

from app.process.stopping import StoppingServer


class _Connection:
    def __init__(self, server: StoppingServer, *, fails: bool) -> None:
        self._server = server
        self._fails = fails

    def end(self) -> None:
        self._server.server_state.connections.discard(self)
        if self._fails:
            raise RuntimeError("Cannot call write() after write_eof()")


async def test_one_connection_that_cannot_be_ended_keeps_no_other_from_its_end() -> None:
    server = StoppingServer(uvicorn.Config("app.main:create_app", log_config=None))
    connections = server.server_state.connections
    connections.update(_Connection(server, fails=number % 2 == 0) for number in range(6))  # type: ignore[misc]

    server.servers = []
    server.force_exit = True  # the time for them is over
    await server._wait_tasks_to_complete()  # noqa: SLF001 - as uvicorn does then

    assert not connections
