"""What the terminal gets: lines for people, tables, and JSON for programs."""

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.names import visible

__all__ = ["note", "print_json", "show_rows", "stdout"]

_ENDLESS = 100_000  # columns of a line that goes to a file or a pipe


def note(text: str) -> None:
    """One plain line for a person, on stderr so that stdout stays for results; a full disk there stops nobody."""
    with suppress(OSError):
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False).print(visible(text))


def show_rows(header: Sequence[str], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """A table on stdout, whole: as wide as it is where no terminal limits it."""
    table = Table(title=title and Text(title), title_justify="left")
    for name in header:
        table.add_column(Text(name))
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    stdout().print(table)


def stdout() -> Console:
    """For results; as wide as they are where no terminal limits them."""
    console = Console(markup=False, emoji=False, highlight=False)
    return console if console.is_terminal else Console(markup=False, emoji=False, highlight=False, width=_ENDLESS)


def print_json(event: str, fields: Mapping[str, object]) -> None:
    sys.stdout.write(json.dumps(_finite({"event": event, **fields}), allow_nan=False) + "\n")
    sys.stdout.flush()


def _finite(value: object) -> object:
    """JSON knows neither NaN nor infinity: they become null."""
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
