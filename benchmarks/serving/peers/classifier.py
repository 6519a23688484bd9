"""What the peers' servers have in common, so that only the serving differs: the model, and one image to one row."""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

torch.set_num_threads(1)


class Classifier:
    """Softmax regression from the model file that the environment's MODEL names."""

    def __init__(self) -> None:
        with safe_open(Path(os.environ["MODEL"]), "pt") as file:
            metadata = json.loads(file.metadata()["softmax_serving"])
            self.weight = file.get_tensor("weight")  # (C, 784)
            self.bias = file.get_tensor("bias")  # (C,)
        self.labels: list[str] = metadata["labels"]

    @torch.inference_mode()
    def probabilities(self, pixels: Tensor) -> Tensor:
        """uint8 [N, 784] -> float32 [N, C]."""
        inputs = pixels.to(torch.float32).div_(255)
        return torch.softmax(torch.nn.functional.linear(inputs, self.weight, self.bias), dim=1)

    def classify(self, files: list[bytes]) -> list[dict[str, Any]]:
        """Image files to answers, in one matrix product."""
        return self.answers(torch.stack([decode(content) for content in files]))

    def answers(self, pixels: Tensor) -> list[dict[str, Any]]:
        """uint8 [N, 784] -> N answers."""
        return [self._answer(row) for row in self.probabilities(pixels).tolist()]

    def _answer(self, row: list[float]) -> dict[str, Any]:
        confidence = max(row)
        class_id = row.index(confidence)
        return {
            "label": self.labels[class_id],
            "class_id": class_id,
            "confidence": confidence,
            "probabilities": dict(zip(self.labels, row, strict=True)),
        }


def decode(content: bytes) -> Tensor:
    """An image file to its pixels, uint8 [784]."""
    return flatten(Image.open(io.BytesIO(content)))


def flatten(image: Image.Image) -> Tensor:
    """An opened image to its pixels, uint8 [784]."""
    return torch.from_numpy(np.array(image.convert("L"))).reshape(784)
