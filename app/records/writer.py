"""Answers on their way to the database: counted and queued where they are given, written by a thread.

An answer never waits for the database. What the queue has no room for is dropped, and the number is told; sums are
small, so they are kept until they can be added, however long the database is away.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from random import random
from threading import Event, Lock, Thread
from typing import Any, Literal

from app.classifier.pixel_statistics import WarningCode
from app.records.answer import COLUMNS, Answer, row, write_answers
from app.records.database import Database
from app.records.errors import RecordsError
from app.records.metrics import RecordsMetrics
from app.records.settling import settle_everything, settle_waiting
from app.records.sums import Sums, add_to_database, hour_of
from app.records.tally import Tally
from app.records.versions import Version, write_versions
from app.serving.live_model import LiveModel

__all__ = ["Kept", "Writer"]

logger = logging.getLogger(__name__)

Kept = Literal["labels", "answers", "images"]

_SECONDS_BETWEEN_WRITES = 0.5
_MAX_SECONDS_BETWEEN_TRIES = 10.0  # while the database is away
_SECONDS_TO_FINISH = 5.0
_MAX_WAITING = 20_000  # rows, some 20 MB with pixels: more than a worker answers between two writes
_TOGETHER = 128  # rows in one transaction: what the thread does in one go, answers wait for
_SHARE_TOGETHER = 24  # or one in so many of those that wait, where there are too many for that
_REST_SECONDS = 0.004  # between two transactions, in which answers go on, and others write


class Writer:
    """Takes answers, and writes them.

    Attributes:
        keeps_answers: whether answers are kept, and not only counted.
        problem: why nothing can be written now. None: it can.
    """

    def __init__(
        self, database: Database, metrics: RecordsMetrics, keep: Kept, share: float, clock: Callable[[], float]
    ) -> None:
        """Take answers, of which nothing is written before it is `running`.

        Args:
            database: where they go.
            metrics: are told what is dropped, and when nothing can be written.
            keep: "labels" counts answers only; "answers" keeps a row of them, too, and "images" also its pixels.
            share: of the answers that are kept, chosen by chance.
            clock: seconds since 1970.
        """
        self._database = database
        self._metrics = metrics
        self.keeps_answers = keep != "labels"
        self._share = share if self.keeps_answers else 0.0
        self._keeps_pixels = keep == "images"
        self._clock = clock
        self._lock = Lock()
        self._tallies: dict[LiveModel, Tally] = {}
        self._rows: list[Any] = []  # the columns of one after another
        self._sums = Sums()  # what the tallies had
        self._versions: dict[tuple[str, str], Version] = {}  # of models whose answers are not all written
        self._was_cut_short = True  # the last writing, before this process or in it
        self._stop = Event()
        self.problem: str | None = None

    def answered(self, model: LiveModel, answers: Iterable[Answer], images: Sequence[bytes], *, checked: bool) -> None:
        """Note answers.

        Args:
            model: that gave them.
            answers: one for each image.
            images: 784 pixels each.
            checked: whether they were held against the training images.
        """
        with self._lock:
            tally = self._tallies.get(model) or self._new_tally(model)
            tally.checked += len(images) * checked
            for answer, image in zip(answers, images, strict=True):
                tally.class_ids.append(answer.class_id)
                tally.confidences.append(answer.confidence)
                if answer.warning is not None:
                    tally.warnings[answer.warning] += 1
                if self._share and (self._share == 1 or random() < self._share):  # noqa: S311 - no secret
                    self._queue(model, answer, image)

    def count(
        self,
        model: LiveModel,
        class_ids: Sequence[int],
        confidences: Sequence[float],
        warnings: Iterable[WarningCode] = (),
        *,
        checked: bool,
    ) -> None:
        """Note answers where they are not kept.

        Args:
            model: that gave them.
            class_ids: of the answers.
            confidences: of the same answers.
            warnings: of all of them.
            checked: whether their images were held against the training images.
        """
        with self._lock:
            tally = self._tallies.get(model) or self._new_tally(model)
            tally.checked += len(class_ids) * checked
            tally.class_ids.extend(class_ids)
            tally.confidences.extend(confidences)
            tally.warnings.update(warnings)

    def write(self) -> None:
        """Write what there is.

        Raises:
            RecordsError: the database can't be written; what there is waits on.
        """
        self._collect()
        if self._was_cut_short:
            settle_everything(self._database)
        self._was_cut_short = True
        waiting = len(self._rows) // COLUMNS  # what comes meanwhile waits for the next time
        written: list[str] = []
        while len(written) < waiting or self._sums:
            written += self._write_some()
            if len(written) < waiting:
                self._stop.wait(_REST_SECONDS)
        if written:
            settle_waiting(self._database, written)
        self._was_cut_short = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write for as long as the context lasts, and what there is at its end."""
        self._stop.clear()
        thread = Thread(target=self._keep_writing, name="records", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(_SECONDS_TO_FINISH)  # no longer: a database that is away must not keep the service from ending
            self._database.close()

    def _new_tally(self, model: LiveModel) -> Tally:
        labels, now = model.metadata.labels, self._clock()
        self._tallies[model] = tally = Tally(model.name, model.version, hour_of(now), len(labels))
        self._versions.setdefault((model.name, model.version), Version(labels, now))
        return tally

    def _queue(self, model: LiveModel, answer: Answer, image: bytes) -> None:
        if len(self._rows) >= _MAX_WAITING * COLUMNS:
            self._metrics.dropped.inc()
            return
        self._rows += row(model, answer, image, self._clock(), share=self._share, keeps_pixels=self._keeps_pixels)

    def _collect(self) -> None:
        with self._lock:
            tallies, self._tallies = self._tallies, {}
        for tally in tallies.values():
            self._sums.add_all(tally.sums())

    def _write_some(self) -> Sequence[str]:
        """One transaction, and the ids in it; they are taken out of the queue once it is committed."""
        with self._lock:
            size = COLUMNS * max(_TOGETHER, len(self._rows) // COLUMNS // _SHARE_TOGETHER)
            rows = self._rows[:size]
            versions = dict(self._versions)
        with self._database.transaction() as connection:
            write_versions(self._database, connection, versions)  # each time: the database may be another one since
            write_answers(self._database, connection, rows)
            add_to_database(self._database, connection, self._sums)
        self._sums = Sums()
        with self._lock:
            del self._rows[: len(rows)]  # more may have come since
            if not self._rows:
                still_answer = {(model.name, model.version) for model in self._tallies}
                self._versions = {key: self._versions[key] for key in self._versions.keys() & still_answer}
        ids: Sequence[str] = rows[::COLUMNS]
        return ids

    def _keep_writing(self) -> None:
        wait = _SECONDS_BETWEEN_WRITES
        while not self._stop.wait(wait):
            wait = self._try_to_write(wait)
        self._try_to_write(wait)

    def _try_to_write(self, waited: float) -> float:
        """Write what there is; seconds to wait before the next time."""
        try:
            self.write()
        except Exception as error:
            if self.problem is None:
                expected = isinstance(error, RecordsError)
                logger.error("%s Answers go on; this is tried again and again.", error, exc_info=not expected)
            self.problem = str(error)
            self._metrics.failing.set(1)
            return min(2 * waited, _MAX_SECONDS_BETWEEN_TRIES)
        if self.problem is not None:
            logger.warning("Records can be written again.")
            self.problem = None
            self._metrics.failing.set(0)
        return _SECONDS_BETWEEN_WRITES
