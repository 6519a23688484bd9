"""Names that a client misspelt are refused, and the nearest known one is named: what is ignored answers wrongly."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from app.engine.problems import BadRequestError

__all__ = ["check_names", "did_you_mean"]

_MAX_SHOWN = 40  # characters of a name; comparing takes the square of their number


def check_names(kind: str, given: Iterable[str], known: Collection[str]) -> None:
    """Do nothing where all names that are given are known.

    Raises:
        BadRequestError: one is not, by its `kind`, such as "query parameter".
    """
    for name in given:
        if name not in known:
            raise BadRequestError(f"There is no {kind} {name[:_MAX_SHOWN]!r}.{did_you_mean(name, known)}")


def did_you_mean(name: str, known: Collection[str]) -> str:
    """A question to put behind a refusal, or all that there is where nothing is near."""
    near = get_close_matches(name[:_MAX_SHOWN], known, n=1)
    if near:
        return f" Did you mean {near[0]!r}?"
    return f" Known: {', '.join(sorted(known))}." if known else ""
