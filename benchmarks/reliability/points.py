"""The measurements of `overload`, which `chart` draws."""

from dataclasses import dataclass

__all__ = ["Point"]


@dataclass(frozen=True, slots=True)
class Point:
    """One load on one server; rates are requests a second, times milliseconds, probes those of /readyz."""

    protected: bool
    share: float
    capacity: float
    offered: float
    accepted: float
    refused: float
    failed: float
    p50: float
    p99: float
    probe_p50: float
    probe_worst: float
    probes_failed: int
