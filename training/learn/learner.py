"""One look after another: decide about the models that stand, else learn, and challenge with what was learned."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from app.classifier.artifact import FILE_NAME
from app.classifier.preparation import Preparation
from app.records.database import Database
from app.records.labeled_images import read_labeled_images
from app.rollout.comparison import Evidence
from app.rollout.rollouts import Rollouts
from training.data.catalog import DataOptions, load_dataset
from training.data.datasets import Dataset
from training.errors import LearningError
from training.fitting.devices import choose_device, choose_threads, describe_device
from training.fitting.recipes import Recipe
from training.learn.candidates import Candidate, Study, learned_from
from training.learn.decisions import Standing, carry_out, consider
from training.names import in_shell
from training.results.model_folder import CHALLENGER
from training.results.publishing import Origin, publish

__all__ = ["Learner", "Look", "Plan"]

_MOST_LABELS = 100_000  # that are read, the newest: 80 MB of pixels


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be learned, and how."""

    name: str  # of the model
    data: Callable[[Preparation], DataOptions]  # the data set that it was fitted to, of files prepared as it wants
    replay: float = 0.9
    window: int = 500
    seed: int = 0
    device: str = "auto"
    decides: bool = False  # promotes and takes back, where it else says what it would do

    def __post_init__(self) -> None:
        """Raises TrainingError: what a look may need only after weeks can't be had."""
        if not self.name or Path(self.name).name != self.name or self.name == "..":
            raise LearningError(f"{self.name!r} is no name of a model: that is its folder's in the models folder.")
        Recipe(seed=self.seed)
        choose_device(self.device)


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found and did.

    Attributes:
        outcome: what was done, or is to be done; a challenge: there is a new challenger.
        reasons: sentences: for what is done, or against it.
        labeled: images of which a label is known.
        done: whether it was done, and not just said.
        version: of the new challenger.
        learned: what the candidate learned, and how good it is; of JSON's types.
    """

    outcome: Literal["promotion", "rollback", "challenge", "nothing"]
    reasons: Sequence[str]
    labeled: int
    done: bool = True
    version: str | None = None
    learned: dict[str, Any] | None = None


class Learner:
    """Looks at one model and its records, as often as it is asked to."""

    def __init__(self, plan: Plan, models: Path, database: Database, min_accuracy: float | None = None) -> None:
        """Touch nothing yet; `min_accuracy` keeps models of a lower test accuracy out."""
        self._plan = plan
        self._folder = models / plan.name
        self._database = database
        self._rollouts = Rollouts(models, database, min_accuracy)
        self._data: Dataset | None = None
        self._studied: object = None  # what the last candidate was made of

    def look(self) -> Look:
        """Decide about what stands; where there is nothing to decide, learn.

        Raises:
            TrainingError: see its tree.
            ModelFileError, RolloutError, RecordsError, OSError: files or records can't be read or written.
        """
        plan, standing = self._plan, Standing.of(self._folder)
        images = read_labeled_images(self._database, plan.name, _MOST_LABELS)
        step = consider(plan.name, self._rollouts, standing, images)
        if step.action is not None:
            if plan.decides:
                carry_out(plan.name, self._rollouts, step)
            return Look(step.action, step.reasons, len(images), done=plan.decides)
        studied = ([(image.id, *image.labels.items()) for image in images], *(one and one.version for one in standing))
        if studied == self._studied:
            return Look("nothing", ["Nothing new was told since the last look."], len(images))
        if len(images) <= plan.window:  # the data set need not even be there
            return _too_few(len(images), plan.window)
        self._rollouts.check_changeable(plan.name)  # before what would be learned in vain
        look = self._learn(
            standing,
            Study(
                standing.champion,
                self._dataset(standing),
                images,
                plan.replay,
                plan.window,
                plan.seed,
                choose_device(plan.device),
            ),
        )
        self._studied = studied
        return replace(look, reasons=[*look.reasons, *(f"The challenger waits: {reason}" for reason in step.reasons)])

    def close(self) -> None:
        """Let go of the records."""
        self._rollouts.close()

    def _learn(self, standing: Standing, study: Study) -> Look:
        choose_threads(len(study.labels))
        candidate, count = learned_from(study), len(study.images)
        if candidate is None:
            return _too_few(count, study.window)
        evidence = candidate.against(study.champion, study.labels)
        learned = candidate.learned(study, evidence)
        told = learned.model_dump(mode="json") | {
            "test_accuracy": candidate.measured.evaluation.accuracy,
            "e_value": evidence["e_value"],
        }
        reasons = [*candidate.misses(study), *_against("the champion", evidence)]
        if standing.challenger is not None:
            reasons += _against("the present challenger", candidate.against(standing.challenger, study.labels))
        if reasons:
            return Look("nothing", reasons, count, learned=told)
        origin = Origin(
            study.recipe,
            study.validation,
            study.data.fingerprint(),
            in_shell(["python", "-m", "training", "learn", self._plan.name, "--seed", str(study.seed)]),
            describe_device(study.device),
            license=study.champion.metadata.license,
            created_at=datetime.fromtimestamp(candidate.taught.train[-1].image.time, UTC),
            learned=learned,
        )
        return Look("challenge", [], count, version=self._challenge(candidate, origin), learned=told)

    def _challenge(self, candidate: Candidate, origin: Origin) -> str:
        """Make the whole model elsewhere, and have it take the challenger's place in one step."""
        with TemporaryDirectory(prefix="softmax-learn-") as elsewhere:
            folder = Path(elsewhere) / self._plan.name / CHALLENGER
            folder.mkdir(parents=True)
            publish(folder, candidate.measured, candidate.data, origin)
            return self._rollouts.challenge(self._plan.name, folder / FILE_NAME)

    def _dataset(self, standing: Standing) -> Dataset:
        """The data set that the champion was fitted to, read once."""
        metadata = standing.champion.metadata
        options = self._plan.data(metadata.preparation)
        if self._data is None:
            self._data = load_dataset(options)
        if self._data.fingerprint() != metadata.dataset_fingerprint:
            self._data = None
            raise LearningError(
                f"{options.name} is not the data set that version {standing.champion.version} was fitted to, "
                f"{metadata.dataset}: its test images, which have to stay the same, are others. Name it by --dataset."
            )
        return self._data


def _too_few(count: int, window: int) -> Look:
    needed = f"{window:,} of the latest measure, and earlier ones train: that many and more are needed."
    return Look("nothing", [f"{count:,} images are labeled. {needed}"], count)


def _against(whom: str, evidence: Evidence) -> list[str]:
    return [f"On the latest {evidence['labels']:,} images, against {whom}: {reason}" for reason in evidence["missing"]]
