"""What is asked: the images of each workload, and how a peer's request is built from them.

A workload is data: a number of images and of connections. Each peer declares the requests that it can answer.
"""

import base64
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from benchmarks.serving.errors import BenchmarkError

__all__ = ["WORKLOADS", "Request", "Workload", "build_request", "pixels"]

_SIDE = 28
_BOUNDARY = "serving-benchmark-7d6f3c"


@dataclass(frozen=True, slots=True)
class Workload:
    """Attributes: images: in one request; connections: the loads, one after the other."""

    title: str
    images: int
    connections: tuple[int, ...]


WORKLOADS = {
    "single": Workload("One PNG in a request", images=1, connections=(1, 16, 64)),
    "batch": Workload("64 PNG files in a request", images=64, connections=(1, 16)),
    "tensor": Workload("256 UINT8 images in a binary request", images=256, connections=(1, 16)),
}


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


def build_request(declared: dict[str, Any], workload: Workload) -> Request:
    """Build the request that a peer declares: `path`, `body` (one of the builders below), and what that takes."""
    images = [pixels(index) for index in range(workload.images)]
    builder = _BUILDERS.get(declared["body"])
    if builder is None:
        raise BenchmarkError(f"There is no body {declared['body']!r}; there is {', '.join(_BUILDERS)}.")
    headers, body = builder(images, declared)
    return Request(declared["path"], headers, body)


def pixels(index: int) -> bytes:
    """A generated garment-like image: 784 pixels 0-255 on black; its PNG is as large as Fashion-MNIST's are."""
    values = bytearray()
    for row in range(_SIDE):
        for column in range(_SIDE):
            x, y = (column - 13.5) / 14, (row - 13.5) / 14
            inside = abs(x) < 0.45 + 0.25 * math.cos(3 * y + index) and abs(y) < 0.95
            texture = math.sin(7.1 * x + index) * math.cos(5.3 * y - index) + math.sin(91.7 * row + 57.3 * column) / 6
            values.append(max(0, min(255, round(150 + 85 * texture))) if inside else 0)
    return bytes(values)


def _form(images: Sequence[bytes], declared: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    field = declared["field"]
    body = bytearray()
    for index, image in enumerate(images):
        disposition = f'form-data; name="{field}"; filename="{index}.png"'
        body += f"--{_BOUNDARY}\r\nContent-Disposition: {disposition}\r\nContent-Type: image/png\r\n\r\n".encode()
        body += _png(image) + b"\r\n"
    body += f"--{_BOUNDARY}--\r\n".encode()
    return {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}, bytes(body)


def _json(images: Sequence[bytes], declared: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """The declared `template`, where "PNG" stands for the PNG in base64; one image."""
    encoded = base64.b64encode(_png(images[0])).decode()
    return {"Content-Type": "application/json"}, declared["template"].replace("PNG", encoded).encode()


def _raw(images: Sequence[bytes], _declared: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    return {"Content-Type": "application/octet-stream"}, b"".join(images)


def _open_inference_png(images: Sequence[bytes], declared: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """Open Inference Protocol, binary: each PNG as one element of a BYTES tensor [N, 1]."""
    files = [_png(image) for image in images]
    data = b"".join(len(file).to_bytes(4, "little") + file for file in files)
    return _open_inference(declared, shape=[len(images), 1], datatype="BYTES", data=data)


def _open_inference_pixels(images: Sequence[bytes], declared: dict[str, Any]) -> tuple[dict[str, str], bytes]:
    """Open Inference Protocol, binary: a UINT8 tensor [N, 784]."""
    return _open_inference(declared, shape=[len(images), _SIDE * _SIDE], datatype="UINT8", data=b"".join(images))


def _open_inference(
    declared: dict[str, Any], shape: list[int], datatype: str, data: bytes
) -> tuple[dict[str, str], bytes]:
    tensor = {"name": declared["input"], "shape": shape, "datatype": datatype}
    header = {
        "inputs": [tensor | {"parameters": {"binary_data_size": len(data)}}],
        "outputs": [{"name": name, "parameters": {"binary_data": True}} for name in ("probabilities", "label")],
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(text))}
    return headers, text + data


def _png(image: bytes) -> bytes:
    file = io.BytesIO()
    Image.frombytes("L", (_SIDE, _SIDE), image).save(file, "PNG")
    return file.getvalue()


_BUILDERS: dict[str, Callable[[Sequence[bytes], dict[str, Any]], tuple[dict[str, str], bytes]]] = {
    "form": _form,
    "json": _json,
    "raw": _raw,
    "open-inference-png": _open_inference_png,
    "open-inference-pixels": _open_inference_pixels,
}
