"""Challenges, promotions and rollbacks of the models under one folder, on the evidence of the records."""

import time
from functools import partial
from pathlib import Path
from typing import Any

from app.classifier import artifact
from app.classifier.artifact import Artifact
from app.records.database import Database
from app.records.decision import Decision
from app.records.decisions import read_decisions, write_decision
from app.records.errors import RecordsError
from app.records.pairs import read_number, read_pairs
from app.records.windows import read_counts
from app.rollout.comparison import Evidence, Fall, weigh, without
from app.rollout.errors import UnprovenError
from app.rollout.evidence import Rule, fall
from app.rollout.model_folders import ModelFolders
from app.serving.live_model import LiveModel

__all__ = ["Rollouts"]


class Rollouts:
    """What may be decided about the models under one folder."""

    def __init__(self, folder: Path, database: Database, min_accuracy: float | None = None) -> None:
        """Touch nothing yet.

        Args:
            folder: of the models.
            database: with the records.
            min_accuracy: models of a lower test accuracy are not let in; None: all are.
        """
        self._database = database
        self._folders = ModelFolders(folder, partial(write_decision, database), artifact.prove, min_accuracy)

    def challenge(self, name: str, file: Path) -> str:
        """Put a model file in the challenger's place; its version. Raises as `ModelFolder.challenge`."""
        return self._folders.of(name).challenge(file)

    def check_changeable(self, name: str) -> None:
        """Raise as `ModelFolder.check_changeable`, or NoSuchModelError."""
        self._folders.of(name).check_changeable()

    def evidence(self, name: str, champion: LiveModel | Artifact, challenger: LiveModel | Artifact) -> Evidence:
        """What speaks for a challenger so far, by images that neither was trained on; both have the same labels.

        Raises:
            RecordsUnavailableError: the records can't be read.
        """
        pairs = read_pairs(self._database, name, champion.version, challenger.version)
        for known in (champion.trained_on, challenger.trained_on):
            pairs = pairs if known is None else without(pairs, known)
        recalls = {scores.label: scores.recall for scores in champion.metadata.evaluation.classes}
        number = read_number(self._database, name, champion.version, challenger.version)
        return weigh(
            pairs,
            champion.metadata.labels,
            champion.version,
            challenger.version,
            rule=Rule().for_challenger(number),
            usual_recalls=recalls,
        )

    def fall(self, model: LiveModel) -> Fall | None:
        """Whether a version has fallen below its test accuracy, by all labels of its answers; None: there are none.

        Labels of images that review chose do not count.

        Raises:
            RecordsUnavailableError: the records can't be read.
        """
        with self._database.reading() as connection:
            counts = read_counts(connection, model.name, model.version, time.time())["all"]
        labels = counts.total("labels").number
        if not labels:
            return None
        correct = sum(counts.of("labels", number, number).number for number in range(len(model.metadata.labels)))
        least, needed = model.metadata.evaluation.accuracy_interval[0], Rule().e_value
        e_value = fall(correct, labels, least)
        return {
            "labels": labels,
            "correct": correct,
            "least_accuracy": least,
            "e_value": e_value,
            "needed": needed,
            "fallen": e_value >= needed,
        }

    def promote(self, name: str, who: str, *, force: bool = False) -> Decision:
        """Have the challenger answer.

        Args:
            name: of the model.
            who: decides: a key's name, the command line, the rule.
            force: whatever the evidence.

        Raises:
            UnprovenError: there is not enough evidence, and no force.
            RolloutError, ModelFileError: as `ModelFolder.promote`.
        """

        def prove(champion: Artifact, challenger: Artifact) -> Any:
            try:
                evidence = self.evidence(name, champion, challenger)
            except RecordsError as error:
                if force:
                    return {"problem": str(error), "forced": True}
                raise UnprovenError(f"{error} Without evidence it takes force.") from error
            if force or evidence["enough"]:
                return {**evidence, "forced": force and not evidence["enough"]}
            raise UnprovenError(f"Version {challenger.version} is not proven: {' '.join(evidence['missing'])}")

        return self._folders.of(name).promote(who, prove)

    def roll_back(self, name: str, who: str, evidence: Any = None) -> Decision:
        """Have the previous version answer again; raises as `ModelFolder.roll_back`."""
        return self._folders.of(name).roll_back(who, evidence)

    def unload(self, name: str) -> None:
        """Have a model served no longer, until it is loaded; raises as `ModelFolder.unload`."""
        self._folders.of(name).unload()

    def load(self, name: str) -> None:
        """Have an unloaded model served again; raises as `ModelFolder.load`."""
        self._folders.of(name).load()

    def history(self, name: str) -> list[Decision]:
        """Every decision about a model, the newest first.

        Raises:
            RecordsUnavailableError: the records can't be read.
        """
        return read_decisions(self._database, name)

    def close(self) -> None:
        """Let go of the records; the next use opens them again."""
        self._database.close()

    def finish_all(self) -> None:
        """Finish what other processes began and could not end; what can't be finished is logged."""
        self._folders.finish_all()
