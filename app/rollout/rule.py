"""What the evidence says is to be done, where nobody is asked: promote, take back, or wait."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from app.records.decision import Decision
from app.rollout.comparison import Evidence
from app.rollout.evidence import Rule

__all__ = ["WHO", "Step", "follows_a_promotion", "next_step", "right_more_often"]

WHO = "the rule"  # in the history


class Step(NamedTuple):
    """What is to be done, and why; or why nothing is."""

    action: Literal["promotion", "rollback"] | None
    reasons: Sequence[str]  # sentences


def right_more_often(labels: int) -> Rule:
    """The evidence alone, by so many labels at least, without the guards: for what is guarded otherwise."""
    return Rule(labels=labels, recall_loss=1, calibration_loss=1, unusual_share=1)


def next_step(challenger: Evidence | None, previous: Evidence | None) -> Step:
    """Decide by the evidence; the way back goes first.

    Args:
        challenger: for the challenger, against the champion; None: there is none.
        previous: for the version before, against the champion, on images since its promotion; None: there is none, or
            it is not to come back. That the champion falls below its test accuracy is no reason to take it back: after
            a shift the best model does.
    """
    if previous is not None and previous["enough"]:
        return Step("rollback", [_told("The version before", previous)])
    if challenger is None:
        return Step(None, [])
    if challenger["enough"]:
        return Step("promotion", [_told("The challenger", challenger)])
    return Step(None, challenger["missing"])


def follows_a_promotion(history: Sequence[Decision], version: str) -> bool:
    """Whether the newest decision put this version into service for the first time.

    Only then it is taken back: what was brought back stays, however the evidence turns, until a person decides or a
    challenger proves itself.
    """
    return bool(history) and history[0].action == "promotion" and (history[0].to_sha256 or "").startswith(version)


def _told(who: str, evidence: Evidence) -> str:
    return (
        f"{who}, version {evidence['challenger']}, is right about {evidence['challenger_correct']:,} of "
        f"{evidence['labels']:,} labeled images, version {evidence['champion']} about "
        f"{evidence['champion_correct']:,}: "
        f"an e-value of {evidence['e_value']:.2g}, and {evidence['needed']:g} is enough."
    )
