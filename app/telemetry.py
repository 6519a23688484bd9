"""What the service counts, for Prometheus and for `GET /metrics` in JSON."""

import os
from collections import Counter as Tally
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from app.feedback import FeedbackCounters, feedback_figures, feedback_gauges
from app.live_models import LiveModels
from app.open_inference.schemas import ModelStatistics
from app.open_inference.statistics import InferenceCounters, statistics
from app.schemas import LiveFigures, Prediction

__all__ = ["Telemetry"]

_LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)  # seconds


class Telemetry(Collector):
    """The metrics of one application."""

    def __init__(self, models: LiveModels) -> None:
        self._models = models
        self._registry = CollectorRegistry()
        self.feedback = FeedbackCounters(self._registry)
        self._requests = Histogram(
            "http_request_duration_seconds",
            "Time from the request's headers to its answer",
            ("method", "route", "status"),
            buckets=_LATENCY_BUCKETS,
            registry=self._registry,
        )
        self._predictions = Counter(
            "softmax_predictions", "Images classified", ("model", "label"), registry=self._registry
        )
        self._unusual_inputs = Counter(
            "softmax_unusual_inputs",
            "Images classified that look unlike the training images",
            ("model", "warning"),
            registry=self._registry,
        )
        self._refused_requests = Counter(
            "softmax_refused_requests",
            "Requests refused to keep the others fast; they are in no other metric",
            ("reason",),
            registry=self._registry,
        )
        self.inferences = InferenceCounters(self._registry)
        Gauge("softmax_workers", "Processes that answer", multiprocess_mode="livesum", registry=self._registry).set(1)
        self._model_collector = _ModelCollector(models)
        self._registry.register(self._model_collector)
        self._request_series: dict[tuple[str, str, int], Histogram] = {}
        self._prediction_series: dict[tuple[str, str], Counter] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = (method, route, status)
        series = self._request_series.get(key)
        if series is None:  # looking a series up by its labels takes longer than counting
            series = self._request_series[key] = self._requests.labels(*key)
        series.observe(seconds)

    def prediction(self, model: str, label: str, count: int = 1) -> None:
        """Count classified images."""
        key = (model, label)
        series = self._prediction_series.get(key)
        if series is None:
            series = self._prediction_series[key] = self._predictions.labels(*key)
        series.inc(count)

    def classified(self, model: str, prediction: Prediction) -> None:
        """Count one answer, and what it warns of."""
        self.prediction(model, prediction["label"])
        for warning in prediction.get("warnings", ()):
            self._unusual_inputs.labels(model, warning["code"]).inc()

    def refused(self, reason: str, count: int = 1) -> None:
        """Count requests that were refused to keep the others fast."""
        self._refused_requests.labels(reason).inc(count)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All metrics as text, in the newest format that `accept` allows, and its content type."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version in `accept` that is none
            encode, content_type = choose_encoder("text/plain")
        return encode(self), content_type

    def collect(self) -> Iterable[Metric]:
        """What was counted, the models, and what follows from both."""
        counted = list(self._all_workers().collect())
        return [*counted, *feedback_gauges(feedback_figures(counted, self._models))]

    def inference_statistics(self, model: str, version: str) -> ModelStatistics:
        """What `inferences` counted, as the Open Inference Protocol shows it."""
        return statistics(self._all_workers().collect(), model, version)

    def live_figures(self) -> LiveFigures:
        """The counters as JSON shows them."""
        requests = 0
        predictions: Tally[str] = Tally()
        unusual: Tally[str] = Tally()
        counted = list(self._all_workers().collect())
        for metric in counted:
            for sample in metric.samples:
                if sample.name == "http_request_duration_seconds_count":
                    requests += int(sample.value)
                elif sample.name == "softmax_predictions_total":
                    predictions[sample.labels["label"]] += int(sample.value)
                elif sample.name == "softmax_unusual_inputs_total":
                    unusual[sample.labels["warning"]] += int(sample.value)
        return {
            "requests": requests,
            "predictions": dict(predictions),
            "unusual_inputs": dict(unusual),
            "unusual_share": unusual.total() / max(1, predictions.total()),
            "feedback": feedback_figures(counted, self._models),
        }

    def _all_workers(self) -> CollectorRegistry:
        """The metrics of this process, or added up over all workers where there are several."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        if folder is None:
            return self._registry
        _forget_dead_workers(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        registry.register(self._model_collector)
        return registry


def _forget_dead_workers(folder: Path) -> None:
    """Take processes that are gone out of the gauges; what they counted stays counted."""
    for path in folder.glob("gauge_live*.db"):
        pid = int(path.stem.rpartition("_")[2])
        if not Path(f"/proc/{pid}").exists():
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


class _ModelCollector(Collector):
    """The loaded models, read at each scrape."""

    def __init__(self, models: LiveModels) -> None:
        self._models = models

    def collect(self) -> Iterable[Metric]:
        info = InfoMetricFamily("softmax_model", "The version that is served", labels=("model",))
        accuracy = GaugeMetricFamily("softmax_model_test_accuracy", "Accuracy on the test set", labels=("model",))
        for model in self._models:
            info.add_metric((model.name,), {"version": model.version})
            accuracy.add_metric((model.name,), model.metadata.evaluation.accuracy)
        return info, accuracy
