"""BentoML with adaptive batching: `bentoml serve server:ImageService`."""

from typing import Any

import bentoml
import torch
from classifier import Classifier, flatten
from PIL.Image import Image


@bentoml.service(workers=1, traffic={"timeout": 60}, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class ImageService:
    def __init__(self) -> None:
        self.classifier = Classifier()

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1000)
    def classify(self, files: list[Image]) -> list[dict[str, Any]]:
        return self.classifier.answers(torch.stack([flatten(file) for file in files]))
