"""Records in Prometheus: what went wrong with them, and the figures of the windows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from app.records.drift import Drift
from app.records.figures import VersionFigures, WindowFigures
from app.serving.live_model import LiveModel

__all__ = ["RecordsMetrics", "window_metrics"]


def _end(found: WindowFigures, end: int) -> float | None:
    interval = found["accuracy_interval"]
    return None if interval is None else interval[end]


def _estimate(found: WindowFigures) -> float | None:
    estimate = found["estimated_accuracy"]
    return None if estimate is None else estimate["accuracy"]


_LABELS = ("model", "version", "window")
_GAUGES: dict[str, tuple[str, Callable[[WindowFigures], float | None]]] = {
    "answers": ("Answers", lambda found: found["answers"]),
    "labels": ("Answers of which the truth is known", lambda found: found["labels"]),
    "disputed": ("Answers of which sources disagree", lambda found: found["disputed"]),
    "accuracy": ("Accuracy by the labels", lambda found: found["accuracy"]),
    "accuracy_low": ("Low end of its 95 % interval", lambda found: _end(found, 0)),
    "accuracy_high": ("High end of its 95 % interval", lambda found: _end(found, 1)),
    "calibration_error": ("Expected calibration error by the labels", lambda found: found["calibration_error"]),
    "estimated_accuracy": ("Accuracy that the confidences promise", _estimate),
    "unusual_share": ("Share of the images unlike the training images", lambda found: found["unusual_share"]),
}
_DRIFT_LABELS = (*_LABELS, "of")


class RecordsMetrics:
    """What goes wrong with records; the workers' counts are added up."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.dropped = Counter(
            "softmax_records_dropped",
            "Answers that were to be kept and were not, since the database did not take them in time",
            registry=registry,
        )
        self.failing = Gauge(
            "softmax_records_failing",
            "1 while a worker can't write to the records' database, else 0",
            multiprocess_mode="livemax",
            registry=registry,
        )


def window_metrics(shown: Mapping[str, Mapping[str, VersionFigures]], models: Iterable[LiveModel]) -> Iterator[Metric]:
    """The figures of the versions that are served.

    Args:
        shown: figures by model, version and window.
        models: that are served.
    """
    served = [
        ((model.name, model.version, window), figures)
        for model in models
        for window, figures in shown.get(model.name, {}).get(model.version, {}).items()
    ]
    for name, (description, value_of) in _GAUGES.items():
        gauge = GaugeMetricFamily(f"softmax_model_live_{name}", description, labels=_LABELS)
        for key, figures in served:
            if (value := value_of(figures)) is not None:
                gauge.add_metric(key, value)
        yield gauge
    yield from _drift_metrics(served)
    yield _feedback(shown, models)


def _drift_metrics(served: Sequence[tuple[tuple[str, str, str], WindowFigures]]) -> Iterator[Metric]:
    effect = GaugeMetricFamily("softmax_model_live_drift", "Effect size of the drift, Cohen's w", labels=_DRIFT_LABELS)
    drifted = GaugeMetricFamily(
        "softmax_model_live_drifted", "1 where the effect is at least 0.25 and no chance, else 0", labels=_DRIFT_LABELS
    )
    for key, figures in served:
        found: dict[str, Drift | None] = {"classes": figures["class_drift"], "confidences": figures["confidence_drift"]}
        for name, drift in found.items():
            if drift is not None:
                effect.add_metric((*key, name), drift["effect_size"])
                drifted.add_metric((*key, name), drift["drifted"])
    return iter((effect, drifted))


def _feedback(shown: Mapping[str, Mapping[str, VersionFigures]], models: Iterable[LiveModel]) -> Metric:
    counter = CounterMetricFamily(
        "softmax_feedback", "Answers of which the truth is known", labels=("model", "version", "label", "predicted")
    )
    for model in models:
        labels = model.metadata.labels
        figures = shown.get(model.name, {}).get(model.version)
        matrix = figures["all"]["confusion_matrix"] if figures else None
        for label, row in zip(labels, matrix or (), strict=False):
            for predicted, count in zip(labels, row, strict=True):
                if count:
                    counter.add_metric((model.name, model.version, label, predicted), count)
    return counter
