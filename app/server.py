"""uvicorn with its workers, as `python -m app` runs it."""

import sys
from contextlib import suppress

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess

__all__ = ["run"]


class _Workers(Multiprocess):
    """Processes that listen on one socket; the last of them that stops is the last that holds it.

    uvicorn's launcher holds it longer, and a connection made after that is never answered.
    """

    def terminate_all(self) -> None:
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


def run(config: uvicorn.Config) -> None:
    """Serve until a signal ends it; where it can't start, exit with uvicorn's code for that."""
    if config.workers > 1:
        _Workers(config, [config.bind_socket()]).run()
        return
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # uvicorn raises the signal again once it has stopped
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)
