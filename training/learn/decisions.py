"""What stands in a model's folder, and whether it is to be promoted or taken back."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

from app.classifier import artifact
from app.classifier.artifact import FILE_NAME, Artifact
from app.records.labeled_images import LabeledImage
from app.rollout.comparison import Evidence
from app.rollout.model_folder import CHALLENGER, PREVIOUS
from app.rollout.rollouts import Rollouts
from app.rollout.rule import WHO, Step, follows_a_promotion, next_step, right_more_often
from training.errors import LearningError
from training.learn.comparisons import Contender, compare
from training.learn.lessons import lessons

__all__ = ["Standing", "carry_out", "consider"]

_LEAST = 200  # labels that it takes to go back


class Standing(NamedTuple):
    """The versions of one model."""

    champion: Artifact
    challenger: Artifact | None
    previous: Artifact | None

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Those in a model's folder.

        Raises:
            LearningError: there is no model.
            ModelFileError: a file is no whole model file.
        """
        if not (folder / FILE_NAME).exists():
            raise LearningError(
                f"There is no model {folder.name!r} in {folder.parent}; `python -m training fit` makes one."
            )
        places = (folder / CHALLENGER / FILE_NAME, folder / PREVIOUS / FILE_NAME)
        challenger, previous = (artifact.load(place) if place.exists() else None for place in places)
        return cls(artifact.load(folder / FILE_NAME), challenger, previous)


def consider(name: str, rollouts: Rollouts, standing: Standing, images: Sequence[LabeledImage]) -> Step:
    """What the rule says of the models that stand.

    Args:
        name: of the model.
        rollouts: weighs the challenger, by the answers that both gave to the same requests.
        standing: the versions.
        images: from the records; those that were answered since the champion's promotion weigh the version before.

    Raises:
        RecordsUnavailableError: the records can't be read.
    """
    champion, challenger, previous = standing
    proven = None if challenger is None else rollouts.evidence(name, champion, challenger)
    history = rollouts.history(name)
    if previous is None or not follows_a_promotion(history, champion.version):
        return next_step(proven, None)
    since = [image for image in images if image.time >= history[0].time]
    return next_step(proven, _way_back(champion, previous, since))


def carry_out(name: str, rollouts: Rollouts, step: Step) -> None:
    """Promote or take back; raises RolloutError where it can't be, or no longer is to be."""
    if step.action == "promotion":
        rollouts.promote(name, WHO)
    elif step.action == "rollback":
        rollouts.roll_back(name, WHO, {"reasons": list(step.reasons)})


def _way_back(champion: Artifact, previous: Artifact, images: Sequence[LabeledImage]) -> Evidence:
    """By images that only ever become more: the e-value holds at every look, as it would not on the latest of them."""
    known = {digest for one in (champion, previous) if one.trained_on is not None for digest in one.trained_on.tolist()}
    labels = champion.metadata.labels
    fair = lessons(images, labels, len(images), known=known).window
    return compare(Contender.of(champion), Contender.of(previous), fair, labels, right_more_often(_LEAST))
