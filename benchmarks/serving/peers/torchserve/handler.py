"""TorchServe's handler: a batch of requests to a batch of answers."""

from typing import Any

from classifier import Classifier


class ImageHandler:
    def initialize(self, context: Any) -> None:  # noqa: ARG002  TorchServe's signature
        self.classifier = Classifier()

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[dict[str, Any]]:  # noqa: ARG002  as above
        return self.classifier.classify([bytes(request["file"]) for request in data])
