"""What the protocol's statistics are made of: counters in Prometheus, so that they add up over all workers."""

from collections.abc import Iterable
from time import time
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric, Summary

from app.open_inference.schemas import DurationStatistic, ModelStatistics

__all__ = ["Durations", "InferenceCounters", "statistics"]


class Durations(NamedTuple):
    """Where the time of one inference request went, in seconds."""

    compute_input: float
    compute_infer: float
    compute_output: float


class _Series(NamedTuple):
    images: Summary
    steps: tuple[Counter, ...]
    failures: Summary
    last: Gauge


class InferenceCounters:
    """Counts inference requests; `requests` here are this protocol's alone."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._images = Summary(
            "softmax_inference_images", "Images per inference request", ("model",), registry=registry
        )
        self._steps = Counter(
            "softmax_inference_seconds", "Time spent on inference requests", ("model", "step"), registry=registry
        )
        self._failures = Summary(
            "softmax_inference_failure_seconds", "Time spent on refused requests", ("model",), registry=registry
        )
        self._last = Gauge(
            "softmax_last_inference_timestamp_seconds",
            "When the last inference request was answered",
            ("model",),
            registry=registry,
            multiprocess_mode="max",
        )
        self._series: dict[str, _Series] = {}

    def succeeded(self, model: str, images: int, steps: Durations) -> None:
        """Count one answered request."""
        series = self._of(model)
        series.images.observe(images)
        for counter, seconds in zip(series.steps, steps, strict=True):
            counter.inc(seconds)
        series.last.set(time())

    def failed(self, model: str, seconds: float) -> None:
        """Count one refused request."""
        self._of(model).failures.observe(seconds)

    def forget(self, model: str) -> None:
        """Drop what was counted of this model."""
        self._series.pop(model, None)
        for metric in (self._images, self._steps, self._failures, self._last):
            metric.remove_by_labels({"model": model})

    def _of(self, model: str) -> _Series:
        series = self._series.get(model)
        if series is None:
            steps = tuple(self._steps.labels(model, step) for step in Durations._fields)
            labelled = (metric.labels(model) for metric in (self._images, self._failures))
            images, failures = labelled
            series = self._series[model] = _Series(images, steps, failures, self._last.labels(model))
        return series


def statistics(metrics: Iterable[Metric], model: str, version: str) -> ModelStatistics:
    """The protocol's view of what `InferenceCounters` counted.

    Args:
        metrics: all that is collected, of this worker or of all.
        model: name of the model.
        version: the version that is served now; the figures are of all versions under this name.
    """
    values = {
        f"{sample.name}:{sample.labels.get('step', '')}": sample.value
        for metric in metrics
        for sample in metric.samples
        if sample.labels.get("model") == model
    }

    def value(name: str, step: str = "") -> float:
        return values.get(f"softmax_{name}:{step}", 0)

    def duration(count: float, seconds: float) -> DurationStatistic:
        return {"count": int(count), "ns": round(seconds * 1e9)}

    executions = value("inference_images_count")
    steps = Durations(*(value("inference_seconds_total", step) for step in Durations._fields))
    return {
        "name": model,
        "version": version,
        "last_inference": round(value("last_inference_timestamp_seconds") * 1000),
        "inference_count": int(value("inference_images_sum")),
        "execution_count": int(executions),
        "inference_stats": {
            "success": duration(executions, sum(steps)),
            "fail": duration(value("inference_failure_seconds_count"), value("inference_failure_seconds_sum")),
            "queue": duration(executions, 0),
            "compute_input": duration(executions, steps.compute_input),
            "compute_infer": duration(executions, steps.compute_infer),
            "compute_output": duration(executions, steps.compute_output),
        },
        "batch_stats": [],
    }
