"""What the records say of a champion and its challenger on the same labeled images."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import compress
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from typing_extensions import TypedDict

from app.records.pairs import Pairs
from app.rollout.evidence import Comparison, Outcomes, Rule, judge

__all__ = ["Evidence", "Fall", "compare", "weigh", "without"]

_BINS = 15  # of confidence, as in the evaluation on the test set


class Evidence(TypedDict):
    """What speaks for a challenger so far, and what is missing."""

    champion: Annotated[str, Field(description="version that answers")]
    challenger: Annotated[str, Field(description="version that may answer next")]
    labels: Annotated[int, Field(description="images of known truth that both have classified")]
    champion_correct: Annotated[int, Field(description="of these images")]
    challenger_correct: Annotated[int, Field(description="of these images")]
    only_champion_correct: Annotated[int, Field(description="of these images, those that the challenger gets wrong")]
    only_challenger_correct: Annotated[int, Field(description="of these images, those that the champion gets wrong")]
    champion_calibration_error: Annotated[float, Field(description="on these images")]
    challenger_calibration_error: Annotated[float, Field(description="on these images")]
    unusual_share: Annotated[float, Field(description="of these images, those unlike the challenger's training images")]
    e_value: Annotated[float, Field(description="evidence that the challenger is better")]
    needed: Annotated[
        float, Field(description="e-value that it takes: 20 of a champion's first challenger, 80 of the second, 20 k²")
    ]
    enough: Annotated[bool, Field(description="whether it may be promoted")]
    missing: Annotated[Sequence[str], Field(description="sentences: why the challenger is not promoted")]
    labels_to_go: Annotated[
        int | None,
        Field(description="till the e-value is reached, if it goes on like this; null: it does not look like it"),
    ]


class Fall(TypedDict):
    """What the labels say of the claim that a version is as good in use as on its test set."""

    labels: Annotated[int, Field(description="images that it answered and of which the truth is known")]
    correct: Annotated[int, Field(description="of these, those that it answered right")]
    least_accuracy: Annotated[float, Field(description="low end of the interval of its test accuracy")]
    e_value: Annotated[float, Field(description="evidence that it is right less often")]
    needed: Annotated[float, Field(description="e-value that it takes")]
    fallen: Annotated[bool, Field(description="whether the evidence is enough")]


def without(pairs: Pairs, known: Tensor) -> Pairs:
    """Leave out images of which a model knows the answer, as it was trained on them.

    Args:
        pairs: with the SHA-256 of each image.
        known: int64 [n], the first 8 bytes of such digests, as model files have them.
    """
    if not pairs.truths:
        return pairs
    digests = torch.frombuffer(bytearray(b"".join(digest[:8] for digest in pairs.digests)), dtype=torch.int64)
    kept = (~torch.isin(digests, known)).tolist()
    size = len(pairs.champion) // len(kept)  # bytes of one answer
    return Pairs(
        list(compress(pairs.truths, kept)),
        b"".join(compress(_cut(pairs.champion, size), kept)),
        b"".join(compress(_cut(pairs.challenger, size), kept)),
        list(compress(pairs.unusual, kept)),
        list(compress(pairs.digests, kept)),
    )


def _cut(rows: bytes, size: int) -> Iterator[bytes]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def compare(pairs: Pairs, labels: Sequence[str]) -> Comparison:
    """The outcomes of each class, and the calibration errors, on the images of `pairs`."""
    if not pairs.truths:
        return Comparison({})
    truths = torch.tensor(pairs.truths)  # (N,)
    champion, challenger = (_probabilities(content, len(labels)) for content in (pairs.champion, pairs.challenger))
    rights = [rows.argmax(dim=1) == truths for rows in (champion, challenger)]  # (N,) each
    # 0: both are right, 1: the champion alone, 2: the challenger alone, 3: neither
    outcome = 2 * (~rights[0]).long() + (~rights[1]).long()
    counts = torch.bincount(truths * 4 + outcome, minlength=4 * len(labels)).view(-1, 4).tolist()
    return Comparison(
        {label: Outcomes(*row) for label, row in zip(labels, counts, strict=True) if any(row)},
        _calibration_error(champion, rights[0]),
        _calibration_error(challenger, rights[1]),
        sum(pairs.unusual) / len(pairs.unusual),
    )


def weigh(
    pairs: Pairs,
    labels: Sequence[str],
    champion: str,
    challenger: str,
    *,
    rule: Rule | None = None,
    usual_recalls: Mapping[str, float] | None = None,
) -> Evidence:
    """The whole evidence on two versions, as it is shown and kept with a decision.

    Args:
        pairs: their answers.
        labels: their classes.
        champion: its version.
        challenger: its version.
        rule: what it takes; the default one where none is given.
        usual_recalls: the champion's on its test set, by label.
    """
    rule = rule or Rule()
    comparison = replace(compare(pairs, labels), usual_recalls=usual_recalls or {})
    total, verdict = comparison.total, judge(comparison, rule)
    return {
        "champion": champion,
        "challenger": challenger,
        "labels": verdict.labels,
        "champion_correct": total.both + total.champion,
        "challenger_correct": total.both + total.challenger,
        "only_champion_correct": total.champion,
        "only_challenger_correct": total.challenger,
        "champion_calibration_error": comparison.champion_calibration_error,
        "challenger_calibration_error": comparison.challenger_calibration_error,
        "unusual_share": comparison.unusual_share,
        "e_value": verdict.e_value,
        "needed": rule.e_value,
        "enough": verdict.is_enough,
        "missing": list(verdict.missing),
        "labels_to_go": verdict.labels_to_go,
    }


def _probabilities(content: bytes, classes: int) -> Tensor:
    """Float32 [N, C] of its bytes."""
    return torch.frombuffer(bytearray(content), dtype=torch.float32).view(-1, classes)


def _calibration_error(probabilities: Tensor, right: Tensor) -> float:
    """Expected calibration error over equal bins of confidence, as on the test set."""
    confidence = probabilities.max(dim=1).values.double()
    bins = (confidence * _BINS).long().clamp(max=_BINS - 1)
    surplus = torch.bincount(bins, right.double() - confidence, minlength=_BINS)
    return surplus.abs().sum().item() / len(confidence)
