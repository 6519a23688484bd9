"""The models being served."""

import logging
from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path

import torch
from torch import Tensor

from app.classifier import artifact
from app.classifier.artifact import Artifact
from app.classifier.errors import ModelFileError
from app.classifier.explanation import Explanation, explain
from app.classifier.images import stack, to_tensor
from app.classifier.pixel_statistics import Oddity
from app.classifier.softmax import SIDE
from app.errors import NoSuchLabelError, NoSuchModelError, NotReadyError, UncalibratedModelError
from app.schemas import ModelReference, Prediction, Templates

__all__ = ["LiveModel", "LiveModels"]

logger = logging.getLogger(__name__)

_PREFERRED_DEFAULT = "fashion-mnist"


_ODDITIES: dict[Oddity, str] = {
    "blank": "The image is blank: all its pixels are the same.",
    "inverted": "The image looks inverted: ask for invert=true if it is dark on light.",
    "unusual": "The image looks unlike the training images: the answer may mean nothing.",
}


class LiveModel:
    """A loaded model under the name of its folder."""

    def __init__(self, name: str, loaded: Artifact) -> None:
        self.name = name
        self.version = loaded.version
        self.metadata = loaded.metadata
        self.reference: ModelReference = {"name": name, "version": loaded.version}
        self._model = loaded.model
        self._labels = loaded.metadata.labels
        self._pixel_statistics = loaded.pixel_statistics
        self._conformal = loaded.conformal

    def predict(self, image: bytes) -> Prediction:
        """Classify one image, as `read_pixels` returns it, and warn where it looks unlike the training images."""
        values = to_tensor(image).float()
        oddity = self._pixel_statistics.oddity(image, values) if self._pixel_statistics else None
        return self._prediction(self._model.classify(values).tolist(), oddity)

    def predict_batch(self, images: Sequence[bytes]) -> list[Prediction]:
        """Classify images, as `read_pixels` returns them, all in one matrix product."""
        if not images:
            return []
        values = stack(images).float()
        rows = self._model.classify(values).tolist()
        oddities = self._pixel_statistics.oddities(images, values) if self._pixel_statistics else repeat(None)
        return [self._prediction(row, oddity) for row, oddity in zip(rows, oddities, strict=False)]

    def add_prediction_set(self, prediction: Prediction, coverage: float) -> None:
        """Add to a prediction the smallest set of labels that holds the truth with probability `coverage`.

        Raises:
            UncalibratedModelError: the model file has no conformal scores.
        """
        if self._conformal is None:
            raise UncalibratedModelError(
                f"Model {self.name} was fitted without validation images, so no coverage is known; ask without it."
            )
        class_ids = self._conformal.class_ids(list(prediction["probabilities"].values()), coverage)
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
            return self._model.classify(images)
        return self._model.probabilities(images)

    def _prediction(self, row: list[float], oddity: Oddity | None) -> Prediction:
        confidence = max(row)
        class_id = row.index(confidence)
        prediction: Prediction = {
            "label": self._labels[class_id],
            "class_id": class_id,
            "confidence": confidence,
            "probabilities": dict(zip(self._labels, row, strict=True)),
            "model": self.reference,
        }
        if oddity is not None:
            prediction["warnings"] = [{"code": oddity, "detail": _ODDITIES[oddity]}]
        return prediction


class LiveModels:
    """Every model under one folder, by name; and why each of the others could not be loaded."""

    def __init__(self, folder: Path, default: str | None = None) -> None:
        """Load all that is there. What can't be loaded is logged and kept in `failures`, not raised.

        Args:
            folder: each of its sub-folders with a model file is a model.
            default: the model that answers when none is named; None: fashion-mnist, else the first by name.
        """
        self._folder = folder
        self._models: dict[str, LiveModel] = {}
        self.failures: dict[str, str] = {}
        for path in self._paths():
            self._load(path)
        self.default_name = default or self._choose_default()
        if self.default_name not in self._models:
            logger.error("Not ready: %s", self._why_unready(self.default_name))

    def __iter__(self) -> Iterator[LiveModel]:
        return iter(self._models.values())

    def get(self, name: str | None = None) -> LiveModel:
        """The model of that name, or the default model.

        Raises:
            NoSuchModelError: no folder has this name.
            NotReadyError: its file, or any file, could not be loaded.
        """
        wanted = name or self.default_name
        model = self._models.get(wanted)
        if model is not None:
            return model
        if name is None or wanted in self.failures:
            raise NotReadyError(self._why_unready(wanted))
        raise NoSuchModelError(f"There is no model {name[:80]!r}; there is {', '.join(self._models) or 'none'}.")

    def _choose_default(self) -> str:
        names = sorted(self._models.keys() | self.failures.keys())
        return _PREFERRED_DEFAULT if _PREFERRED_DEFAULT in names or not names else names[0]

    def _paths(self) -> list[Path]:
        try:
            return sorted(self._folder.glob(f"*/{artifact.FILE_NAME}"))
        except OSError as error:
            logger.error("Models folder %s can't be read: %s.", self._folder, error.strerror)
            return []

    def _load(self, path: Path) -> None:
        name = path.parent.name
        try:
            self._models[name] = LiveModel(name, artifact.load(path))
        except ModelFileError as error:
            self.failures[name] = str(error)
            logger.error("%s", error)
        else:
            logger.info("Model %s, version %s, loaded from %s.", name, self._models[name].version, path)

    def _why_unready(self, name: str) -> str:
        missing = f"Model file {self._folder / name / artifact.FILE_NAME}: it does not exist."
        return self.failures.get(name, missing)
