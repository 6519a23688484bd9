"""Counters that several workers share: each counts in memory, a thread copies that to files, and who is asked adds up.

prometheus_client maps its files into memory: where the disk is full, or somebody empties a file, the next count ends
the process that counts (SIGBUS). So a file here is only a copy. One that fails is told, and tried again; a file or
folder that is gone is made again; what others left unreadable is skipped.
"""

import logging
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread
from time import sleep

import prometheus_client.values
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

__all__ = ["all_workers", "are_shared", "sharing"]

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_COPIES = 0.05  # by which the counts of other workers are late at most
_SECONDS_TO_FINISH = 2.0  # that the end of a process may wait for a disk
_FIRST_BYTES = 2**16  # of memory; as many more whenever they are used up
_HEADER_BYTES = 8  # of a file: how many of its bytes are used
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
_OPEN_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_UNREADABLE = (OSError, ValueError, RuntimeError, struct.error)  # what reading a damaged file raises

_copying = Lock()
_all_counts: list["_Counts"] = []  # of this process


class _Counts(MmapedDict):
    """The counts of one kind of metric: in memory, with a copy in a file that has the format of `MmapedDict`."""

    def __init__(self, filename: str) -> None:
        self._path = Path(filename)
        self._memory = bytearray(_FIRST_BYTES)
        self._m = self._memory  # type: ignore[assignment]  # a mapped file, in `MmapedDict`
        self._capacity = _FIRST_BYTES
        self._used = _HEADER_BYTES
        self._positions: dict[str, int] = {}
        self._changes = 1
        self._copied = 0  # of the changes
        self._descriptor: int | None = None
        self._problem: str | None = None
        self._go_on_from_file()
        _all_counts.append(self)

    def write_value(self, key: str, value: float, timestamp: float) -> None:
        super().write_value(key, value, timestamp)  # type: ignore[no-untyped-call]
        self._changes += 1

    def close(self) -> None:
        with _copying:
            _all_counts.remove(self)
            self._let_go()

    def copy(self) -> None:
        """Make the file what the memory is, where it is not, or say once why that can't be done."""
        try:
            if self._has_file() and self._copied == self._changes:
                return
            self._copy()
        except OSError as error:
            self._tell(f"What this worker counts can't be shared, and /metrics may lack it ({self._path}: {error}).")
        else:
            self._tell(None)

    def _init_value(self, key: str) -> None:
        needed = self._used + 4 * len(key) + 64  # of UTF-8, and what stands around it
        if needed > self._capacity:
            self._memory.extend(bytes(needed - self._capacity + _FIRST_BYTES))
            self._capacity = len(self._memory)
        super()._init_value(key)  # type: ignore[no-untyped-call]
        self._changes += 1

    def _go_on_from_file(self) -> None:
        """Keep what a process of the same number counted before."""
        with suppress(*_UNREADABLE):
            for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(self._path):  # type: ignore[no-untyped-call]
                self.write_value(key, value, timestamp)

    def _has_file(self) -> bool:
        """Whether the file is still the one that was written, and nobody has cut it."""
        if self._descriptor is None:
            return False
        opened = os.fstat(self._descriptor)
        with suppress(OSError):
            return os.path.samestat(opened, self._path.stat()) and opened.st_size >= self._used
        return False

    def _copy(self) -> None:
        descriptor = self._descriptor
        if descriptor is None or not self._has_file():
            descriptor = self._make_file()
        changes, content = self._changes, bytes(self._memory[: self._used])
        _write(descriptor, content[_HEADER_BYTES:], _HEADER_BYTES)
        _write(descriptor, content[:_HEADER_BYTES], 0)  # last: until then the file is what it was, and whole
        self._copied = changes

    def _make_file(self) -> int:
        self._let_go()
        self._path.parent.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
        self._descriptor = os.open(self._path, _OPEN_FLAGS, _FILE_MODE)
        return self._descriptor

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _tell(self, problem: str | None) -> None:
        if problem != self._problem:
            logger.error("%s", problem or f"What this worker counts is shared again, in {self._path}.")
        self._problem = problem


prometheus_client.values.MmapedDict = _Counts  # type: ignore[attr-defined, assignment]  # no setting


def are_shared() -> bool:
    """Whether several workers count together; what they share can't be erased."""
    return _folder() is not None


@contextmanager
def sharing() -> Iterator[None]:
    """Copy what this process counts to where the others find it, for as long as the context lasts."""
    if not are_shared():
        yield
        return
    is_over = Event()
    thread = Thread(target=_keep_copying, args=(is_over,), name="counters", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(_SECONDS_TO_FINISH)


def all_workers(own: CollectorRegistry) -> list[Metric]:
    """The metrics of this process, or added up over all workers where there are several.

    Reads files then, and waits until the other workers have written theirs: not to be called in an event loop.
    """
    folder = _folder()
    if folder is None:
        return list(own.collect())
    _copy_all()
    sleep(_SECONDS_BETWEEN_COPIES)
    try:
        _forget_dead_workers(folder)
        return list(MultiProcessCollector.merge(_whole(folder.glob("*.db"))))  # type: ignore[no-untyped-call]
    except _UNREADABLE as error:
        logger.warning("What the workers counted can't be added up (%s): these figures are of one of them.", error)
        return list(own.collect())


def _folder() -> Path | None:
    """Where several workers share what they count; None: there is one."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return None if folder is None else Path(folder)


def _keep_copying(is_over: Event) -> None:
    while not is_over.wait(_SECONDS_BETWEEN_COPIES):
        _copy_all()
    _copy_all()


def _copy_all() -> None:
    with _copying:
        for counts in (*_all_counts,):
            counts.copy()


def _whole(paths: Iterable[Path]) -> list[str]:
    """Those that can be read to their end."""
    whole = []
    for path in paths:
        try:
            list(MmapedDict.read_all_values_from_file(path))  # type: ignore[no-untyped-call]
        except _UNREADABLE as error:
            logger.warning("Counts in %s can't be read (%s), and are left out.", path, error or "it is damaged")
        else:
            whole.append(str(path))
    return whole


def _forget_dead_workers(folder: Path) -> None:
    """Take processes that are gone out of the gauges; what they counted stays counted."""
    for path in folder.glob("gauge_live*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)  # which only asks
        except OSError:  # it is gone, or another user's process has its number
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def _write(descriptor: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written
