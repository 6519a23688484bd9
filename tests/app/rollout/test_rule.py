"""What the rule does where nobody is asked."""

from typing import cast

import pytest

from app.records.decision import Decision
from app.rollout.comparison import Evidence
from app.rollout.rule import follows_a_promotion, next_step, right_more_often


def evidence(*, enough: bool) -> Evidence:
    known = {"champion": "a" * 12, "challenger": "b" * 12, "labels": 700, "e_value": 31.0, "needed": 20.0}
    counts = {"champion_correct": 500, "challenger_correct": 560}
    return cast("Evidence", {**known, **counts, "enough": enough, "missing": [] if enough else ["The evidence is 3."]})


def decision(action: str, to_sha256: str) -> Decision:
    return Decision(1.0, "letters", "the rule", action, {}, "0" * 64, to_sha256)


def test_without_a_challenger_there_is_nothing_to_do() -> None:
    assert next_step(None, None).action is None


def test_a_proven_challenger_is_promoted_and_the_reason_has_the_figures() -> None:
    step = next_step(evidence(enough=True), None)

    assert step.action == "promotion"
    [reason] = step.reasons
    assert reason.startswith("The challenger, version bbbbbbbbbbbb, is right about 560 of 700")
    assert reason.endswith("about 500: an e-value of 31, and 20 is enough.")


def test_one_that_is_not_proven_waits_and_says_for_what() -> None:
    assert next_step(evidence(enough=False), None) == (None, ["The evidence is 3."])


@pytest.mark.parametrize("proven", [False, True])
def test_the_way_back_goes_first(*, proven: bool) -> None:
    assert next_step(evidence(enough=proven), evidence(enough=True)).action == "rollback"


def test_a_version_before_that_is_not_better_stays_where_it_is() -> None:
    assert next_step(None, evidence(enough=False)).action is None


def test_only_what_was_promoted_and_never_brought_back_is_taken_back() -> None:
    promoted, brought_back = decision("promotion", "a" * 64), decision("rollback", "a" * 64)

    assert follows_a_promotion([promoted], "a" * 12)
    assert not follows_a_promotion([brought_back, promoted], "a" * 12)
    assert not follows_a_promotion([promoted], "c" * 12)  # a file that came another way
    assert not follows_a_promotion([], "a" * 12)


def test_the_way_back_needs_the_evidence_alone() -> None:
    rule = right_more_often(200)

    assert (rule.e_value, rule.labels) == (20, 200)
    assert (rule.recall_loss, rule.calibration_loss, rule.unusual_share) == (1, 1, 1)
