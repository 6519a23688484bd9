"""What the service counts, for Prometheus and for `GET /metrics` in JSON."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from app.process.shared_counters import all_workers, are_shared
from app.serving.answers import LiveFigures, Prediction
from app.serving.live_model import LiveModel
from app.serving.live_models import Change, LiveModels

__all__ = ["Telemetry"]

_LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)  # seconds


class AnsweredRequest(Protocol):
    """What is counted of a request."""

    method: str  # HEAD is GET
    route: str  # the path's template
    status: int
    seconds: float  # that the answer took


class Telemetry(Collector):
    """The metrics of one application."""

    def __init__(self, models: LiveModels) -> None:
        self._models = models
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "http_request_duration_seconds",
            "Time from the reading of a request to its answer",
            ("method", "route", "status"),
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._predictions = Counter(
            "softmax_predictions",
            "Images classified by /predict, /predict/batch and /v2",
            ("model", "version", "label"),
            registry=self.registry,
        )
        self._checked_inputs = Counter(
            "softmax_checked_inputs",
            "Images classified by /predict and /predict/batch, which warn of those unlike the training images",
            ("model", "version"),
            registry=self.registry,
        )
        self._unusual_inputs = Counter(
            "softmax_unusual_inputs",
            "Images among softmax_checked_inputs that look unlike the training images",
            ("model", "version", "warning"),
            registry=self.registry,
        )
        self._refused_requests = Counter(
            "softmax_refused_requests",
            "Requests refused to keep the others fast; those for overload are in no other metric",
            ("reason",),
            registry=self.registry,
        )
        Gauge("softmax_workers", "Processes that answer", multiprocess_mode="livesum", registry=self.registry).set(1)
        self._swaps = Counter(
            "softmax_model_swaps",
            "Versions replaced by another while serving, counted by each worker",
            ("model",),
            registry=self.registry,
        )
        self._load_failures = Counter(
            "softmax_model_load_failures",
            "Model files refused, counted by each worker",
            ("model",),
            registry=self.registry,
        )
        self._model_collector = _ModelCollector(models)
        self.registry.register(self._model_collector)
        self._request_series: dict[tuple[str, str, int], Histogram] = {}
        self._prediction_series: dict[tuple[str, str, str], Counter] = {}
        self._checked_series: dict[tuple[str, str], Counter] = {}
        self._also_forget: list[Callable[[str], None]] = []
        self.count_changes(Change(model.name, "added") for model in models)
        self.count_changes(Change(name, "refused") for name in models.failures)

    def requests(self, answered: Iterable[AnsweredRequest]) -> None:
        """Count answered requests."""
        for request in answered:
            key = (request.method, request.route, request.status)
            series = self._request_series.get(key)
            if series is None:  # looking a series up by its labels takes longer than counting
                series = self._request_series[key] = self._requests.labels(*key)
            series.observe(request.seconds)

    def prediction(self, model: LiveModel, label: str, count: int = 1) -> None:
        """Count classified images."""
        key = (model.name, model.version, label)
        series = self._prediction_series.get(key)
        if series is None:
            series = self._prediction_series[key] = self._predictions.labels(*key)
        series.inc(count)

    def classified(self, model: LiveModel, predictions: Iterable[Prediction]) -> None:
        """Count answers, and what they warn of."""
        counts: dict[str, int] = {}  # looking a series up takes longer than counting here
        for prediction in predictions:
            label = prediction["label"]
            counts[label] = counts.get(label, 0) + 1
            for warning in prediction.get("warnings", ()):
                self._unusual_inputs.labels(model.name, model.version, warning["code"]).inc()
        for label, count in counts.items():
            self.prediction(model, label, count)
        key = (model.name, model.version)
        series = self._checked_series.get(key)
        if series is None:
            series = self._checked_series[key] = self._checked_inputs.labels(*key)
        series.inc(sum(counts.values()))

    def refused(self, reason: str, count: int = 1) -> None:
        """Count requests that were refused to keep the others fast."""
        self._refused_requests.labels(reason).inc(count)

    def also_forget(self, forget: Callable[[str], None]) -> None:
        """Have figures that are counted elsewhere dropped, too, by the name of a model that is no longer served."""
        self._also_forget.append(forget)

    def count_changes(self, changes: Iterable[Change]) -> None:
        """Count what became of models, and forget the figures of models and versions that are no longer held."""
        for name, outcome, role in changes:
            if role == "champion":
                self._swaps.labels(name).inc(outcome == "swapped")
                self._load_failures.labels(name).inc(outcome == "refused")
            if are_shared():
                continue  # what workers share can't be erased; `counted` leaves it out
            if role == "champion" and outcome == "removed":
                self._forget(name)
            self._forget_versions(name)

    def exposition(self, accept: str, besides: Iterable[Metric] = ()) -> tuple[bytes, str]:
        """All metrics and those `besides` as text, in the newest format that `accept` allows, and its content type."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version in `accept` that is none
            encode, content_type = choose_encoder("text/plain")
        return encode(_Metrics([*self.collect(), *besides])), content_type

    def collect(self) -> Iterable[Metric]:
        """What was counted, and the models."""
        return self.counted()

    def live_figures(self, model: str) -> LiveFigures:
        """The counters as JSON shows them: of one model, in whichever of its versions; requests are of all."""
        requests = 0
        predictions: Tally[str] = Tally()
        checked = 0
        unusual: Tally[str] = Tally()
        for metric in self.counted():
            for sample in metric.samples:
                if sample.labels.get("model", model) != model:
                    continue
                if sample.name == "http_request_duration_seconds_count":
                    requests += int(sample.value)
                elif sample.name == "softmax_predictions_total":
                    predictions[sample.labels["label"]] += int(sample.value)
                elif sample.name == "softmax_checked_inputs_total":
                    checked += int(sample.value)
                elif sample.name == "softmax_unusual_inputs_total":
                    unusual[sample.labels["warning"]] += int(sample.value)
        return {
            "requests": requests,
            "predictions": dict(predictions),
            "unusual_inputs": dict(unusual),
            "unusual_share": unusual.total() / max(1, checked),
        }

    def _forget(self, model: str) -> None:
        counters = (self._predictions, self._checked_inputs, self._unusual_inputs, self._swaps, self._load_failures)
        for metric in counters:
            metric.remove_by_labels({"model": model})
        for forget in self._also_forget:
            forget(model)

    def _forget_versions(self, model: str) -> None:
        held = {version.version for version in self._models.versions(model).values()}
        gone = {version for name, version, *_ in self._prediction_series if name == model} - held
        for version in gone:
            for metric in (self._predictions, self._checked_inputs, self._unusual_inputs):
                metric.remove_by_labels({"model": model, "version": version})
        self._checked_series = {
            key: series for key, series in self._checked_series.items() if key[0] != model or key[1] not in gone
        }
        self._prediction_series = {
            key: series for key, series in self._prediction_series.items() if key[0] != model or key[1] not in gone
        }

    def counted(self) -> list[Metric]:
        """The figures of this process, or of all workers; without those of models and versions no longer served.

        Not to be called in an event loop: see `all_workers`.
        """
        versions: dict[str, set[str]] = {name: set() for name in self._models.failures} | {
            model.name: {held.version for held in self._models.versions(model.name).values()} for model in self._models
        }
        metrics = all_workers(self.registry)
        if are_shared():
            metrics += self._model_collector.collect()
        for metric in metrics:
            metric.samples = [sample for sample in metric.samples if _is_of(versions, sample.labels)]
        return metrics


def _is_of(versions: dict[str, set[str]], labels: dict[str, str]) -> bool:
    """Whether a sample is of no model, or of one that is served, or whose file was refused; and of a held version."""
    model, version = labels.get("model"), labels.get("version")
    return model is None or (model in versions and (version is None or version in versions[model]))


class _Metrics(Collector):
    """Metrics that are made already."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


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
        return info, accuracy, *self._standing_by()

    def _standing_by(self) -> Iterable[Metric]:
        info = InfoMetricFamily("softmax_model_standby", "A version that stands by", labels=("model", "role"))
        accuracy = GaugeMetricFamily(
            "softmax_model_standby_test_accuracy", "Its accuracy on the test set", labels=("model", "role")
        )
        for champion in self._models:
            for role, model in self._models.versions(champion.name).items():
                if role != "champion":
                    info.add_metric((model.name, role), {"version": model.version})
                    accuracy.add_metric((model.name, role), model.metadata.evaluation.accuracy)
        return info, accuracy
