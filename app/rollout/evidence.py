"""Whether a challenger is better than the champion, by the labels so far; it may be asked after every label.

Of two models that answer the same images, those images tell them apart on which exactly one is right. If the challenger
is no better, it is the one that is right at most half of the time; `log_e_value` measures the evidence against that.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch

__all__ = ["Comparison", "Outcomes", "Rule", "Verdict", "fall", "judge", "log_e_value"]

_PRIOR_STRENGTH = 40  # observations that the mixture is worth; docs/decisions/evidence.md compares others
_REACH = 12  # standard deviations of a binomial beyond which it has less than 1e-30
_MAX_LOG = 690.0  # natural logarithm of the largest e-value that is shown, so that it is a number in JSON
_FURTHEST = 1000  # times as many labels as there are: beyond that no number of labels to go is told


class Outcomes(NamedTuple):
    """Labelled images, by which of the two models is right about them."""

    both: int = 0
    champion: int = 0
    challenger: int = 0
    neither: int = 0

    @property
    def champion_recall(self) -> float:
        """Share of the images about which the champion is right; there must be some."""
        return (self.both + self.champion) / sum(self)

    @property
    def challenger_recall(self) -> float:
        """Share of the images about which the challenger is right; there must be some."""
        return (self.both + self.challenger) / sum(self)


@dataclass(frozen=True)
class Comparison:
    """How two models did on the same labelled images."""

    classes: Mapping[str, Outcomes]  # by true label; classes without labels may be left out
    champion_calibration_error: float = 0.0  # expected calibration error on these images
    challenger_calibration_error: float = 0.0
    unusual_share: float = 0.0  # of these images, those that look unlike the challenger's training images
    # The champion's recall by label on its test set. It has no claim to more: after a shift it may take every image for
    # one class, whose recall is then 1.
    usual_recalls: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> Outcomes:
        """The outcomes over all classes."""
        return Outcomes(*map(sum, zip(*self.classes.values(), strict=True))) if self.classes else Outcomes()


@dataclass(frozen=True)
class Rule:
    """What it takes to be promoted."""

    e_value: float = 20.0  # a first challenger that is no better reaches it with a probability of at most 1/20
    labels: int = 500  # least number
    recall_loss: float = 0.05  # most that the recall of a class may fall, below its usual one at most, in shares
    class_labels: int = 30  # of a class, from which on its recall counts
    calibration_loss: float = 0.05  # most by which the calibration error may exceed the champion's
    unusual_share: float = 0.1  # most images that may look unlike the challenger's training images

    def for_challenger(self, number: int) -> "Rule":
        """The same for the challenger of this number of one champion, from 1: its e-value is `number`² times as large.

        Of however many that are no better, one is promoted with a probability of at most (1 + 1/4 + 1/9 + …) / 20, a
        twelfth: it is shared out among them beforehand, in parts that get smaller ("alpha spending").
        """
        return replace(self, e_value=number**2 * self.e_value)


@dataclass(frozen=True)
class Verdict:
    """What the labels say of a challenger so far."""

    labels: int
    e_value: float
    missing: tuple[str, ...]  # sentences: why it is not promoted; none: it may be
    labels_to_go: int | None  # till the e-value is reached if it goes on like this; None: it does not look like it

    @property
    def is_enough(self) -> bool:
        """Whether the rule allows to promote."""
        return not self.missing


def judge(comparison: Comparison, rule: Rule | None = None) -> Verdict:
    """Weigh the outcomes by the rule; the default one where none is given."""
    rule = rule or Rule()
    total = comparison.total
    e_value = math.exp(min(_MAX_LOG, log_e_value(total.challenger, total.champion)))
    missing = [*_missing_evidence(total, e_value, rule), *_breached_guards(comparison, rule)]
    return Verdict(sum(total), e_value, tuple(missing), _labels_to_go(total, rule))


def fall(correct: int, count: int, least_accuracy: float) -> float:
    """The e-value against the claim that a model in use is right with a probability of at least `least_accuracy`.

    The claim to hold it against is the low end of the interval of its test accuracy, as the accuracy itself is known
    from a sample only.
    """
    if least_accuracy <= 0:
        return 0.0
    return math.exp(min(_MAX_LOG, log_e_value(count - correct, correct, 1 - least_accuracy)))


def log_e_value(hits: int, misses: int, null: float = 0.5) -> float:
    """The natural logarithm of the evidence that hits come with a probability of more than `null`, in (0, 1).

    It is a beta-binomial mixture: with the density w of Beta(a, b), cut off below the null p0 and scaled to 1,

        e = integral from p0 to 1 of (p / p0)^hits ((1 - p) / (1 - p0))^misses w(p) dp
          = B(a + hits, b + misses) P(a + hits, b + misses) / (B(a, b) P(a, b)) / (p0^hits (1 - p0)^misses),

    where P is the probability of more than p0 under such a beta distribution. Under any true probability of at most
    p0, e is a supermartingale that starts at 1, so that it ever reaches 1/alpha with a probability of at most alpha
    (Ville 1939), however often it is looked at. Mixtures: Robbins 1970, "Statistical methods related to the law of the
    iterated logarithm"; e-values: Ramdas and others 2023, "Game-theoretic statistics and safe anytime-valid inference".
    a and b are whole numbers, with a mean near p0, which makes P a finite sum.
    """
    a = max(1, round(_PRIOR_STRENGTH * null))
    b = max(1, round(_PRIOR_STRENGTH * (1 - null)))
    mixture = _log_mass_above(null, a + hits, b + misses) - _log_mass_above(null, a, b)
    return mixture - hits * math.log(null) - misses * math.log1p(-null)


def _log_mass_above(point: float, a: int, b: int) -> float:
    """The logarithm of B(a, b) P(a, b), where P is the probability that Bin(a + b - 1, point) is below a."""
    trials = a + b - 1
    mode, reach = trials * point, _REACH * math.sqrt(trials * point * (1 - point)) + _REACH
    first, last = max(0, min(a, mode) - reach), min(a, mode + reach)  # the other terms are too small to count
    successes = torch.arange(math.floor(first), math.ceil(last), dtype=torch.float64)
    failures = trials - successes
    ways = math.lgamma(trials + 1) - torch.lgamma(successes + 1) - torch.lgamma(failures + 1)
    tail = torch.logsumexp(ways + successes * math.log(point) + failures * math.log1p(-point), dim=0).item()
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b) + tail


def _missing_evidence(total: Outcomes, e_value: float, rule: Rule) -> list[str]:
    missing = []
    if sum(total) < rule.labels:
        images = "image is" if sum(total) == 1 else "images are"
        missing.append(f"{sum(total):,} {images} labeled, {rule.labels:,} are needed.")
    if e_value < rule.e_value:
        missing.append(
            f"The evidence is {e_value:.2g}, {rule.e_value:g} is needed: the challenger alone is right about "
            f"{total.challenger:,} images, the champion alone about {total.champion:,}."
        )
    return missing


def _breached_guards(comparison: Comparison, rule: Rule) -> list[str]:
    due = {
        label: min(outcomes.champion_recall, comparison.usual_recalls.get(label, 1.0))
        for label, outcomes in comparison.classes.items()
        if sum(outcomes) >= max(1, rule.class_labels)
    }
    breached = [
        f"Of {label!r} the challenger recognizes {comparison.classes[label].challenger_recall:.1%}, the champion "
        f"{recall:.1%}; {rule.recall_loss:.1%} less is allowed."
        for label, recall in due.items()
        if recall - comparison.classes[label].challenger_recall > rule.recall_loss
    ]
    surplus = comparison.challenger_calibration_error - comparison.champion_calibration_error
    if surplus > rule.calibration_loss:
        breached.append(
            f"The challenger's calibration error is {comparison.challenger_calibration_error:.3f}, the champion's "
            f"{comparison.champion_calibration_error:.3f}; {rule.calibration_loss:g} more is allowed."
        )
    if comparison.unusual_share > rule.unusual_share:
        breached.append(
            f"{comparison.unusual_share:.1%} of the images look unlike the challenger's training images; "
            f"{rule.unusual_share:.1%} is allowed."
        )
    return breached


def _labels_to_go(total: Outcomes, rule: Rule) -> int | None:
    """Labels till the e-value is reached, if outcomes go on in the shares seen so far."""

    def is_enough(times: float) -> bool:
        return log_e_value(round(times * total.challenger), round(times * total.champion)) >= math.log(rule.e_value)

    if is_enough(1):
        return max(0, rule.labels - sum(total))
    if total.challenger <= total.champion:
        return None
    low, high = 1.0, 2.0
    while not is_enough(high):
        if high > _FURTHEST:
            return None
        low, high = high, 2 * high
    while high - low > 0.01 * low:
        middle = (low + high) / 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return max(rule.labels, math.ceil(high * sum(total))) - sum(total)
