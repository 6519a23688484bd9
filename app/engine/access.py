"""Who may ask: every path but the open ones needs a key, where keys are set.

A key is sent as `Authorization: Bearer KEY` or `X-API-Key: KEY`; browsers, once challenged, send it as the password of
`Authorization: Basic`, with any user name.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from hashlib import sha256

from app.engine.keys import Keys
from app.engine.problems import ForbiddenError, UnauthorizedError

__all__ = ["Access", "Admins"]

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_FROM_ELSEWHERE = frozenset({b"cross-site", b"same-site"})


class Access:
    """The check that a request passes before its body is read."""

    def __init__(self, keys: Keys, open_paths: frozenset[str] = frozenset()) -> None:
        """Ask for one of the `keys` at every path but the open ones."""
        self._keys = keys
        self._open_paths = open_paths

    def refresh(self) -> None:
        """Read the file of the keys again if it has changed."""
        self._keys.refresh()

    def check(self, method: str, path: str, headers: dict[bytes, bytes]) -> None:
        """Do nothing where the request may be answered.

        Args:
            method: in upper case.
            path: without the root path.
            headers: by lower-case name.

        Raises:
            UnauthorizedError: it has no key, or none that is accepted.
        """
        if path not in self._open_paths:
            self._check_key(method, headers)

    def knows(self, method: str, headers: dict[bytes, bytes]) -> bool:
        """Whether a request has a key that is accepted, wherever it goes."""
        try:
            self._check_key(method, headers)
        except UnauthorizedError:
            return False
        return True

    def digest(self, method: str, headers: dict[bytes, bytes]) -> bytes:
        """What tells the askers apart; b"" for all without a key, as at open paths."""
        try:
            return sha256(_key(method, headers)).digest()
        except UnauthorizedError:
            return b""

    def _check_key(self, method: str, headers: dict[bytes, bytes]) -> None:
        if not self._keys.accept(_key(method, headers)):
            raise UnauthorizedError("The key is none of those that are accepted; ask the operator for a valid one.")


class Admins:
    """Those who may do what changes the service, known by their keys."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        """Know each by the name that stands before the key."""
        self._keys = {name: Keys([key]) for name, key in keys.items()}

    def name_of(self, method: str, headers: dict[bytes, bytes]) -> str:
        """The name of whoever asks.

        Args:
            method: in upper case.
            headers: by lower-case name.

        Raises:
            UnauthorizedError: there is no key.
            ForbiddenError: it is no admin's, or there is no admin.
        """
        if not self._keys:
            raise ForbiddenError("Nobody may do this over HTTP: there are no admin keys.")
        key = _key(method, headers)
        found = [name for name, keys in self._keys.items() if keys.accept(key)]
        if not found:
            raise ForbiddenError("The key is no admin's; ask the operator for one.")
        return found[0]


def _key(method: str, headers: dict[bytes, bytes]) -> bytes:
    key = headers.get(b"x-api-key")
    return _authorized_key(method, headers) if key is None else key


def _authorized_key(method: str, headers: dict[bytes, bytes]) -> bytes:
    scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
    match scheme.lower():
        case b"bearer":
            return credentials.strip()
        case b"basic":
            if method not in _SAFE_METHODS and _is_from_elsewhere(headers):
                raise UnauthorizedError("A page of another site asks with the browser's key; send one as a header.")
            return _password(credentials)
    raise UnauthorizedError("A key is needed; send it as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.")


def _is_from_elsewhere(headers: dict[bytes, bytes]) -> bool:
    """Whether a page of another site asks, as far as the browser tells; over plain HTTP it tells the origin only."""
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site in _FROM_ELSEWHERE
    origin = headers.get(b"origin")
    return origin is not None and origin.lower().partition(b"://")[2] != headers.get(b"host", b"").lower()


def _password(credentials: bytes) -> bytes:
    """Of `user:password` in base64 (RFC 7617)."""
    try:
        return a2b_base64(credentials.strip(), strict_mode=True).partition(b":")[2]
    except Base64Error:
        raise UnauthorizedError("'Authorization: Basic' is not base64 of 'user:KEY'.") from None
