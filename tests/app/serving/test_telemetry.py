"""What is counted, in which series, of which models it is shown, and in which form."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_prometheus

from app.classifier.artifact import Artifact
from app.serving.answers import Prediction
from app.serving.live_model import LiveModel
from app.serving.live_models import Change, LiveModels
from app.serving.telemetry import Telemetry
from tests.app.serving.test_live_models import NAME, file_of, look_twice, put
from tests.conftest import make_metadata, make_model

LABEL = "Bag"


@dataclass
class Request:
    """An answered request."""

    method: str = "GET"
    route: str = "/livez"
    status: int = 200
    seconds: float = 0.001


@pytest.fixture
def models(models_dir: Path) -> LiveModels:
    return LiveModels(models_dir)


@pytest.fixture
def telemetry(models: LiveModels) -> Telemetry:
    return Telemetry(models)


def prediction(label: str = LABEL, warning: str | None = None) -> Prediction:
    made: Prediction = {
        "id": "id",
        "label": label,
        "class_id": 0,
        "confidence": 1.0,
        "probabilities": {},
        "model": {"name": NAME, "version": "0" * 12},
    }
    if warning is not None:
        made["warnings"] = [{"code": warning, "detail": ""}]  # type: ignore[typeddict-item]  # any text
    return made


def samples(telemetry: Telemetry, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The samples of one name, by the values of these labels."""
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for metric in telemetry.collect()
        for sample in metric.samples
        if sample.name == name
    }


@pytest.fixture
def model(models: LiveModels) -> LiveModel:
    return models.get()


def test_requests_are_counted_by_what_was_asked_and_answered_and_timed(telemetry: Telemetry) -> None:
    telemetry.requests([Request(), Request(seconds=0.2), Request("POST", "/predict", 415)])
    telemetry.requests([Request(status=503)])

    series = ("method", "route", "status")
    assert samples(telemetry, "http_request_duration_seconds_count", *series) == {
        ("GET", "/livez", "200"): 2,
        ("POST", "/predict", "415"): 1,
        ("GET", "/livez", "503"): 1,
    }
    assert samples(telemetry, "http_request_duration_seconds_sum", *series)["GET", "/livez", "200"] == 0.201
    buckets = samples(telemetry, "http_request_duration_seconds_bucket", *series, "le")
    assert [buckets["GET", "/livez", "200", le] for le in ("0.0005", "0.001", "0.25", "+Inf")] == [0, 1, 2, 2]


def test_answers_are_counted_by_their_label_and_by_what_they_warn_of(telemetry: Telemetry, model: LiveModel) -> None:
    telemetry.classified(model, [prediction(), prediction("Coat"), prediction(warning="blank")])
    telemetry.classified(model, [prediction(warning="unusual")])
    telemetry.prediction(model, "Coat", 4)  # of tensors, which are held against nothing

    assert samples(telemetry, "softmax_predictions_total", "label") == {(LABEL,): 3, ("Coat",): 5}
    assert samples(telemetry, "softmax_checked_inputs_total", "model") == {(NAME,): 4}
    assert samples(telemetry, "softmax_unusual_inputs_total", "warning") == {("blank",): 1, ("unusual",): 1}
    assert telemetry.live_figures(NAME) == {
        "requests": 0,
        "predictions": {LABEL: 3, "Coat": 5},
        "unusual_inputs": {"blank": 1, "unusual": 1},
        "unusual_share": 0.5,
    }


def test_where_nothing_was_answered_nothing_is_divided(telemetry: Telemetry) -> None:
    assert telemetry.live_figures(NAME) == {"requests": 0, "predictions": {}, "unusual_inputs": {}, "unusual_share": 0}


@given(st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, "x", "y"])), max_size=4), max_size=5))
def test_however_answers_come_together_the_figures_are_the_same(turns: list[list[tuple[str, str | None]]]) -> None:
    together, alone = Telemetry(NO_MODELS), Telemetry(NO_MODELS)
    for turn in turns:
        together.classified(MODEL, [prediction(*one) for one in turn])
        for one in turn:
            alone.classified(MODEL, [prediction(*one)])

    assert figures(together) == figures(alone)


NO_MODELS = LiveModels(Path("/none"))
MODEL = LiveModel(NAME, Artifact(make_model(), make_metadata(), "0" * 12))


def figures(telemetry: Telemetry) -> dict[str, float]:
    counted = ("softmax_predictions", "softmax_checked_inputs", "softmax_unusual_inputs")
    return {
        f"{sample.name}{sample.labels}": sample.value
        for metric in telemetry.registry.collect()
        for sample in metric.samples
        if sample.name.startswith(counted) and sample.name.endswith("_total") and sample.value
    }


def test_what_is_shed_is_counted_by_the_reason(telemetry: Telemetry) -> None:
    telemetry.refused("overload", 5)
    telemetry.refused("heavy_work")
    telemetry.refused("overload")

    assert samples(telemetry, "softmax_refused_requests_total", "reason") == {("overload",): 6, ("heavy_work",): 1}


def test_models_are_shown_with_version_and_accuracy_as_they_are_at_each_look(
    telemetry: Telemetry, models: LiveModels, models_dir: Path
) -> None:
    before = samples(telemetry, "softmax_model_info", "model", "version")
    version = put(models_dir)
    telemetry.count_changes(look_twice(models))

    assert samples(telemetry, "softmax_model_info", "model", "version") == {(NAME, version): 1}
    assert before.keys() != {(NAME, version)}
    assert samples(telemetry, "softmax_model_test_accuracy", "model") == {(NAME,): 0.9}


