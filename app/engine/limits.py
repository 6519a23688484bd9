"""What one request, and what waits of all of them, may be and take."""

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds; the defaults are those of an example, not of any service."""

    max_file_bytes: int = 2**20  # of one uploaded file
    max_body_bytes: int = 2**24  # of one body, however many files it holds
    max_head_bytes: int = 2**16  # of a request line and its header fields
    max_pending_bytes: int = 2**27  # of all heads, bodies and answers that wait
    turn_seconds: float = 0.02  # that what is answered together may take
    head_seconds: float = 10  # for a request's line and header fields to arrive
    body_seconds: float = 30  # for its body
    idle_seconds: float = 75  # until a connection without a request is closed
