"""LitServe with batching; `python server.py PORT`."""

import sys
from typing import Any

import litserve
from classifier import Classifier


class ImageAPI(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002  the worker's device, always cpu
        self.classifier = Classifier()

    def decode_request(self, request) -> bytes:  # noqa: ANN001  LitServe takes an annotation for the body's type
        return request["file"].file.read()

    def batch(self, inputs: list[bytes]) -> list[bytes]:
        return inputs

    def predict(self, x: list[bytes]) -> list[dict[str, Any]]:
        return self.classifier.classify(x)

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    api = ImageAPI(max_batch_size=64, batch_timeout=0.001)
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
