"""PyTriton with dynamic batching; `python server.py PORT`. Model `png` takes files, `pixels` takes UINT8 [N, 784]."""

import sys
from collections.abc import Callable

import numpy as np
import torch
from classifier import Classifier, decode
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

classifier = Classifier()
labels = np.char.encode(np.array(classifier.labels), "utf-8")


@batch
def classify_files(image: np.ndarray) -> dict[str, np.ndarray]:
    return answer(torch.stack([decode(content) for content in image[:, 0]]))  # image: bytes objects (N, 1)


@batch
def classify_pixels(image: np.ndarray) -> dict[str, np.ndarray]:
    return answer(torch.from_numpy(image))


def answer(pixels: torch.Tensor) -> dict[str, np.ndarray]:
    probabilities = classifier.probabilities(pixels).numpy()
    return {"probabilities": probabilities, "label": labels[probabilities.argmax(axis=1), np.newaxis]}


def bind(triton: Triton, name: str, infer: Callable[..., dict[str, np.ndarray]], image: Tensor, images: int) -> None:
    outputs = [
        Tensor(name="probabilities", dtype=np.float32, shape=(len(classifier.labels),)),
        Tensor(name="label", dtype=bytes, shape=(1,)),
    ]
    config = ModelConfig(max_batch_size=images, batcher=DynamicBatcher(max_queue_delay_microseconds=0))
    triton.bind(model_name=name, infer_func=infer, inputs=[image], outputs=outputs, config=config, strict=False)


if __name__ == "__main__":
    settings = TritonConfig(
        http_address="127.0.0.1",
        http_port=int(sys.argv[1]),
        allow_grpc=False,
        allow_metrics=False,
        log_verbose=0,
    )
    with Triton(config=settings) as triton:
        bind(triton, "pixels", classify_pixels, Tensor(name="image", dtype=np.uint8, shape=(784,)), images=1024)
        # The last one to load is the one that is asked first: a request while another model loads can hang Triton.
        bind(triton, "png", classify_files, Tensor(name="image", dtype=bytes, shape=(1,)), images=64)
        triton.serve()
