"""Whether a peer answers rightly: its labels and probabilities against the library's own forward pass."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from app.classifier import artifact
from app.classifier.artifact import Artifact
from app.classifier.images import stack
from app.classifier.softmax import to_inputs
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.workloads import Workload, pixels

__all__ = ["Expected", "check_answer"]

_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True)
class Expected:
    """The right answer to a workload: float rows [N][C] and labels [N]."""

    classes: tuple[str, ...]
    probabilities: list[list[float]]
    labels: list[str]

    @classmethod
    def of(cls, model_file: Path, workload: Workload) -> "Expected":
        loaded: Artifact = artifact.load(model_file)
        inputs = to_inputs(stack([pixels(index) for index in range(workload.images)]))
        probabilities = loaded.model.probabilities(inputs)  # (N, C)
        classes = loaded.metadata.labels
        labels = [classes[index] for index in probabilities.argmax(dim=1).tolist()]
        return cls(classes, probabilities.tolist(), labels)


def check_answer(headers: dict[str, str], body: bytes, expected: Expected) -> None:
    """Compare a peer's answer with the right one.

    Args:
        headers: by names in lower case.
        body: one JSON answer per image, alone or in a list or under `predictions` or `output`; columns `labels` and
            `probabilities`; or Open Inference Protocol, JSON or binary.
        expected: the right answer.

    Raises:
        BenchmarkError: it can't be read, or differs by a label or by more than 1e-4.
    """
    try:
        labels, probabilities = _read(headers, body, expected.classes)
        difference = (torch.tensor(probabilities) - torch.tensor(expected.probabilities)).abs().max().item()
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError, struct.error) as error:
        raise BenchmarkError(f"The answer can't be read ({error!r}): {body[:300]!r}.") from error
    if labels != expected.labels:
        raise BenchmarkError(f"The labels are {labels[:3]}…, not {expected.labels[:3]}….")
    if not difference <= _TOLERANCE:
        raise BenchmarkError(f"The probabilities differ by {difference:.2g}.")


def _read(headers: dict[str, str], body: bytes, classes: tuple[str, ...]) -> tuple[list[str], list[list[float]]]:
    header_length = int(headers.get("inference-header-content-length", len(body)))
    document = json.loads(body[:header_length])
    if isinstance(document, dict) and "outputs" in document:
        return _read_tensors(document["outputs"], memoryview(body)[header_length:], len(classes))
    if isinstance(document, dict) and "labels" in document:
        return document["labels"], document["probabilities"]
    for key in ("predictions", "output"):
        document = document.get(key, document) if isinstance(document, dict) else document
    answers = document if isinstance(document, list) else [document]
    return (
        [answer["label"] for answer in answers],
        [[answer["probabilities"][label] for label in classes] for answer in answers],
    )


def _read_tensors(
    outputs: list[dict[str, Any]], binary: memoryview, class_count: int
) -> tuple[list[str], list[list[float]]]:
    values: dict[str, list[Any]] = {}
    for output in outputs:
        if "data" in output:
            values[output["name"]] = output["data"]
            continue
        size = output["parameters"]["binary_data_size"]
        chunk, binary = bytes(binary[:size]), binary[size:]
        values[output["name"]] = _strings(chunk) if output["datatype"] == "BYTES" else _floats(chunk)
    flat = torch.tensor(values["probabilities"]).reshape(-1, class_count).tolist()
    return [str(label) for label in values["label"]], flat


def _floats(chunk: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(chunk) // 4}f", chunk))


def _strings(chunk: bytes) -> list[str]:
    found = []
    while chunk:
        length = int.from_bytes(chunk[:4], "little")
        found.append(chunk[4 : 4 + length].decode())
        chunk = chunk[4 + length :]
    return found
