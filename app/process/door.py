"""The listening socket: where it is, when it answers, and its end, so that no connection is lost.

A connection is made by the kernel, and waits there until a worker accepts it. Those that wait when the last worker
stops listening are cut off. So the door is closed first, a moment before listening ends: from then on the kernel makes
none, and those that wait are accepted.
"""

import ctypes
import logging
import socket
import struct
import sys
from contextlib import suppress

__all__ = ["LAST_ONES_SECONDS", "close_door", "make_door", "say_it_is_open"]

logger = logging.getLogger(__name__)

LAST_ONES_SECONDS = 0.3  # for the connections that wait to be accepted

_SO_ATTACH_FILTER = 26  # as in Linux's asm-generic/socket.h
_REFUSE_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # struct sock_filter: BPF_RET | BPF_K, 0 bytes of any packet


def make_door(host: str, port: int) -> socket.socket:
    """Return a socket at this address, on which nobody listens yet.

    Raises:
        OSError, UnicodeError: it can't be listened on.
    """
    door = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.bind((host, port))
    door.set_inheritable(True)
    return door


def say_it_is_open(door: socket.socket) -> None:
    """Log where the service answers, in uvicorn's words, by which people and programs know it."""
    host, port = door.getsockname()[:2]
    logger.info("Uvicorn running on http://%s:%d (Press CTRL+C to quit)", f"[{host}]" if ":" in host else host, port)


def close_door(listeners: list[socket.socket]) -> None:
    """Have the kernel drop what would become a new connection; its client meets the closed port a bit later."""
    if sys.platform != "linux":
        return
    refuse_all = ctypes.create_string_buffer(_REFUSE_ALL)
    program = struct.pack("HL", 1, ctypes.addressof(refuse_all))  # struct sock_fprog: one instruction, and where it is
    for listener in listeners:
        with suppress(OSError):  # not permitted: then some may be cut off
            listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
