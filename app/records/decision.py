"""A decision about a model: who put which version into service, when, and on what evidence."""

from typing import Any, NamedTuple

__all__ = ["Decision"]


class Decision(NamedTuple):
    """One decision.

    Attributes:
        time: seconds since 1970.
        model: its name.
        who: a key's name, the command line or the rule.
        action: such as `promote`.
        evidence: of JSON's types.
        from_sha256: of the model file that answered before; None: there was none.
        to_sha256: of the one that answers since.
    """

    time: float
    model: str
    who: str
    action: str
    evidence: Any
    from_sha256: str | None
    to_sha256: str | None
