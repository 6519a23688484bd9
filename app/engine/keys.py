"""API keys: what one looks like, the file that holds some, and whether a request's is among them."""

import hmac
import logging
import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from app.regular_files import IrregularFileError, read_regular_file

__all__ = ["Keys", "check_keys", "read_keys"]

logger = logging.getLogger(__name__)

_NEVER: tuple[int, ...] = ()  # the state of no file
_MAX_FILE_BYTES = 2**20
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]{16,}")


def check_keys(keys: Iterable[str]) -> None:
    """Do nothing where each key can be sent in a header and is too long to be guessed.

    Raises:
        ValueError: one is not; its number is told, never itself.
    """
    for number, key in enumerate(keys, 1):
        if not _KEY.fullmatch(key):
            raise ValueError(
                f"Key {number} is not 16 or more visible ASCII characters without a comma; "
                "`openssl rand -hex 24` makes a good one."
            )


def read_keys(path: Path) -> list[str]:
    """The keys of a file: one a line; empty lines and lines that start with # are left out.

    Raises:
        ValueError: the file can't be read, has no key, or one that `check_keys` refuses.
    """
    try:
        lines = read_regular_file(path, _MAX_FILE_BYTES).decode("ascii").splitlines()
    except IrregularFileError as error:
        raise ValueError(f"The file can't be taken: {error}.") from None
    except OSError as error:
        raise ValueError(f"The file can't be read: {error.strerror}.") from error
    except UnicodeDecodeError:
        raise ValueError("The file is not ASCII text.") from None  # the cause would show what is in it
    keys = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not keys:
        raise ValueError("The file has no key; write one a line.")
    check_keys(keys)
    return keys


class Keys:
    """The keys that are accepted, as digests."""

    def __init__(self, keys: Iterable[str], path: Path | None = None) -> None:
        """Read the file, if there is one.

        Raises:
            ValueError: as `read_keys`.
        """
        self._fixed = _digests(keys)
        self._path = path
        self._seen = _state(path)
        self._complaint: str | None = None  # the last, while it holds
        self._digests = self._fixed if path is None else self._fixed + _digests(read_keys(path))

    def accept(self, key: bytes) -> bool:
        """Whether the key is one of them; takes as long whichever it is, or none."""
        presented = sha256(key).digest()
        accepted = False
        for digest in self._digests:
            accepted |= hmac.compare_digest(digest, presented)
        return accepted

    def refresh(self) -> None:
        """Read the file again if it has changed; where it has no good keys now, those that were read before stay.

        What can't be read, for now, is tried again at every look, and told once.
        """
        state = _state(self._path)
        if self._path is None or state == self._seen:
            return
        self._seen = state
        try:
            self._digests = self._fixed + _digests(read_keys(self._path))
        except ValueError as error:
            before, self._complaint = self._complaint, str(error)
            if isinstance(error.__cause__, OSError):  # a share that is away, too many open files: it may pass
                self._seen = _NEVER
                if self._complaint == before:
                    return
            logger.error("API keys in %s: %s The keys read before stay.", self._path, error)
        else:
            self._complaint = None
            logger.info("API keys read again from %s; %d are accepted now.", self._path, len(self._digests))


def _digests(keys: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(sha256(key.encode()).digest() for key in keys)


def _state(path: Path | None) -> tuple[int, ...] | None:
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size)
