"""Hourly sums, to which every worker adds: what windows are made of, at any size, whatever becomes of the rows.

Each sum is kept for its hour, and once for all hours.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from app.records.database import Database

__all__ = ["ALL_HOURS", "BINS", "NOTHING", "Amount", "Figure", "Key", "Sums", "add_to_database", "bin_of", "hour_of"]

BINS = 15  # of confidence, each as wide: as in the evaluation on the test set
ALL_HOURS = 0

Figure = Literal[
    "answers",  # by predicted class
    "confidences",  # of the answers, by bin
    "checked",  # images that were held against the training images; one row
    "unusual",  # of them, by what is unusual: `app.records.tally.WARNINGS`
    "labels",  # answers of which the truth is known, by true and predicted class
    "calibration",  # the same answers, by bin and whether they were right
    "reviewed",  # answers of which it is known only since review chose them, so that they speak for no others
    "disputed",  # answers of which sources disagree; one row
]


class Key(NamedTuple):
    """Which sum."""

    model: str
    version: str
    hour: int
    figure: Figure
    row: int = 0
    col: int = 0


class Amount(NamedTuple):
    """What is summed: answers, each of which stands for 1 / share of its kind."""

    number: int
    weight: float  # the sum of what each stands for
    squares: float  # the sum of its squares
    confidence: float  # the sum of confidence times weight

    def plus(self, other: "Amount") -> "Amount":
        """The sum of both."""
        return Amount(
            self.number + other.number,
            self.weight + other.weight,
            self.squares + other.squares,
            self.confidence + other.confidence,
        )

    def negative(self) -> "Amount":
        """What takes this away again."""
        return Amount(-self.number, -self.weight, -self.squares, -self.confidence)


NOTHING = Amount(0, 0.0, 0.0, 0.0)


class Sums(defaultdict[Key, Amount]):
    """Amounts by key."""

    def __init__(self) -> None:
        super().__init__(lambda: NOTHING)

    def add(self, key: Key, amount: Amount) -> None:
        """Add to one sum."""
        self[key] = self[key].plus(amount)

    def add_all(self, others: Mapping[Key, Amount]) -> None:
        """Add each of the others."""
        for key, amount in others.items():
            self.add(key, amount)


def hour_of(time: float) -> int:
    """Seconds since 1970 -> whole hours since 1970."""
    return int(time // 3600)


def bin_of(confidence: float) -> int:
    """The bin of a confidence in 0-1."""
    return min(int(confidence * BINS), BINS - 1)


def add_to_database(database: Database, connection: Connection, sums: Mapping[Key, Amount]) -> None:
    """Add to the sums that are kept, of each hour and of all hours."""
    both = Sums()
    for key, amount in sums.items():
        both.add(key, amount)
        both.add(key._replace(hour=ALL_HOURS), amount)
    values = [value for key in sorted(both) for value in (*key, *both[key])]  # sorted: so two can't wait for each other
    database.write_rows(connection, _START, len(Key._fields) + len(Amount._fields), values, _END)


_KEYS = ", ".join(f'"{name}"' for name in Key._fields)
_AMOUNTS = ", ".join(f'"{name}"' for name in Amount._fields)
_ADDED = ", ".join(f'"{name}" = sums."{name}" + excluded."{name}"' for name in Amount._fields)
_START = f"INSERT INTO sums ({_KEYS}, {_AMOUNTS})"
_END = f"ON CONFLICT ({_KEYS}) DO UPDATE SET {_ADDED}"
