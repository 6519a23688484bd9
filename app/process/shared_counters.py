"""Counters that several workers share: each keeps its own in files, and whoever is asked adds them up."""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

__all__ = ["all_workers", "are_shared"]


def are_shared() -> bool:
    """Whether several workers count together; what they share can't be erased."""
    return _folder() is not None


def all_workers(own: CollectorRegistry) -> CollectorRegistry:
    """The metrics of this process, or added up over all workers where there are several."""
    folder = _folder()
    if folder is None:
        return own
    _forget_dead_workers(folder)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    return registry


def _folder() -> Path | None:
    """Where several workers share what they count; None: there is one."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return None if folder is None else Path(folder)


def _forget_dead_workers(folder: Path) -> None:
    """Take processes that are gone out of the gauges; what they counted stays counted."""
    for path in folder.glob("gauge_live*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)  # which only asks
        except OSError:  # it is gone, or another user's process has its number
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
