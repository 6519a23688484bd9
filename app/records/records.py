"""All that is kept, as the service uses it."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from app.classifier.metadata import Evaluation
from app.records.answer import Answer
from app.records.database import Database
from app.records.errors import NothingToReviewError, RecordsError
from app.records.figures import VersionFigures, figures
from app.records.metrics import RecordsMetrics
from app.records.retention import purge
from app.records.review import ToReview, choose
from app.records.telling import Judged, Receipt, tell, tell_judged
from app.records.told import Label
from app.records.versions import Version, read_versions
from app.records.windows import read_counts
from app.records.writer import Kept, Writer
from app.serving.live_model import LiveModel

__all__ = ["Records"]

logger = logging.getLogger(__name__)

_SECONDS_BETWEEN_PURGES = 3600.0
_SECONDS_TO_END_PURGING = 1.0  # what is left then is removed at the next start
_SECONDS_A_DAY = 86_400
_EARLIER_VERSIONS = 3  # whose figures are shown beside those of the version that is served
_COVERAGE = 0.95  # of the prediction sets by which images are chosen for review


class Records:
    """The records of one service.

    Attributes:
        database: where they are.
        writer: takes answers, and knows what is wrong with the database.
        metrics: tell Prometheus what goes wrong.
        keep: what is kept.
    """

    def __init__(
        self,
        url: str,
        keep: Kept,
        share: float = 1.0,
        days: float = 90,
        *,
        clock: Callable[[], float] = time.time,
        registry: CollectorRegistry | None = None,
    ) -> None:
        """Open nothing yet; raises RecordsError where the URL is none, or its driver is not installed.

        Args:
            url: of the database.
            keep: "labels", also "answers", or also "images".
            share: of the answers that are kept.
            days: after which an answer and its labels are removed.
            clock: seconds since 1970.
            registry: of the metrics that tell what goes wrong.
        """
        self.database = Database(url)
        self.metrics = RecordsMetrics(registry or CollectorRegistry())
        self.writer = Writer(self.database, self.metrics, keep, share, clock)
        self.keep = keep
        self._days = days
        self._clock = clock
        self._stop = Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Write, and remove what is old, for as long as the context lasts."""
        self._stop.clear()
        purging = Thread(target=self._keep_purging, name="records purge", daemon=True)
        with self.writer.running():
            purging.start()
            try:
                yield
            finally:
                self._stop.set()
                purging.join(_SECONDS_TO_END_PURGING)

    def answered(self, model: LiveModel, answers: Iterable[Answer], images: Sequence[bytes], *, checked: bool) -> None:
        """Note answers, as `Writer.answered` does."""
        self.writer.answered(model, answers, images, checked=checked)

    def tell(self, told: Sequence[Label], served: Collection[str]) -> Receipt:
        """Keep labels by id, as `tell` does."""
        return tell(self.database, told, served)

    def tell_judged(self, model: LiveModel, judged: Sequence[Judged]) -> None:
        """Keep answers with their labels, as `tell_judged` does."""
        tell_judged(self.database, model, judged, self._clock(), keeps_pixels=self.keep == "images")

    def windows(self, models: Iterable[LiveModel]) -> dict[str, dict[str, VersionFigures]]:
        """Figures in use by model, version and window: of what is served, and of the versions before that answered.

        Raises:
            RecordsUnavailableError: the database can't be read.
        """
        with self.database.reading() as connection:
            known = read_versions(connection)
            return {model.name: self._versions(connection, model, known) for model in models}

    def review(self, model: LiveModel, limit: int) -> list[ToReview]:
        """Images to review, as `choose` finds them.

        Raises:
            NothingToReviewError: there are none, and no more are kept.
            RecordsUnavailableError: the database can't be read.
        """
        conformal = model.conformal
        set_size = None if conformal is None else lambda row: len(conformal.class_ids(row, _COVERAGE))
        found = choose(self.database, model.name, model.version, limit, set_size)
        if not found and self.keep != "images":
            raise NothingToReviewError("No images are kept; with SOFTMAX_RECORD=images those that are asked about are.")
        return found

    def purge(self) -> int:
        """Remove what is older than it may be; how many rows there were."""
        return purge(self.database, self._clock() - self._days * _SECONDS_A_DAY)

    def close(self) -> None:
        """Let go of the database, until it is used again."""
        self.database.close()

    def _versions(
        self, connection: Connection, model: LiveModel, known: Mapping[tuple[str, str], Version]
    ) -> dict[str, VersionFigures]:
        served = self._windows(connection, model.name, model.version, model.metadata.labels, model.metadata.evaluation)
        earlier = [version for name, version in known if name == model.name and version != model.version]
        return {model.version: served} | {
            version: self._windows(connection, model.name, version, known[model.name, version].labels, None)
            for version in reversed(earlier[-_EARLIER_VERSIONS:])
        }

    def _windows(
        self, connection: Connection, model: str, version: str, labels: Sequence[str], evaluation: Evaluation | None
    ) -> VersionFigures:
        counts = read_counts(connection, model, version, self._clock())
        return {window: figures(its_counts, labels, evaluation) for window, its_counts in counts.items()}

    def _keep_purging(self) -> None:
        while True:  # at once: a service that is often restarted removes what is old, too
            try:
                self.purge()
            except RecordsError as error:
                logger.error("%s What is old is not removed; tried again in an hour.", error)
            if self._stop.wait(_SECONDS_BETWEEN_PURGES):
                return
