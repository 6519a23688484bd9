"""One model's folder: its champion, its challenger and its previous version, and how they take each other's place.

    models/NAME/              the champion: model.safetensors, README.md, report/
    models/NAME/challenger/   the same of the challenger, which answers nobody yet
    models/NAME/previous/     the same of the version that answered before

A promotion or rollback first links both models into hidden folders, `.outgoing` and `.incoming`, then writes down what
is decided, in `.decision.json`. From there on files are only renamed and removed, which takes no room on the disk:
the champion becomes the previous version, and the rename of the other's model file decides. Whatever stops the process,
a reader finds a whole model file at every moment, and `finish` goes on where it stopped.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson
from pydantic import TypeAdapter, ValidationError

from app.classifier.errors import ModelFileError
from app.classifier.model_file import FILE_NAME
from app.records.decision import Decision
from app.records.errors import RecordsError
from app.regular_files import IrregularFileError, read_regular_file
from app.rollout.errors import (
    BusyError,
    NoChallengerError,
    NoPreviousError,
    UnfitChallengerError,
    UnwritableError,
)
from app.rollout.model_files import copy_model, digest_of, link_model, remove, remove_model, sync, take, write
from app.rollout.proofs import Proofs, Prove
from app.serving.places import UNLOADED

if TYPE_CHECKING:  # it imports torch, and a rollback does without
    from app.classifier.artifact import Artifact

__all__ = ["CHALLENGER", "PREVIOUS", "Keep", "ModelFolder"]

logger = logging.getLogger(__name__)

CHALLENGER = "challenger"
PREVIOUS = "previous"
_MAX_JOURNAL_BYTES = 2**24
_DECISION = TypeAdapter(Decision)


Action = Literal["promotion", "rollback"]
Keep = Callable[[Decision], None]
Weigh = Callable[["Artifact", "Artifact"], Any]  # champion and challenger to the evidence, of JSON's types


class ModelFolder:
    """A model's folder, and the decisions about it; one process decides at a time."""

    def __init__(self, path: Path, keep: Keep, prove: Prove, min_accuracy: float | None = None) -> None:
        """Touch nothing yet.

        Args:
            path: the model's folder; its name is the model's.
            keep: writes a decision down, or raises RecordsError; one that was interrupted may be handed over twice.
            prove: proves what was read of a model file, `artifact.prove`; a rollback calls it only for a file that no
                decision before has proven.
            min_accuracy: models of a lower test accuracy are not let in; None: all are.
        """
        self.path = path
        self._keep = keep
        self._min_accuracy = min_accuracy
        self._challenger = path / CHALLENGER
        self._previous = path / PREVIOUS
        self._arriving = path / ".arriving"  # a copy of what may become the challenger
        self._arrived = path / ".arrived"  # the same once it is whole
        self._incoming = path / ".incoming"  # the files of what becomes the champion
        self._outgoing = path / ".outgoing"  # those of the champion, which becomes the previous version
        self._draft = path / ".decision.new"
        self._journal = path / ".decision.json"
        self._proofs = Proofs(path / ".proven.json", prove)

    def challenge(self, file: Path) -> str:
        """Put a copy of a model file, with the card and report beside it, in the challenger's place.

        Returns:
            The challenger's version.

        Raises:
            ModelFileError: it is no whole model file.
            UnfitChallengerError: it can't take the champion's place.
            BusyError, UnwritableError: the folder can't be changed now.
        """
        self._check_fit(file)
        with self._deciding():
            self._finish()
            copy_model(file, self._arriving)
            version = self._check_fit(self._arriving / FILE_NAME).version  # the file may have changed meanwhile
            self._arriving.replace(self._arrived)
            take(self._arrived, self._challenger)
        return version

    def promote(self, who: str, weigh: Weigh) -> Decision:
        """Have the challenger answer, and keep the champion as the previous version.

        Args:
            who: decides.
            weigh: gives the evidence, or raises UnprovenError where it is not enough.

        Raises:
            NoChallengerError: there is none.
            ModelFileError: it is no whole model file.
            UnfitChallengerError: it can't take the champion's place.
            BusyError, UnwritableError: the folder can't be changed now.
        """
        with self._deciding():
            self._finish()
            if not (self._challenger / FILE_NAME).exists():
                raise NoChallengerError(f"Model {self.path.name} has no challenger.")
            self._check_fit(self._challenger / FILE_NAME)

            def evidence() -> Any:
                champion = self._proofs.load(self._outgoing / FILE_NAME)
                return weigh(champion, self._check_fit(self._incoming / FILE_NAME))

            return self._decide("promotion", self._challenger, who, evidence)

    def roll_back(self, who: str, evidence: Any = None) -> Decision:
        """Have the previous version answer again; the champion becomes the previous version, if it can be read.

        Raises:
            NoPreviousError: there is none.
            ModelFileError: it is no whole model file.
            BusyError, UnwritableError: the folder can't be changed now.
        """
        with self._deciding():
            self._finish()
            if not (self._previous / FILE_NAME).exists():
                raise NoPreviousError(f"Model {self.path.name} has no previous version.")
            self._check_accuracy(*self._proofs.accuracy(self._previous / FILE_NAME))

            def proven() -> Any:
                self._check_accuracy(*self._proofs.accuracy(self._incoming / FILE_NAME))
                return evidence

            return self._decide("rollback", self._previous, who, proven)

    def unload(self) -> None:
        """Have the model served no longer; raises BusyError or UnwritableError where the folder can't be changed."""
        with self._deciding():
            (self.path / UNLOADED).touch()

    def load(self) -> None:
        """Undo `unload`; raises as it does."""
        if (self.path / UNLOADED).exists():
            with self._deciding():
                (self.path / UNLOADED).unlink()

    def check_changeable(self) -> None:
        """Raise BusyError or UnwritableError where the folder can't be changed now."""
        with self._deciding():
            pass

    def finish(self) -> Decision | None:
        """Finish what another process began and could not end.

        Returns:
            The decision that is in force now; None: nothing was left to do.

        Raises:
            BusyError: the other process is still at it.
            UnwritableError: the folder can't be changed.
        """
        begun = (self._journal, self._arriving, self._arrived, self._incoming, self._outgoing)
        if not any(path.exists() for path in begun):
            return None
        with self._deciding():
            return self._finish()

    def _check_fit(self, challenger: Path) -> "Artifact":
        """Prove that a model file could take the champion's place."""
        loaded = self._proofs.load(challenger)
        self._check_accuracy(loaded.version, loaded.metadata.evaluation.accuracy)
        if not (self.path / FILE_NAME).exists():
            raise UnfitChallengerError(f"Model {self.path.name} has no file yet: there is nobody to challenge.")
        champion = self._proofs.load(self.path / FILE_NAME)
        if loaded.version == champion.version:
            raise UnfitChallengerError(f"Version {loaded.version} is the champion of {self.path.name} already.")
        if loaded.metadata.labels != champion.metadata.labels:
            raise UnfitChallengerError(
                f"Version {loaded.version} has the labels {', '.join(loaded.metadata.labels)}; those of the champion "
                f"of {self.path.name} are {', '.join(champion.metadata.labels)}, in this order."
            )
        return loaded

    def _check_accuracy(self, version: str, accuracy: float) -> None:
        if self._min_accuracy is not None and accuracy < self._min_accuracy:
            raise UnfitChallengerError(
                f"The test accuracy of version {version}, {accuracy:.4f}, is below SOFTMAX_MIN_ACCURACY, "
                f"{self._min_accuracy:.4f}."
            )

    @contextmanager
    def _deciding(self) -> Iterator[None]:
        """The right to change the folder; the system takes it back from a process that is killed."""
        try:
            with (self.path / ".deciding").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield
        except BlockingIOError:
            raise BusyError(f"Another process is deciding about model {self.path.name}; try again.") from None
        except OSError as error:
            raise UnwritableError(
                f"The folder of model {self.path.name}, {self.path}, can't be changed by user {os.geteuid()} "
                f"({error.strerror}). Where it is mounted read-only, change the files where they come from."
            ) from error

    def _decide(self, action: Action, source: Path, who: str, weigh: Callable[[], Any]) -> Decision:
        try:
            self._link_champion(or_go_without=action == "rollback")
            link_model(source / FILE_NAME, self._incoming)
            evidence = weigh()
            before, after = digest_of(self._outgoing), digest_of(self._incoming)
            decision = Decision(time.time(), self.path.name, who, action, evidence, before or None, after)
            write(self._draft, orjson.dumps(decision._asdict()))
        except BaseException:
            for undecided in (self._outgoing, self._incoming, self._draft):
                remove(undecided)
            raise
        self._draft.replace(self._journal)
        sync(self.path)
        self._carry_out(decision)
        return decision

    def _link_champion(self, *, or_go_without: bool) -> None:
        try:
            link_model(self.path / FILE_NAME, self._outgoing)
        except ModelFileError:
            if not or_go_without:  # the way back is open whatever has become of the champion
                raise

    def _carry_out(self, decision: Decision) -> None:
        """Rename what has been copied; begun again after a stop, it does what is left."""
        take(self._outgoing, self._previous)
        take(self._incoming, self.path)
        later = digest_of(self._challenger) not in {decision.to_sha256, ""}  # another challenger has come meanwhile
        if decision.action == "promotion" and not later:
            remove_model(self._challenger)
        self._proofs.remember({decision.from_sha256, decision.to_sha256})
        try:
            self._keep(decision)
        except RecordsError as error:
            logger.error("%s The decision is kept here alone: %s", error, decision)
        self._journal.unlink()

    def _finish(self) -> Decision | None:
        decision = self._begun()
        take(self._arrived, self._challenger)
        if decision is not None and digest_of(self.path) in {decision.from_sha256 or "", decision.to_sha256}:
            self._carry_out(decision)
            logger.warning(
                "Model %s: the %s of %s, decided by %s, had been interrupted; it is finished.",
                *(decision.model, decision.action, _version(decision), decision.who),
            )
            return decision
        if decision is not None:
            logger.warning(
                "Model %s: the interrupted %s of %s is given up, as the model file has been replaced since.",
                *(decision.model, decision.action, _version(decision)),
            )
        for undecided in (self._journal, self._arriving, self._incoming, self._outgoing, self._draft):
            remove(undecided)
        return None

    def _begun(self) -> Decision | None:
        """The decision that was written down and not ended; None: there is none, or none of ours."""
        try:
            return _DECISION.validate_json(read_regular_file(self._journal, _MAX_JOURNAL_BYTES), strict=True)
        except FileNotFoundError:
            return None
        except (IrregularFileError, IsADirectoryError) as error:
            reason = str(error)
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"]
        logger.warning("%s is no decision of this service and is removed: %s.", self._journal, reason)
        return None


def _version(decision: Decision) -> str:
    return (decision.to_sha256 or "")[:12]
