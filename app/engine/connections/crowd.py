"""All connections of a process, and who goes first where they are too many."""

import logging
import resource
from collections.abc import Collection
from time import perf_counter
from typing import Protocol

from app.engine.admission import Shed

__all__ = ["Crowd", "Member"]

logger = logging.getLogger(__name__)

_MOST_LEAVING = 256  # connections that are dropped from, and not closed yet
_RESERVE = 336  # descriptors for files, and for the connections that a server accepts in one turn
_RESERVED_SHARE = 0.5  # of all descriptors, at most, where there are few
_SHARE_AT_ONCE = 0.02  # of all connections, closed together where descriptors run out: each look costs time
_LOG_SECONDS = 10.0


class Member(Protocol):
    """One connection."""

    def abort(self) -> None:
        """Close it now, whatever waits."""

    def idle_since(self) -> float | None:
        """When its last answer was given; None: something is asked."""


class Crowd:
    """What connections share."""

    def __init__(self, on_shed: Shed, max_connections: int | None = None) -> None:
        """Bound them.

        Args:
            on_shed: is told why connections were closed, and how many.
            max_connections: None: as many as the process may have descriptors, but for a reserve.
        """
        self._on_shed = on_shed
        self._max_connections = max_connections or _max_connections()
        self._leaving: dict[Member, None] = {}  # the longest first
        self._logged_at = float("-inf")

    def welcome(self, all_members: Collection[Member]) -> None:
        """Make room for one more, where descriptors run out: those go that have been idle for the longest."""
        if len(all_members) < self._max_connections:
            return
        idle = [(since, id(member), member) for member in all_members if (since := member.idle_since()) is not None]
        going = sorted(idle)[: max(1, int(_SHARE_AT_ONCE * len(all_members)))]
        for _, _, member in going:
            member.abort()
        self._tell(len(going))

    def begin_leaving(self, member: Member) -> None:
        """Note that a connection sends no more; of too many, the first is cut off."""
        self._leaving[member] = None
        if len(self._leaving) > _MOST_LEAVING:
            first = next(iter(self._leaving))
            del self._leaving[first]
            first.abort()

    def forget(self, member: Member) -> None:
        """Note that a connection is closed."""
        self._leaving.pop(member, None)

    def _tell(self, count: int) -> None:
        self._on_shed("descriptors", count)
        now = perf_counter()
        if now - self._logged_at > _LOG_SECONDS:
            self._logged_at = now
            logger.warning("Connections are closed, as there are too many: descriptors.")


def _max_connections() -> int:
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return descriptors - min(_RESERVE, int(_RESERVED_SHARE * descriptors))
