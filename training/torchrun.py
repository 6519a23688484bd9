"""What torchrun tells each process that it starts, by its environment."""

import os

__all__ = ["leads", "local_rank", "started_this"]

_RUN_ID = "TORCHELASTIC_RUN_ID"  # torchrun sets it for each process that it starts


def started_this() -> bool:
    """Whether torchrun started this process."""
    return _RUN_ID in os.environ


def local_rank() -> int | None:
    """The number of this process among those that torchrun started on this machine; None: it did not start it."""
    return int(os.environ["LOCAL_RANK"]) if started_this() else None


def leads() -> bool:
    """Whether this process speaks for all, also where they don't meet."""
    return not started_this() or os.environ["RANK"] == "0"
