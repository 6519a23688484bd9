"""The service on a Ray cluster of three nodes on this machine: a head without replicas, and two that answer.

Each node has a model of its own, so that the model's version in an answer tells which node gave it.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx
import psutil
import pytest

from app.classifier import artifact
from tests import drawings
from tests.conftest import free_port, make_metadata, make_model

pytest.importorskip("ray", reason="needs Ray: `make test-ray` installs it into an environment of its own.")

import ray
from ray import serve
from ray.cluster_utils import Cluster

from deploy.ray_serve import deployment

CONNECTIONS = 8
NODE = {"node_ip_address": "127.0.0.1", "include_dashboard": False, "object_store_memory": 80 * 2**20}


class RayCluster:
    """A head and its nodes, each a set of processes on the loopback interface."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **NODE})
        ray.init(self._cluster.address, log_to_driver=False)
        self.url = f"http://127.0.0.1:{free_port()}"
        port = int(self.url.rpartition(":")[2])
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})

    def add_node(self, seed: int, replicas: int) -> tuple[Any, str]:
        """Start a node with room for so many replicas; returns it, and the version of the model in its folder."""
        models = self._folder / f"models-{seed}"
        artifact.save(models / "fashion-mnist" / artifact.FILE_NAME, make_model(seed=seed), make_metadata())
        version = artifact.load(models / "fashion-mnist" / artifact.FILE_NAME).version
        variables = {"SOFTMAX_MODELS_DIR": str(models)}
        return self._cluster.add_node(num_cpus=replicas, env_vars=variables, **NODE), version

    def kill(self, node: Any) -> None:
        """End every process of a node at once, as a power cut does."""
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        for process in [*raylet.children(recursive=True), raylet]:
            process.kill()
        self._cluster.remove_node(node, allow_graceful=False)

    def stop(self) -> None:
        serve.shutdown()
        ray.shutdown()
        self._cluster.shutdown()


class Load:
    """Some connections that post an image, and the next one as soon as the answer is there, while this is entered."""

    def __init__(self, url: str) -> None:
        self.answers: list[tuple[float, int, str]] = []  # when it came, its status, the version that gave it
        self._url = url
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._post) for _ in range(CONNECTIONS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def count(self, version: str) -> int:
        return sum(answered_by == version for _, _, answered_by in self.answers)

    def _post(self) -> None:
        with httpx.Client(timeout=30) as client:
            while not self._over.is_set():
                answer = client.post(f"{self._url}/predict", files={"file": drawings.png()})
                version = answer.json()["model"]["version"] if answer.status_code == 200 else "none"
                self.answers.append((time.monotonic(), answer.status_code, version))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    address = ray.util.get_node_ip_address()
    if address != "127.0.0.1":  # Ray would look there for what listens on loopback, for minutes
        pytest.fail(f"needs a machine without other addresses than loopback, or a network namespace; has {address}")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_worker_niceness", "0")  # 15 by itself: all else on the machine would go first
        environment.setenv("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "60")  # 5 by itself: too short on a busy machine
        environment.setenv("TMPDIR", str(tmp_path_factory.mktemp("figures")))
        running = RayCluster(tmp_path_factory.mktemp("cluster"))
        yield running
        running.stop()


@pytest.fixture(scope="module")
def nodes(cluster: RayCluster) -> list[tuple[Any, str]]:
    """Two nodes, with two replicas and with one: the service of the tests."""
    nodes = [cluster.add_node(seed=0, replicas=2), cluster.add_node(seed=1, replicas=1)]
    serve.run(deployment.options(autoscaling_config={"min_replicas": 3, "max_replicas": 3}).bind())
    return nodes


def wait_until(true: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not (reached := true()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return reached


def images_classified(cluster: RayCluster, version: str) -> int:
    """By the node whose model has this version, all its replicas together."""
    while (figures := httpx.get(f"{cluster.url}/metrics").json())["model"]["version"] != version:
        pass
    return sum(figures["live"]["predictions"].values())


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/predict", {"files": {"file": drawings.png()}}),
        ("POST", "/predict?pixels=true", {"content": drawings.png(), "headers": {"Content-Type": "image/png"}}),
        ("POST", "/predict/batch", {"files": [("files", drawings.png()), ("files", b"no image")]}),
        ("POST", "/predict", {"files": {"file": b"no image"}}),
        ("POST", "/predict", {"content": b"0" * 2**22, "headers": {"Content-Type": "image/png"}}),
        ("POST", "/predict?model=none", {"files": {"file": drawings.png()}}),
        ("POST", "/predict?coverage=2", {"files": {"file": drawings.png()}}),
        ("PUT", "/predict", {}),
        ("GET", "/v2/models/none", {}),
        ("GET", "/readyz", {}),
        ("GET", "/models", {}),
        ("GET", "/nothing", {}),
        ("GET", "/", {}),
        ("GET", "/openapi.json", {}),
    ],
)
def test_it_answers_as_the_service_alone_does(
    cluster: RayCluster, server: str, method: str, path: str, body: dict[str, Any]
) -> None:
    ours, alone = (httpx.request(method, f"{url}{path}", **body) for url in (cluster.url, server))

    assert ours.status_code == alone.status_code
    assert shape(ours) == shape(alone)


def shape(answer: httpx.Response) -> Any:
    """The kind of an answer, and what its JSON consists of."""
    kind = answer.headers["content-type"]
    return kind, sorted(answer.json()) if kind.endswith("json") and answer.text.startswith("{") else None


@pytest.mark.usefixtures("nodes")
def test_a_request_id_is_kept_and_returned_once(cluster: RayCluster) -> None:
    answer = httpx.post(f"{cluster.url}/predict", files={"file": b""}, headers={"X-Request-Id": "from-the-caller"})

    assert answer.headers.get_list("x-request-id") == ["from-the-caller"]
    assert answer.json()["request_id"] == "from-the-caller"


@pytest.mark.usefixtures("nodes")
def test_replicas_are_added_under_load(cluster: RayCluster) -> None:
    quick = {"min_replicas": 1, "max_replicas": 2, "upscale_delay_s": 1, "look_back_period_s": 2}
    options = {"ray_actor_options": {"num_cpus": 0}, "autoscaling_config": {"target_ongoing_requests": 2} | quick}
    serve.run(deployment.options(**options).bind(), name="elastic", route_prefix="/elastic")

    with Load(f"{cluster.url}/elastic") as load:
        grown = wait_until(lambda: replicas("elastic") == 2)
    serve.delete("elastic")

    assert grown
    assert {status for _, status, _ in load.answers} == {200}


def replicas(name: str) -> int:
    states = serve.status().applications[name].deployments["service"].replica_states
    return int(states.get("RUNNING", 0))


def test_what_other_nodes_accepted_is_answered_when_a_node_dies_and_a_new_one_joins(
    cluster: RayCluster, nodes: list[tuple[Any, str]]
) -> None:
    (_, staying), (dying, gone) = nodes
    before = images_classified(cluster, staying)

    with ExitStack() as stack:
        load = stack.enter_context(Load(cluster.url))
        assert wait_until(lambda: load.count(staying) > 50 and load.count(gone) > 50)
        cluster.kill(dying)
        stack.pop_all().close()
    after = images_classified(cluster, staying)
    lost = Counter(status for _, status, _ in load.answers if status != 200)
    _, joining = cluster.add_node(seed=2, replicas=1)
    with Load(cluster.url) as second:
        whole = wait_until(lambda: second.count(joining) > 50)

    assert after - before == load.count(staying)
    assert lost.total() <= CONNECTIONS
    assert whole
    assert {status for _, status, _ in second.answers} == {200}
