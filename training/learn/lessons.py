"""What labeled images teach: the latest of them measure and never train, all others train."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

import torch

from app.records.labeled_images import LabeledImage
from training.data.splits import Split

__all__ = ["Lesson", "Lessons", "as_split", "lessons", "short"]


class Lesson(NamedTuple):
    """An image and the class that its sources agree on."""

    image: LabeledImage
    class_id: int


@dataclass(frozen=True, slots=True)
class Lessons:
    """Images in the order of their answers; none is on both sides."""

    train: Sequence[Lesson]
    window: Sequence[Lesson]

    def fingerprint(self) -> str:
        """SHA-256 over the ids and classes of those that train."""
        rows = "".join(f"{lesson.image.id} {lesson.class_id}\n" for lesson in self.train)
        return sha256(rows.encode()).hexdigest()


def lessons(
    images: Sequence[LabeledImage],
    labels: Sequence[str],
    window: int,
    *,
    known: Collection[int] = (),
    original: Collection[int] = (),
    left_out: Collection[str] = (),
) -> Lessons:
    """Split labeled images by time.

    Left out are images about which sources disagree, or that are of none of the classes. What review chose only
    trains: it does not speak for all images.

    Args:
        images: each once, by the time of their answers.
        labels: the classes.
        window: images that measure: the latest.
        known: digests, as `short` makes them, of images that a model was trained on that is to be measured.
        original: the same, of the images of the data set, which has its own training and test images.
        left_out: sources whose labels don't count.
    """
    class_ids = {label: class_id for class_id, label in enumerate(labels)}
    agreed = []
    for image in images:
        told = {label for source, label in image.labels.items() if source not in left_out}
        if len(told) == 1 and (label := told.pop()) in class_ids and short(image.digest) not in original:
            agreed.append(Lesson(image, class_ids[label]))
    fair = [lesson for lesson in agreed if not lesson.image.reviewed and short(lesson.image.digest) not in known]
    measuring = fair[-window:]
    kept_apart = {lesson.image.id for lesson in measuring}
    return Lessons([lesson for lesson in agreed if lesson.image.id not in kept_apart], measuring)


def short(digest: bytes) -> int:
    """The first 8 bytes of a SHA-256, as model files have them."""
    return int.from_bytes(digest[:8], "little", signed=True)


def as_split(taught: Sequence[Lesson]) -> Split:
    """Their pixels and classes."""
    content = bytearray(b"".join(lesson.image.pixels for lesson in taught))
    return Split(
        torch.frombuffer(content, dtype=torch.uint8).view(len(taught), -1),
        torch.tensor([lesson.class_id for lesson in taught]),
    )
