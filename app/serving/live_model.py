"""One loaded model, under the name of its folder: what it answers."""

import threading
from collections.abc import Sequence
from itertools import repeat

import torch
from torch import Tensor

from app.classifier.artifact import Artifact
from app.classifier.explanation import Explanation, explain
from app.classifier.images import stack, to_tensor
from app.classifier.pixel_statistics import WarningCode
from app.classifier.softmax import PIXELS, SIDE
from app.serving.answer_ids import new_answer_id
from app.serving.answers import Classification, ModelReference, Prediction, Templates
from app.serving.errors import NoSuchLabelError, UncalibratedModelError

__all__ = ["LiveModel"]

_WORTH_A_PRODUCT = 4  # images that are classified in one product: fewer are classified sooner one by one

_DETAILS: dict[WarningCode, str] = {
    "blank": "The image is blank, or nearly: hardly a pixel differs from the others.",
    "inverted": "The image looks inverted: dark on light.",
    "unusual": "The image looks unlike the training images: the answer may mean nothing.",
}


class _OneImage(threading.local):
    """Pixel values in each thread's same memory again and again: making two tensors takes twice as long."""

    def __init__(self) -> None:
        self._pixels = bytearray(PIXELS)
        self._bytes = to_tensor(self._pixels)
        self._floats = torch.empty(PIXELS)

    def values(self, image: bytes) -> Tensor:
        """784 pixels -> float32 [784] in 0-255, until the next call."""
        self._pixels[:] = image
        return self._floats.copy_(self._bytes)


_ONE = _OneImage()


class LiveModel:
    """A loaded model. It never changes: a request that has it gets its whole answer from one version."""

    def __init__(self, name: str, loaded: Artifact) -> None:
        self.name = name
        self.version = loaded.version
        self.metadata = loaded.metadata
        self.is_whole = loaded.has_checksum  # else its file might have been written to when it was read
        self.trained_on = loaded.trained_on  # int64 [n], as in the model file; None: it does not say
        self.reference: ModelReference = {"name": name, "version": loaded.version}
        self._model = loaded.model
        self._labels = loaded.metadata.labels
        self._pixel_statistics = loaded.pixel_statistics
        self.conformal = loaded.conformal

    def predict(self, image: bytes) -> Classification:
        """Classify one image, as `read_pixels` returns it, and warn where it looks unlike the training images."""
        values = _ONE.values(image)
        warning = self._pixel_statistics.warning(image, values) if self._pixel_statistics else None
        return self._classification(self._model.classify(values).tolist(), warning)

    def predict_batch(self, images: Sequence[bytes]) -> list[Prediction]:
        """Classify images, as `read_pixels` returns them; but for a handful, in one matrix product."""
        if len(images) < _WORTH_A_PRODUCT:
            return [_identified(self.predict(image)) for image in images]
        values = stack(images).float()
        rows = self._model.classify(values).tolist()
        warnings = self._pixel_statistics.warnings(images, values) if self._pixel_statistics else repeat(None)
        return [_identified(self._classification(row, warning)) for row, warning in zip(rows, warnings, strict=False)]

    def class_ids(self, images: Sequence[bytes]) -> list[int]:
        """The likeliest class of each image, in one matrix product."""
        found: list[int] = self._model.classify(stack(images).float()).argmax(1).tolist()
        return found

    def rows(self, images: Sequence[bytes]) -> tuple[list[list[float]], list[bool]]:
        """Class probabilities of each image, in one matrix product; and whether it looks unlike the training images."""
        values = stack(images).float()
        rows: list[list[float]] = self._model.classify(values).tolist()
        if self._pixel_statistics is None:
            return rows, [False] * len(images)
        unusual: list[bool] = (self._pixel_statistics.distances(values) > self._pixel_statistics.limit).tolist()
        return rows, unusual

    def add_prediction_set(self, prediction: Classification, coverage: float) -> None:
        """Add to a prediction the smallest set of labels that holds the truth with probability `coverage`.

        Raises:
            UncalibratedModelError: the model file has no conformal scores.
        """
        if self.conformal is None:
            raise UncalibratedModelError(
                f"Model {self.name} was fitted without validation images, so no coverage is known; ask without it."
            )
        class_ids = self.conformal.class_ids(list(prediction["probabilities"].values()), coverage)
        prediction["coverage"] = coverage
        prediction["prediction_set"] = [self._labels[class_id] for class_id in class_ids]

    def explain(self, image: bytes, against: str | None = None) -> Explanation:
        """Take the answer to one image apart; `against` is a label; None: the nearest rival's.

        Raises:
            NoSuchLabelError: the model has no such label.
        """
        if against is not None:
            self.check_label(against)
        return explain(self._model, to_tensor(image), None if against is None else self._labels.index(against))

    def check_label(self, label: str) -> None:
        """Do nothing where the model has this label.

        Raises:
            NoSuchLabelError: it has not.
        """
        if label not in self._labels:
            raise NoSuchLabelError(f"Model {self.name} has no label {label[:80]!r}; it has {', '.join(self._labels)}.")

    def templates(self) -> Templates:
        """The weights and biases, as pictures of the classes."""
        weights = self._model.weight.view(-1, SIDE, SIDE).tolist()
        return {
            "model": self.reference,
            "bias": dict(zip(self._labels, self._model.bias.tolist(), strict=True)),
            "weights": dict(zip(self._labels, weights, strict=True)),
        }

    def probabilities(self, images: Tensor) -> Tensor:
        """uint8 [N, 784] in 0-255, or float32 [N, 784] in 0-1 -> float32 [N, C]."""
        if images.dtype == torch.uint8:
            return self._model.classify(images.float())
        return self._model.probabilities(images)

    def _classification(self, row: list[float], warning: WarningCode | None) -> Classification:
        confidence = max(row)
        class_id = row.index(confidence)
        found: Classification = {
            "label": self._labels[class_id],
            "class_id": class_id,
            "confidence": confidence,
            "probabilities": dict(zip(self._labels, row, strict=True)),
            "model": self.reference,
        }
        if warning is not None:
            found["warnings"] = [{"code": warning, "detail": _DETAILS[warning]}]
        return found


def _identified(found: Classification) -> Prediction:
    return {"id": new_answer_id(), **found}
