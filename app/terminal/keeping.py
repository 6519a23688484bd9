"""The records, as the terminal's commands open them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from app.records.database import Database
from app.records.decision import Decision
from app.records.decisions import write_decision
from app.records.errors import RecordsError
from app.settings import Settings

__all__ = ["keep", "opened"]


def keep(settings: Settings, decision: Decision) -> None:
    """Write a decision into the records; raises RecordsError where that can't be done."""
    with opened(settings) as database:
        write_decision(database, decision)


@contextmanager
def opened(settings: Settings) -> Iterator[Database]:
    """The records that the settings name.

    Raises:
        RecordsError: they name none.
    """
    try:
        database = Database(settings.records.get_secret_value())
    except RecordsError as error:
        raise RecordsError(f"SOFTMAX_RECORDS: {error}") from error
    with closing(database):
        yield database
