"""deploy/prometheus and deploy/grafana, held against the real service by a real Prometheus."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from app.classifier import artifact
from tests import drawings
from tests.conftest import REPOSITORY, free_port, make_metadata, make_model, running_server, wait_until_it_answers

CONFIGURATION = REPOSITORY / "deploy" / "prometheus"
DASHBOARD = json.loads((REPOSITORY / "deploy" / "grafana" / "dashboards" / "softmax-serving.json").read_text())
KEY = "a-key-that-prometheus-has-too"
MAX_PENDING_BYTES = 100_000
VARIABLES = {"$__rate_interval": "4s", "$__interval": "1s", "$model": ".*"}

PROMETHEUS = shutil.which("prometheus") or ""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROMETHEUS, reason="needs Prometheus: apt-get install prometheus"),
]


def queries() -> list[str]:
    """Every expression of the dashboard, its variables filled in as Grafana does."""
    targets = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
    expressions = [source["expr"] for source in [*targets, *DASHBOARD["annotations"]["list"]]]
    for name, value in VARIABLES.items():
        expressions = [expression.replace(name, value) for expression in expressions]
    return expressions


class Prometheus:
    """A client of Prometheus's HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str | float) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def series(self, query: str, started: float) -> list[dict[str, Any]]:
        """What a graph of the query since `started` shows: the series that have a number somewhere."""
        found = self.get("query_range", query=query, start=started, end=time.time(), step=1)["result"]
        return [one for one in found if any(value != "NaN" for _, value in one["values"])]


@contextmanager
def running_prometheus(target: str, folder: Path) -> Iterator[Prometheus]:
    """Prometheus with our configuration, but scraping `target`, that often, and with a key."""
    (folder / "key").write_text(KEY)
    text = (CONFIGURATION / "prometheus.yml").read_text()
    text = re.sub(r"(scrape|evaluation)_interval: \w+", r"\1_interval: 500ms", text).replace("service:8000", target)
    text = text.replace("# authorization:", "authorization:").replace("/run/keys/prometheus", str(folder / "key"))
    (folder / "prometheus.yml").write_text(text)
    shutil.copy(CONFIGURATION / "rules.yml", folder)
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    process = subprocess.Popen(
        [PROMETHEUS, *options, f"--web.listen-address={address}", "--log.level=error"], cwd=folder
    )
    try:
        wait_until_it_answers(f"http://{address}/-/ready", process)
        yield Prometheus(f"http://{address}")
    finally:
        process.terminate()
        process.wait(timeout=20)


def wait_for(what: Callable[[], object], seconds: float = 20) -> object:
    """What `what` returns once that is true, or at last."""
    deadline = time.monotonic() + seconds
    while not (value := what()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return value


def send_traffic(url: str) -> None:
    """An answer, a warning, feedback, a caller's mistake, and more bytes than may be pending."""
    with httpx.Client(base_url=url, headers={"X-API-Key": KEY}) as client:
        label = client.post("/predict", files={"file": drawings.png()}).json()["label"]
        for content in (drawings.png(Image.new("L", (28, 28))), b"no image", bytes(2 * MAX_PENDING_BYTES)):
            client.post("/predict", files={"file": content})
        client.post("/feedback", files=[("file", drawings.png()), ("label", (None, label.encode()))])


def change_models(models: Path) -> None:
    """A new version of the one, and another that is damaged."""
    artifact.save(models / "fashion-mnist" / artifact.FILE_NAME, make_model(), make_metadata())
    (models / "damaged").mkdir()
    (models / "damaged" / artifact.FILE_NAME).write_bytes(b"no model")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, float]]:
    """A Prometheus that has seen some of everything on a real server; and when it began."""
    folder = tmp_path_factory.mktemp("monitoring")
    models = folder / "models"
    shutil.copytree(REPOSITORY / "models", models)
    with (
        running_server(models, SOFTMAX_API_KEYS=KEY, SOFTMAX_MAX_PENDING_BYTES=str(MAX_PENDING_BYTES)) as url,
        running_prometheus(url.removeprefix("http://"), folder) as prometheus,
    ):
        started = time.time()
        send_traffic(url)
        assert wait_for(lambda: prometheus.get("query", query="softmax_unusual_inputs_total")["result"])
        send_traffic(url)
        assert wait_for(lambda: prometheus.get("query", query="softmax_model_live_accuracy")["result"])
        time.sleep(1.5)  # a step of the graphs, at least: a new version has no live accuracy until it gets feedback
        change_models(models)
        time.sleep(2)  # some scrapes more, so that there are rates
        yield prometheus, started


def test_prometheus_scrapes_the_service(watched: tuple[Prometheus, float]) -> None:
    [target] = watched[0].get("targets")["activeTargets"]

    assert (target["health"], target["lastError"]) == ("up", "")
    assert target["labels"]["job"] == "softmax-serving"


def test_every_alert_is_evaluated_without_error(watched: tuple[Prometheus, float]) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in watched[0].get("rules")["groups"] for rule in group["rules"]]

    assert wait_for(lambda: all(rule["health"] != "unknown" for rule in rules()))
    assert {rule["name"]: rule.get("lastError") for rule in rules() if rule["health"] != "ok"} == {}
    assert len(rules()) == (CONFIGURATION / "rules.yml").read_text().count("- alert: ")


# Shown once there are enough answers to tell; tests/app/records/test_drift.py has those.
LATER = "softmax_model_live_drift"


@pytest.mark.parametrize("query", [query for query in queries() if LATER not in query])
def test_every_query_of_the_dashboard_shows_something(query: str, watched: tuple[Prometheus, float]) -> None:
    prometheus, started = watched

    assert prometheus.series(query, started)


def test_no_metric_of_the_dashboard_or_the_alerts_is_misspelled(watched: tuple[Prometheus, float]) -> None:
    text = " ".join(queries()) + (CONFIGURATION / "rules.yml").read_text()
    named = set(re.findall(r"\b(?:softmax|http)_\w+", text))

    assert {name for name in named if not name.startswith(LATER)} <= set(watched[0].get("label/__name__/values"))
    assert LATER in (REPOSITORY / "app" / "records" / "metrics.py").read_text()


def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    command = ["promtool", "test", "rules", "rules.test.yml"]

    result = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)

    assert result.returncode == 0, result.stderr


def test_every_alert_has_a_test_and_a_section_in_the_operations_manual() -> None:
    alerts = re.findall(r"- alert: (\w+)", (CONFIGURATION / "rules.yml").read_text())
    tests = Path(__file__).with_name("rules.test.yml").read_text()
    manual = (REPOSITORY / "docs" / "operations.md").read_text()

    assert [name for name in alerts if f"alertname: {name}" not in tests or f"### {name}\n" not in manual] == []
