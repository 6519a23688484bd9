"""Challengers in the shadow: they classify what their champions answered, when the answers of a turn are written.

Nothing of it can be seen in an answer. It is the first to rest when requests are shed, and what fails is dropped.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from itertools import islice
from threading import Lock
from time import monotonic
from typing import NamedTuple
from weakref import WeakSet

from prometheus_client import CollectorRegistry, Counter

from app.records.answer import Answer, ChallengerAnswer
from app.records.records import Records
from app.serving.live_model import LiveModel
from app.serving.live_models import LiveModels

__all__ = ["Shadow"]

logger = logging.getLogger(__name__)

_SECONDS_OF_REST = 1.0  # after a request was shed


class _Waiting(NamedTuple):
    champion: LiveModel
    answers: Collection[Answer]
    images: Sequence[bytes]
    checked: bool


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
        self._failed: WeakSet[LiveModel] = WeakSet()
        self._lock = Lock()
        self._waiting: list[_Waiting] = []
        self._rests_until = 0.0

    def answered(self, model: LiveModel, answers: Iterable[Answer], images: Sequence[bytes], *, checked: bool) -> None:
        """Record answers; those of a champion that has a challenger once it has classified their images, too.

        Args:
            model: that gave them.
            answers: one for each image.
            images: 784 pixels each.
            checked: whether they were held against the training images.
        """
        if self.challenger_of(model) is None or (images and not images[0]):  # nobody kept the pixels
            self._records.answered(model, answers, images, checked=checked)
            return
        with self._lock:
            self._waiting.append(_Waiting(model, list(answers), images, checked))

    def beside(self, model: LiveModel, answers: Sequence[Answer], images: Sequence[bytes]) -> list[Answer]:
        """Add to each answer what the challenger of this model would have answered, if there is one."""
        challenger = self.challenger_of(model)
        if challenger is None or not images:
            return list(answers)
        try:
            rows, oddities = challenger.classify(images)
        except Exception:
            logger.exception(
                "Model %s: its challenger, version %s, fails and is dropped; the champion answers on.",
                *(model.name, challenger.version),
            )
            self._failed.add(challenger)
            return list(answers)
        self._count(challenger, answers, rows)
        return [
            answer._replace(challenger=ChallengerAnswer(challenger.version, row, oddity))
            for answer, row, oddity in zip(answers, rows, oddities, strict=True)
        ]

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

    def classify(self) -> None:
        """Classify what was answered since the last time, and record it: one product for each model."""
        if not self._waiting:
            return
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for champion in dict.fromkeys(one.champion for one in waiting):
            self._classify(champion, [one for one in waiting if one.champion is champion])

    def _classify(self, champion: LiveModel, waiting: Sequence[_Waiting]) -> None:
        answers = [answer for one in waiting for answer in one.answers]
        both = iter(self.beside(champion, answers, [image for one in waiting for image in one.images]))
        for one in waiting:
            self._records.answered(champion, islice(both, len(one.images)), one.images, checked=one.checked)

    def _count(self, challenger: LiveModel, answers: Sequence[Answer], rows: Sequence[Sequence[float]]) -> None:
        agreeing = sum(row[answer.class_id] == max(row) for answer, row in zip(answers, rows, strict=True))
        for agrees, count in (("true", agreeing), ("false", len(answers) - agreeing)):
            self._counted.labels(challenger.name, challenger.version, agrees).inc(count)
