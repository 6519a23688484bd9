"""Two models on the same labeled images, whoever answered them."""

from collections.abc import Sequence
from typing import NamedTuple, Self

from app.classifier.artifact import Artifact
from app.classifier.pixel_statistics import PixelStatistics
from app.classifier.softmax import SoftmaxRegression, to_inputs
from app.records.pairs import Pairs
from app.rollout.comparison import Evidence, weigh
from app.rollout.evidence import Rule
from training.learn.lessons import Lesson, as_split
from training.results.measured import Measured

__all__ = ["Contender", "compare"]


class Contender(NamedTuple):
    """A model that is compared."""

    version: str
    model: SoftmaxRegression
    statistics: PixelStatistics | None

    @classmethod
    def of(cls, found: Artifact | Measured) -> Self:
        """A model file's, or one that has none yet."""
        version = found.version if isinstance(found, Artifact) else "candidate"
        return cls(version, found.model, found.pixel_statistics)


def compare(
    champion: Contender, challenger: Contender, taught: Sequence[Lesson], labels: Sequence[str], rule: Rule
) -> Evidence:
    """The evidence that the second is better than the first; neither may have been trained on the images."""
    if not taught:
        return weigh(Pairs([], b"", b"", [], []), labels, champion.version, challenger.version, rule=rule)
    pixels = as_split(taught).pixels
    first, second = (one.model.probabilities(to_inputs(pixels)).numpy().tobytes() for one in (champion, challenger))
    statistics = challenger.statistics
    unusual = (
        [False] * len(taught) if statistics is None else (statistics.distances(pixels) > statistics.limit).tolist()
    )
    digests = [lesson.image.digest for lesson in taught]
    pairs = Pairs([lesson.class_id for lesson in taught], first, second, unusual, digests)
    return weigh(pairs, labels, champion.version, challenger.version, rule=rule)
