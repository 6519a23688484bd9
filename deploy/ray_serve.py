"""The service on Ray Serve: replicas on every node of a cluster, more of them under load.

    export RAY_USAGE_STATS_ENABLED=0                   # Ray reports its usage to its makers otherwise
    serve run deploy.ray_serve:application             # on this machine, or on the cluster of RAY_ADDRESS
    serve deploy deploy/ray_serve.yaml                 # on a cluster that runs, with its limits written down

A replica is one process with everything that `python -m app` serves. Its settings are the SOFTMAX_* variables of its
node, and the models folder is a folder of its node; host, port and workers are Ray's to say.

Start each node with RAY_SERVE_ENABLE_HA_PROXY=1 and RAY_SERVE_THROUGHPUT_OPTIMIZED=1 where its network is closed (the
replicas' own ports then listen on all interfaces): a request takes a tenth of the CPU time that Ray's proxy in Python
takes. What is left is about 7 times plain uvicorn's: benchmarks/serving/README.md.

What differs from `python -m app`:
- `/metrics` adds up the replicas of one node. Ray's proxies in Python prefer the replicas of their own node, so scrape
  the proxy of every node; HAProxy asks any node, so scrape a replica's own port (from 30000 on) on every node. What a
  node counted goes with the node.
- What a node had accepted when it died is answered by Ray with a bare 500; callers send it again.
"""

import os
import tempfile
from pathlib import Path

import ray
from fastapi import FastAPI
from ray import serve
from starlette.types import Message, Receive, Scope, Send

__all__ = ["application", "deployment"]


class _Replica:
    """The service without its `X-Request-Id`: Ray's proxy gives every request one, hands it on, and returns it."""

    def __init__(self, service: FastAPI) -> None:
        self._service = service
        self.routes = service.routes  # Ray's metrics name them

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [field for field in message["headers"] if field[0] != b"x-request-id"]
            await send(message)

        await self._service(scope, receive, send_without_id)


def _build() -> _Replica:
    """Called in each replica's process."""
    node = ray.get_runtime_context().get_node_id()
    figures = Path(tempfile.gettempdir()) / f"softmax-metrics-{node}"  # where the replicas of a node add them up
    figures.mkdir(exist_ok=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(figures)
    from app.main import create_app  # noqa: PLC0415  prometheus-client reads that variable when it is imported

    return _Replica(create_app())


deployment = serve.deployment(
    serve.ingress(_build)(),
    name="service",
    ray_actor_options={"num_cpus": 1},
    max_ongoing_requests=64,
    autoscaling_config={
        "min_replicas": 1,
        "max_replicas": 32,
        "target_ongoing_requests": 2,  # at random arrivals, a replica at 0.7 to 0.8 of its capacity has about as many
    },
)
application = deployment.bind()
