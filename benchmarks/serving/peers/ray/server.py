"""Ray Serve with batching; `python server.py PORT`."""

import signal
import sys
from pathlib import Path
from typing import Any

import ray
from classifier import Classifier
from ray import serve
from starlette.requests import Request


@serve.deployment(max_ongoing_requests=256, ray_actor_options={"num_cpus": 0})
class ImageService:
    def __init__(self) -> None:
        self.classifier = Classifier()

    async def __call__(self, request: Request) -> dict[str, Any]:
        form = await request.form()
        return await self.classify(await form["file"].read())

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.001)
    async def classify(self, files: list[bytes]) -> list[dict[str, Any]]:
        return self.classifier.classify(files)


if __name__ == "__main__":
    ray.init(
        include_dashboard=False,
        num_cpus=1,
        log_to_driver=False,
        object_store_memory=100 * 2**20,
        _temp_dir=str(Path.cwd()),
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1]), "access_log": False})
    serve.run(ImageService.bind())
    signal.pause()
