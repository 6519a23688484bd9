"""Who may ask where there are no keys: pages of other sites may not, though the browser that shows them could.

A page reaches a service on its reader's own machine under a name of its own that it lets point there (DNS rebinding),
which the field Host shows; and it can post a form to it, which Sec-Fetch-Site shows, or else Origin.
"""

from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address

from app.engine.problems import ForeignRequestError

__all__ = ["Neighbors"]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_ORIGINS = frozenset({b"origin", b"sec-fetch-site"})  # fields that browsers alone send
_FROM_ELSEWHERE = frozenset({b"cross-site", b"same-site"})


class Neighbors:
    """The check that a request passes before its body is read."""

    def __init__(self, hosts: Collection[str], origins: Collection[str], open_paths: frozenset[str]) -> None:
        """Know the neighbors.

        Args:
            hosts: names under which the service is asked, besides those of this machine; empty: under any.
            origins: whose pages may ask, as CORS lets them; * is all.
            open_paths: which anybody may ask.
        """
        self._hosts = frozenset(host.lower().encode() for host in hosts)
        self._origins = frozenset(origin.encode() for origin in origins)
        self._open_paths = open_paths

    def check(self, method: str, path: str, headers: dict[bytes, bytes]) -> None:
        """Do nothing where the request may be answered.

        Args:
            method: in upper case.
            path: without the root path.
            headers: by lower-case name.

        Raises:
            ForeignRequestError: it asks under a name that is not the service's, or comes from another site's page.
        """
        if path in self._open_paths:
            return
        host = headers.get(b"host", b"")
        if host and self._hosts and not (_is_this_machine(host) or _name(host) in self._hosts):  # a browser sends one
            raise ForeignRequestError(
                f"The service is not asked as {host[:80].decode('latin-1')!r}; SOFTMAX_ALLOWED_HOSTS has its names."
            )
        if not _ORIGINS.isdisjoint(headers) and method not in _SAFE_METHODS and self._is_from_elsewhere(headers, host):
            raise ForeignRequestError("A page of another site asks; SOFTMAX_CORS_ORIGINS has those that may.")

    def _is_from_elsewhere(self, headers: dict[bytes, bytes], host: bytes) -> bool:
        origin = headers.get(b"origin")
        if origin in self._origins or b"*" in self._origins:
            return False
        site = headers.get(b"sec-fetch-site")
        if site is not None:
            return site in _FROM_ELSEWHERE
        return origin is not None and origin.partition(b"://")[2].lower() != host.lower()


def _name(host: bytes) -> bytes:
    """Without the port, and without the dot that ends a name of the root's."""
    name, colon, port = host.rpartition(b":")
    return (name if colon and name and (port.isdigit() or not port) else host).lower().removesuffix(b".")


@lru_cache(maxsize=64)
def _is_this_machine(host: bytes) -> bool:
    name = _name(host).decode("latin-1")
    try:
        return name == "localhost" or ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
