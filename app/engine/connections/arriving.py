"""A plain request whose body comes piece by piece."""

from app.engine.calls import Call
from app.engine.connections.plain_requests import PlainHead
from app.engine.connections.reading import Reading
from app.engine.routes import Match

__all__ = ["Arriving"]


class Arriving:
    """A plain request whose body is not whole yet."""

    def __init__(self, head: PlainHead, match: Match | None, call: Call | None) -> None:
        self.head = head
        self.match = match
        self.call = call  # None: it is refused once its body has arrived
        self.missing = head.body_bytes
        self.body = bytearray()  # grows as it arrives: what is only announced takes no memory

    @property
    def held_bytes(self) -> int:
        """How much of it has come."""
        return self.head.size + len(self.body)

    def take(self, reading: Reading) -> None:
        """Take what has come of it."""
        data = memoryview(reading.data)[reading.start : reading.start + self.missing]
        if self.call is not None:
            self.body += data
        self.missing -= len(data)
        reading.take(reading.start + len(data))
