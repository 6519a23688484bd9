"""What was answered in a turn, until all its answers are written: then it is counted and recorded, all at once."""

from collections.abc import Sequence
from threading import Lock

from app.records.answer import Answer
from app.records.records import Records
from app.rollout.shadow import Shadow
from app.serving.answers import Prediction
from app.serving.live_model import LiveModel
from app.serving.telemetry import Telemetry

__all__ = ["Ledger", "recorded"]


class Ledger:
    """Answers by the model that gave them."""

    def __init__(self, telemetry: Telemetry, records: Records, shadow: Shadow) -> None:
        self._telemetry = telemetry
        self._writer = records.writer
        self._shadow = shadow
        self._lock = Lock()
        self._noted: dict[LiveModel, tuple[list[Prediction], list[bytes]]] = {}

    def note(self, model: LiveModel, predictions: Sequence[Prediction], images: Sequence[bytes]) -> None:
        """Take what a model answered to images of 784 pixels each."""
        with self._lock:
            noted = self._noted.get(model)
            if noted is None:
                noted = self._noted[model] = ([], [])
            noted[0].extend(predictions)
            noted[1].extend(images)

    def settle(self) -> None:
        """Count and record what was noted, beside what challengers would have answered."""
        if not self._noted:
            return
        with self._lock:
            settled, self._noted = self._noted, {}
        for model, (predictions, images) in settled.items():
            self._settle(model, predictions, images)

    def _settle(self, model: LiveModel, predictions: Sequence[Prediction], images: Sequence[bytes]) -> None:
        self._telemetry.classified(model, predictions)
        if self._shadow.looks_at(model):
            self._shadow.answered(model, map(recorded, predictions), images, checked=True)
        else:
            self._writer.count(
                model,
                [prediction["class_id"] for prediction in predictions],
                [prediction["confidence"] for prediction in predictions],
                [warning["code"] for prediction in predictions for warning in prediction.get("warnings", ())],
                checked=True,
            )


def recorded(prediction: Prediction) -> Answer:
    """An answer as it is recorded."""
    warnings = prediction.get("warnings")
    return Answer(
        prediction["id"],
        prediction["class_id"],
        prediction["confidence"],
        prediction["probabilities"].values(),
        warnings[0]["code"] if warnings else None,
    )
