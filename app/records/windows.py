"""The sums of an hour, a day, a week and all time."""

from collections.abc import Iterable
from typing import Literal, get_args

from sqlalchemy import Connection, func, select

from app.records.schema import sums
from app.records.sums import ALL_HOURS, NOTHING, Amount, Figure, hour_of

__all__ = ["WINDOWS", "Counts", "Window", "read_counts"]

Window = Literal["hour", "day", "week", "all"]

WINDOWS: tuple[Window, ...] = get_args(Window)

# Whole hours that each window reaches back from the hour that runs, which it has besides.
_HOURS: dict[Window, int] = {"hour": 1, "day": 24, "week": 168}


class Counts:
    """The sums of one version in one window."""

    def __init__(self, amounts: Iterable[tuple[Figure, int, int, Amount]]) -> None:
        self._amounts: dict[Figure, dict[tuple[int, int], Amount]] = {}
        for figure, row, col, amount in amounts:
            self._amounts.setdefault(figure, {})[row, col] = amount

    def of(self, figure: Figure, row: int = 0, col: int = 0) -> Amount:
        """One sum."""
        return self._amounts.get(figure, {}).get((row, col), NOTHING)

    def total(self, figure: Figure) -> Amount:
        """The sum over all rows and columns."""
        total = NOTHING
        for amount in self._amounts.get(figure, {}).values():
            total = total.plus(amount)
        return total


def read_counts(connection: Connection, model: str, version: str, now: float) -> dict[Window, Counts]:
    """The sums of one version.

    Args:
        connection: in a transaction.
        model: its name.
        version: of the model.
        now: where the windows end, seconds since 1970; each has at least its length, and at most an hour more.
    """
    cells = (sums.c.figure, sums.c.row, sums.c.col)
    amounts = (sums.c.number, sums.c.weight, sums.c.squares, sums.c.confidence)
    of_version = select(*cells, *map(func.sum, amounts)).where(sums.c.model == model, sums.c.version == version)
    found = {}
    for window in WINDOWS:
        hours = sums.c.hour == ALL_HOURS
        if window in _HOURS:
            hours = sums.c.hour.between(hour_of(now) - _HOURS[window], hour_of(now))
        rows = connection.execute(of_version.where(hours).group_by(*cells))
        found[window] = Counts(
            (figure, row, col, Amount(int(number), *rest)) for figure, row, col, number, *rest in rows
        )
    return found
