"""deploy/ray_serve.py with one replica on a node of its own; `python server.py PORT`."""

import signal
import sys
from pathlib import Path

import ray
from ray import serve

from deploy.ray_serve import deployment

if __name__ == "__main__":
    ray.init(
        include_dashboard=False,
        num_cpus=1,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
        _temp_dir=str(Path.cwd()),
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(deployment.options(autoscaling_config={"min_replicas": 1, "max_replicas": 1}).bind())
    signal.pause()
