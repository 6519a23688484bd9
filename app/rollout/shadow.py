"""Challengers in the shadow: they classify what their champions answered, when the answers of a turn are written.

Nothing of it can be seen in an answer. It is the first to rest when requests are shed, and what fails is dropped.
"""

import logging
from collections.abc import Iterable, Sequence
from time import monotonic
from weakref import WeakSet

from prometheus_client import CollectorRegistry, Counter

from app.records.answer import Answer, ChallengerAnswer
from app.records.records import Records
from app.serving.live_model import LiveModel
from app.serving.live_models import LiveModels

__all__ = ["Shadow"]

logger = logging.getLogger(__name__)

_SECONDS_OF_REST = 1.0  # after a request was shed


class Shadow:
    """Stands between the answers and their records, and adds to each what the challenger would have answered."""

    def __init__(self, models: LiveModels, records: Records, registry: CollectorRegistry) -> None:
        self._models = models
        self._records = records
        self._counted = Counter(
            "softmax_challenger_answers",
            "Images that a challenger classified in the shadow",
            ("model", "version", "agrees"),
            registry=registry,
        )
        self._series_of = ("", "")  # name and version of the challenger that was counted last
        self._series: tuple[Counter, ...] = ()
        self._failed: WeakSet[LiveModel] = WeakSet()
        self._rests_until = 0.0

    def answered(self, model: LiveModel, answers: Iterable[Answer], images: Sequence[bytes], *, checked: bool) -> None:
        """Record answers; those of a champion beside what its challenger would have answered, in one product.

        Args:
            model: that gave them.
            answers: one for each image.
            images: 784 pixels each.
            checked: whether they were held against the training images.
        """
        if self.challenger_of(model) is not None:
            answers = list(answers)
            if self._records.writer.keeps_answers:
                answers = self.beside(model, answers, images)
            else:
                self._compare(model, answers, images)
        self._records.answered(model, answers, images, checked=checked)

    def looks_at(self, model: LiveModel) -> bool:
        """Whether each answer of a model is recorded or compared, and not just counted."""
        return self._records.writer.keeps_answers or self.challenger_of(model) is not None

    def challenger_of(self, model: LiveModel) -> LiveModel | None:
        """The challenger that is to classify what this model answers now; None: none is."""
        held = self._models.versions(model.name)
        challenger = held.get("challenger")
        if challenger is None or held.get("champion") is not model or challenger in self._failed:
            return None
        return challenger if monotonic() >= self._rests_until else None

    def rest(self) -> None:
        """Classify nothing for a second: there is more to answer than can be."""
        self._rests_until = monotonic() + _SECONDS_OF_REST

    def beside(self, model: LiveModel, answers: Sequence[Answer], images: Sequence[bytes]) -> Sequence[Answer]:
        """Add to each answer what the challenger of this model would have answered, if there is one."""
        challenger = self.challenger_of(model)
        if challenger is None or not images:
            return answers
        try:
            rows, unusual = challenger.rows(images)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the challenger's alone
            self._drop(challenger, error)
            return answers
        version, both, agreeing = challenger.version, [], 0
        for answer, row, is_unusual in zip(answers, rows, unusual, strict=True):
            agreeing += row[answer.class_id] == max(row)
            other = ChallengerAnswer(version, row, "unusual" if is_unusual else None)
            both.append(answer._replace(challenger=other))
        self._count(challenger, agreeing, len(answers))
        return both

    def _compare(self, champion: LiveModel, answers: Sequence[Answer], images: Sequence[bytes]) -> None:
        """Count how often the two agree, where no more is kept."""
        challenger = self.challenger_of(champion)
        if challenger is None:
            return
        try:
            class_ids = challenger.class_ids(images)
        except Exception as error:  # noqa: BLE001 - as above
            self._drop(challenger, error)
        else:
            agreeing = sum(answer.class_id == other for answer, other in zip(answers, class_ids, strict=True))
            self._count(challenger, agreeing, len(answers))

    def _drop(self, challenger: LiveModel, error: Exception) -> None:
        logger.error(
            "Model %s: its challenger, version %s, fails and is dropped; the champion answers on.",
            *(challenger.name, challenger.version),
            exc_info=error,
        )
        self._failed.add(challenger)

    def _count(self, challenger: LiveModel, agreeing: int, count: int) -> None:
        key = (challenger.name, challenger.version)
        if key != self._series_of:  # looking series up takes longer than counting
            self._series_of = key
            self._series = (self._counted.labels(*key, "true"), self._counted.labels(*key, "false"))
        for series, number in zip(self._series, (agreeing, count - agreeing), strict=True):
            if number:
                series.inc(number)