def test_swaps_and_refusals_are_counted_from_nought(telemetry: Telemetry, models: LiveModels, models_dir: Path) -> None:
    before = [samples(telemetry, f"softmax_model_{name}_total", "model") for name in ("swaps", "load_failures")]
    put(models_dir)
    telemetry.count_changes(look_twice(models))
    file_of(models_dir).write_bytes(b"half")
    telemetry.count_changes(look_twice(models))

    assert before == [{(NAME,): 0}, {(NAME,): 0}]
    assert samples(telemetry, "softmax_model_swaps_total", "model") == {(NAME,): 1}
    assert samples(telemetry, "softmax_model_load_failures_total", "model") == {(NAME,): 1}


def test_what_becomes_of_those_that_stand_by_is_no_swap(telemetry: Telemetry) -> None:
    telemetry.count_changes([Change(NAME, outcome, "challenger") for outcome in ("swapped", "refused", "removed")])

    assert samples(telemetry, "softmax_model_swaps_total", "model") == {(NAME,): 0}
    assert samples(telemetry, "softmax_model_load_failures_total", "model") == {(NAME,): 0}


def test_a_model_that_is_gone_takes_its_figures_along_and_begins_anew_when_it_comes_back(
    telemetry: Telemetry, models: LiveModels, models_dir: Path
) -> None:
    forgotten: list[str] = []
    telemetry.also_forget(forgotten.append)

    def come() -> None:
        put(models_dir, "letters")
        telemetry.count_changes(look_twice(models))
        telemetry.classified(models.get("letters"), [prediction("a", "blank")])

    come()
    telemetry.classified(models.get(), [prediction()])
    file_of(models_dir, "letters").unlink()
    telemetry.count_changes(look_twice(models))
    gone = {name for (name,) in samples(telemetry, "softmax_predictions_total", "model")}
    come()

    assert forgotten == ["letters"]
    assert gone == {NAME}
    for name in ("predictions", "checked_inputs", "unusual_inputs"):
        assert samples(telemetry, f"softmax_{name}_total", "model")["letters",] == 1
    assert samples(telemetry, "softmax_predictions_total", "model")[NAME,] == 1


def test_a_version_that_is_no_longer_held_takes_its_figures_along(
    telemetry: Telemetry, models: LiveModels, models_dir: Path
) -> None:
    telemetry.classified(models.get(), [prediction(warning="blank")])
    version = put(models_dir)
    telemetry.count_changes(look_twice(models))
    telemetry.classified(models.get(), [prediction("Coat")])

    assert samples(telemetry, "softmax_predictions_total", "version", "label") == {(version, "Coat"): 1}
    assert telemetry.live_figures(NAME)["unusual_inputs"] == {}


def test_what_is_of_no_served_model_is_not_shown(telemetry: Telemetry) -> None:
    telemetry.prediction(MODEL, "a")  # the name of a served one, but another version

    assert samples(telemetry, "softmax_predictions_total", "model") == {}
    assert telemetry.live_figures(NAME)["predictions"] == {}


def test_the_figures_of_one_model_leave_out_those_of_others_but_for_requests(
    telemetry: Telemetry, models: LiveModels, models_dir: Path
) -> None:
    put(models_dir, "letters")
    telemetry.count_changes(look_twice(models))
    telemetry.requests([Request(), Request()])
    telemetry.classified(models.get(), [prediction()])
    telemetry.classified(models.get("letters"), [prediction("a", "blank")])

    assert telemetry.live_figures("letters") == {
        "requests": 2,
        "predictions": {"a": 1},
        "unusual_inputs": {"blank": 1},
        "unusual_share": 1,
    }
    assert telemetry.live_figures(NAME)["predictions"] == {LABEL: 1}


def test_a_model_whose_file_is_refused_is_shown_as_one_that_failed(tmp_path: Path) -> None:
    file_of(tmp_path, "letters").parent.mkdir()
    file_of(tmp_path, "letters").write_bytes(b"half")

    telemetry = Telemetry(LiveModels(tmp_path))

    assert samples(telemetry, "softmax_model_load_failures_total", "model") == {("letters",): 1}
    assert samples(telemetry, "softmax_model_info", "model") == {}


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("text/plain", "text/plain; version=0.0.4"),
        ("application/openmetrics-text;version=1.0.0", "application/openmetrics-text; version=1.0.0"),
        ("", "text/plain; version=0.0.4"),
        ("application/openmetrics-text;version=none", "text/plain; version=0.0.4"),
    ],
)
def test_the_newest_form_that_is_accepted_is_used_and_both_say_the_same(
    telemetry: Telemetry, accept: str, form: str
) -> None:
    telemetry.requests([Request()])
    besides = GaugeMetricFamily("besides", "Made by others", 7)

    content, content_type = telemetry.exposition(accept, [besides])

    assert content_type.startswith(form)
    is_newer = "openmetrics" in content_type
    families = list((parse_openmetrics if is_newer else parse_prometheus)(content.decode()))
    found = {sample.name: sample.value for family in families for sample in family.samples}
    assert (found["http_request_duration_seconds_count"], found["besides"], found["softmax_workers"]) == (1, 7, 1)


TOKENS = ["application/openmetrics-text", "text/plain", ";", ",", "=", "version", "1.0.0", "0.0.4", "2", "escaping"]
TOKENS += ["allow-utf-8", "underscores", "q", "0.5", " ", "*/*", "é", '"']


@given(st.lists(st.sampled_from(TOKENS), max_size=9).map("".join))
def test_whatever_is_accepted_gets_figures(accept: str) -> None:
    content, content_type = Telemetry(NO_MODELS).exposition(accept)

    assert b"softmax_workers" in content
    assert content_type.startswith(("text/plain", "application/openmetrics-text"))
