"""What callers said of the answers: counted per model version, and read as accuracy in use.

The counts are Prometheus counters, so that they add up over workers, and over services in Prometheus.
"""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric

from app.classifier.intervals import wilson_interval
from app.classifier.metadata import Evaluation
from app.serving.answers import FeedbackFigures, Judgment
from app.serving.live_model import LiveModel
from app.serving.live_models import LiveModels

__all__ = ["FeedbackCounters", "feedback_figures", "feedback_gauges"]

_BINS = 15  # of confidence, as in the evaluation on the test set


class FeedbackCounters:
    """Counts answers of which the truth is known."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers = Counter(
            "softmax_feedback",
            "Answers of which the truth was told",
            ("model", "version", "label", "predicted"),
            registry=registry,
        )
        self._bins = Counter(
            "softmax_feedback_bin",
            "The same by confidence, in 15 equal bins",
            ("model", "version", "bin", "correct"),
            registry=registry,
        )
        self._confidence = Counter(
            "softmax_feedback_confidence",
            "The sum of their confidences",
            ("model", "version", "bin"),
            registry=registry,
        )

    def count(self, model: LiveModel, judgment: Judgment) -> None:
        """Count one answer."""
        served = (model.name, model.version)
        confidence = judgment["confidence"]
        confidence_bin = str(min(int(confidence * _BINS), _BINS - 1))
        self._answers.labels(*served, judgment["true_label"], judgment["label"]).inc()
        self._bins.labels(*served, confidence_bin, str(judgment["correct"]).lower()).inc()
        self._confidence.labels(*served, confidence_bin).inc(confidence)

    def forget(self, model: str) -> None:
        """Drop what was counted of this model."""
        for metric in (self._answers, self._bins, self._confidence):
            metric.remove_by_labels({"model": model})


class _Counts(NamedTuple):
    confusion: Tally[tuple[str, str]]  # by true and predicted label
    surplus: Tally[str]  # by bin: correct answers less the sum of confidences


def feedback_figures(metrics: Iterable[Metric], models: LiveModels) -> dict[str, FeedbackFigures]:
    """The accuracy in use of each version that is served now and has feedback, by the model's name."""
    counted = _counts(metrics)
    return {
        model.name: _figures(model, counted[model.name, model.version])
        for model in models
        if (model.name, model.version) in counted
    }


def feedback_gauges(figures: dict[str, FeedbackFigures]) -> Iterable[Metric]:
    """The same for Prometheus."""
    accuracy = GaugeMetricFamily("softmax_model_live_accuracy", "Accuracy by the feedback", labels=("model",))
    low = GaugeMetricFamily("softmax_model_live_accuracy_low", "Low end of its 95 % interval", labels=("model",))
    high = GaugeMetricFamily("softmax_model_live_accuracy_high", "High end of its 95 % interval", labels=("model",))
    calibration = GaugeMetricFamily(
        "softmax_model_live_calibration_error", "Expected calibration error by the feedback", labels=("model",)
    )
    for name, found in figures.items():
        accuracy.add_metric((name,), found["accuracy"])
        low.add_metric((name,), found["accuracy_interval"][0])
        high.add_metric((name,), found["accuracy_interval"][1])
        calibration.add_metric((name,), found["calibration_error"])
    return accuracy, low, high, calibration


def _counts(metrics: Iterable[Metric]) -> dict[tuple[str, str], _Counts]:
    counted: dict[tuple[str, str], _Counts] = {}
    for metric in metrics:
        if not metric.name.startswith("softmax_feedback"):
            continue
        for sample in metric.samples:
            labels, value = sample.labels, sample.value
            counts = counted.setdefault((labels["model"], labels["version"]), _Counts(Tally(), Tally()))
            if sample.name == "softmax_feedback_total":
                counts.confusion[labels["label"], labels["predicted"]] += int(value)
            elif sample.name == "softmax_feedback_bin_total" and labels["correct"] == "true":
                counts.surplus[labels["bin"]] += value  # type: ignore[assignment] # Tally's values may be floats
            elif sample.name == "softmax_feedback_confidence_total":
                counts.surplus[labels["bin"]] -= value  # type: ignore[assignment] # as above
    return counted


def _figures(model: LiveModel, counts: _Counts) -> FeedbackFigures:
    labels = model.metadata.labels
    count = counts.confusion.total()
    correct = sum(counts.confusion[label, label] for label in labels)
    figures: FeedbackFigures = {
        "count": count,
        "correct": correct,
        "accuracy": correct / count,
        "accuracy_interval": wilson_interval(correct, count),
        "calibration_error": sum(map(abs, counts.surplus.values())) / count,
        "confusion_matrix": [[counts.confusion[label, predicted] for predicted in labels] for label in labels],
    }
    warning = _warning(figures, model.metadata.evaluation)
    if warning:
        figures["warning"] = warning
    return figures


def _warning(figures: FeedbackFigures, evaluation: Evaluation) -> str | None:
    low, high = evaluation.accuracy_interval
    if figures["accuracy"] >= low:
        return None
    text = f"Live accuracy {figures['accuracy']:.1%} lies below the test accuracy's interval, {low:.1%} to {high:.1%}"
    if figures["accuracy_interval"][1] >= low:
        return f"{text}; with {figures['count']} answers that may still be chance."
    return f"{text}, and not by chance: look at what has changed in the images."
