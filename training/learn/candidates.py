"""A model that learned from use, and whether it may become the challenger."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

import torch

from app.classifier.artifact import Artifact
from app.classifier.metadata import Learned
from app.classifier.pixel_statistics import PixelStatistics
from app.records.labeled_images import LabeledImage
from app.rollout.comparison import Evidence
from app.rollout.rule import right_more_often
from training.data.datasets import Dataset, digests
from training.data.splits import Split, split_off
from training.fitting.fit import Fit
from training.fitting.recipes import Recipe, Schedule
from training.learn.comparisons import Contender, compare
from training.learn.lessons import Lesson, Lessons, as_split, lessons
from training.learn.sources import most_contradicted
from training.results.evaluation import logits_of, pixel_statistics
from training.results.measured import Measured

__all__ = ["Candidate", "Study", "learned_from"]

_TEST_LOSS = 0.005  # most of the test set's images of which the first model was right that learning may unlearn
_USUAL = 0.99  # share of the learned images, at least, that are not to be warned of
_SOURCES = 20  # that a model file names; the others are counted together
_OTHERS = "others"


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What is learned from, and how.

    Attributes:
        champion: the model that answers.
        data: the data set that it was fitted to.
        images: from the records, each once, by the time of their answers.
        replay: share of the data set's own images among those of an epoch, at least.
        window: images that measure.
        seed: of the initial weights and the shuffles.
        device: where it is trained.
    """

    champion: Artifact
    data: Dataset
    images: Sequence[LabeledImage]
    replay: float
    window: int
    seed: int
    device: torch.device

    @property
    def labels(self) -> tuple[str, ...]:
        return self.champion.metadata.labels

    @property
    def recipe(self) -> Recipe:
        """The champion's own, with this seed."""
        names = {field.name for field in fields(Recipe)} - {"seed"}
        kept = {name: value for name, value in self.champion.metadata.hyperparameters.items() if name in names}
        schedule = Schedule(kept.pop("schedule", Schedule.LINEAR))
        return Recipe(**kept, schedule=schedule, seed=self.seed)

    @property
    def validation(self) -> float:
        """Share of the data set's training images that the champion was not trained on either."""
        return float(self.champion.metadata.hyperparameters.get("validation", 0))

    @property
    def original_accuracy(self) -> float:
        """On the test set, of the model from which all learning started: what learning costs adds up over champions."""
        learned = self.champion.metadata.learned
        return learned.original_accuracy if learned else self.champion.metadata.evaluation.accuracy


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A model that learned from use, without the sources that were left out.

    Attributes:
        measured: the model and its evaluation on the data set's test images.
        data: the data set with the images that it learned from.
        taught: these, and those that measure.
        left_out: sources, and how much more often they were contradicted than the others.
        repeats: how often an epoch showed each of the images that it learned from.
    """

    measured: Measured
    data: Dataset
    taught: Lessons
    left_out: Mapping[str, float]
    repeats: int

    def misses(self, study: Study) -> list[str]:
        """Sentences: why its accuracy on the test set is too low; none: it is not."""
        accuracy, least = self.measured.evaluation.accuracy, study.original_accuracy - _TEST_LOSS
        if accuracy >= least:
            return []
        return [
            f"On the test set it is right about {accuracy:.2%}; {least:.2%} is the least, half a point below the first."
        ]

    def against(self, other: Artifact, labels: Sequence[str]) -> Evidence:
        """The evidence that it is better than another model on the latest images."""
        rule = right_more_often(len(self.taught.window))
        return compare(Contender.of(other), Contender.of(self.measured), self.taught.window, labels, rule)

    def learned(self, study: Study, evidence: Evidence) -> Learned:
        """What its file is to say of what it learned; the evidence is that against the champion."""
        train = self.taught.train
        names = [source for lesson in train for source in lesson.image.labels if source not in self.left_out]
        classes = Counter(study.labels[lesson.class_id] for lesson in train)
        return Learned(
            parent=study.champion.version,
            images=len(train),
            repeats=self.repeats,
            replay=study.replay,
            first=datetime.fromtimestamp(train[0].image.time, UTC),
            last=datetime.fromtimestamp(train[-1].image.time, UTC),
            rows=self.taught.fingerprint(),
            sources=_most_common(Counter(names)),
            left_out=dict(self.left_out),
            classes={label: classes[label] for label in study.labels if classes[label]},
            window=evidence["labels"],
            window_correct=evidence["challenger_correct"],
            parent_window_correct=evidence["champion_correct"],
            original_accuracy=study.original_accuracy,
        )


def learned_from(study: Study) -> Candidate | None:
    """Fit anew to the data set and the recorded images, until no source is contradicted; None: there are too few."""
    left_out: dict[str, float] = {}
    trained_on = study.champion.trained_on
    known = set() if trained_on is None else set(trained_on.tolist())
    original = set(torch.cat([digests(study.data.train), digests(study.data.test)]).tolist())
    while True:
        taught = lessons(study.images, study.labels, study.window, known=known, original=original, left_out=left_out)
        if not taught.train or len(taught.window) < study.window:
            return None
        candidate = _fitted(study, taught, left_out)
        answers = _answers(candidate, study.images)
        recalls = torch.tensor([scores.recall for scores in candidate.measured.evaluation.classes])
        heard = [_without(image, left_out) for image in study.images]
        found = most_contradicted(heard, answers, recalls, study.labels)
        if found is None:
            return candidate
        left_out |= dict.fromkeys(found.sources, round(found.excess, 4))


def _fitted(study: Study, taught: Lessons, left_out: Mapping[str, float]) -> Candidate:
    whole = Split(torch.cat([pixels for pixels, _ in study.data.train.blocks()]), study.data.train.class_ids)
    train, validation = split_off(whole, study.validation, study.labels)
    learned = as_split(taught.train)
    repeats = repeats_of(len(learned), len(train), study.replay)
    own = torch.cat([pixels for pixels, _ in train.blocks()])
    shown = Split(
        torch.cat([own, *[learned.pixels] * repeats]), torch.cat([train.class_ids, *[learned.class_ids] * repeats])
    )
    fit = Fit(study.recipe, shown, validation, len(study.labels), study.device)
    fit.finish()
    both = Split(torch.cat([whole.pixels, learned.pixels]), torch.cat([whole.class_ids, learned.class_ids]))
    data = replace(study.data, train=both)
    return Candidate(
        Measured.of(fit, data, validation, _statistics(shown, learned)), data, taught, dict(left_out), repeats
    )


def _statistics(shown: Split, learned: Split) -> PixelStatistics:
    """What the images of an epoch look like; few as the learned ones may be among them, they are usual."""
    found = pixel_statistics(shown)
    return PixelStatistics(
        found.mean, found.deviation, torch.maximum(found.limit, found.distances(learned.pixels).quantile(_USUAL))
    )


def repeats_of(learned: int, own: int, replay: float) -> int:
    """How often each learned image is shown so that the data set's own keep the share `replay`; at least once."""
    return max(1, int(own * (1 - replay) / replay / learned)) if replay else 1


def _answers(candidate: Candidate, images: Sequence[LabeledImage]) -> list[int]:
    split = as_split([Lesson(image, 0) for image in images])
    answers: list[int] = logits_of(candidate.measured.model, split).argmax(dim=1).tolist()
    return answers


def _without(image: LabeledImage, left_out: Mapping[str, float]) -> LabeledImage:
    return image._replace(labels={source: label for source, label in image.labels.items() if source not in left_out})


def _most_common(counts: Counter[str]) -> dict[str, int]:
    named = dict(counts.most_common(_SOURCES))
    others = counts.total() - sum(named.values())
    return named | ({_OTHERS: others} if others else {})
