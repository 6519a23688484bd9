"""The protocol's tensors: images in, and the model's answers out."""

from array import array
from collections.abc import Iterator
from ctypes import string_at
from functools import lru_cache
from itertools import accumulate, chain
from math import prod
from operator import mul
from typing import Any, NamedTuple

import torch
from torch import Tensor

from app.classifier.images import to_tensor
from app.classifier.softmax import PIXELS, SIDE
from app.engine.problems import BadRequestError
from app.open_inference.numbers import nested_otherwise, read_numbers
from app.open_inference.schemas import InputTensor, OutputTensor, RequestedOutput
from app.serving.errors import TooManyImagesError

__all__ = ["Answers", "read_images", "to_pixels", "write_output"]

_IMAGE_SHAPES = ([SIDE, SIDE], [PIXELS], [1, SIDE, SIDE])
_DTYPES = {"UINT8": torch.uint8, "FP32": torch.float32}
_ITEM_SIZES = {"UINT8": 1, "FP32": 4}  # bytes
_ARRAY_TYPES = {"UINT8": "B", "FP32": "f"}
_RANGES = {"UINT8": "whole numbers from 0 to 255", "FP32": "numbers from 0 to 1"}


class Answers(NamedTuple):
    """What a model answered to N images."""

    probabilities: Tensor  # float32 [N, C]
    class_ids: Tensor  # int64 [N], the most probable class of each
    labels: tuple[str, ...]  # of the C classes

    def counts(self) -> Iterator[tuple[str, int]]:
        """How many images each label was given to, without those of none."""
        counts = torch.bincount(self.class_ids).tolist()
        return ((self.labels[class_id], count) for class_id, count in enumerate(counts) if count)


def read_images(tensor: InputTensor, binary: memoryview, max_images: int, numbers: bytes | None = None) -> Tensor:
    """Read the request's tensor.

    Args:
        tensor: the input as the JSON object describes it.
        binary: all that stands behind the JSON object, little-endian.
        max_images: the most images that one request may have.
        numbers: the tensor's values in JSON, where they were cut out of the object.

    Returns:
        uint8 [N, 784], values 0-255, or float32 [N, 784], values 0-1.

    Raises:
        BadRequestError: shape, size and data do not fit each other, or a value is out of its range.
        TooManyImagesError: there are more than `max_images`.
    """
    if tensor.shape[1:] not in _IMAGE_SHAPES:
        raise BadRequestError(f"Input 'images' has shape {tensor.shape}; send [N, 28, 28], [N, 784] or [N, 1, 28, 28].")
    buffer = _buffer(tensor, binary, numbers)
    if tensor.shape[0] > max_images:
        raise TooManyImagesError(f"The request has {tensor.shape[0]:,} images; the limit is {max_images:,}.")
    images = to_tensor(buffer).view(_DTYPES[tensor.datatype]).view(-1, PIXELS)  # [N, 784]
    if images.dtype == torch.uint8:
        return images
    low, high = torch.aminmax(images)  # both are NaN if any value is
    if not (low >= 0 and high <= 1):
        index = ((images >= 0) & (images <= 1)).all(1).tolist().index(False)
        raise BadRequestError(f"Image {index} of input 'images' has a value that is not from 0 to 1, as FP32 must be.")
    return images


def to_pixels(images: Tensor) -> list[bytes]:
    """What `read_images` returns -> 784 pixels of each, 0-255."""
    pixels = images if images.dtype == torch.uint8 else (images * 255).round().to(torch.uint8)
    pixels = pixels.contiguous()
    content = string_at(pixels.data_ptr(), pixels.numel())
    return [content[start : start + PIXELS] for start in range(0, len(content), PIXELS)]


def write_output(output: RequestedOutput, answers: Answers, *, binary: bool) -> tuple[OutputTensor, bytes]:
    """Write one output as it was asked for.

    Args:
        output: which one, and whether as a classification.
        answers: what there is to return.
        binary: whether the tensor goes behind the JSON object instead of into it.

    Returns:
        The output's description, and what goes behind the JSON object.
    """
    count, class_count = answers.probabilities.shape
    classes = output.parameters.classification
    tensor: OutputTensor = {"name": output.name, "datatype": "BYTES", "shape": [count]}
    if classes is not None:
        tensor["shape"] = [count, min(classes, class_count)]
    elif output.name == "probabilities":
        tensor["datatype"], tensor["shape"] = "FP32", [count, class_count]
    if not binary:
        tensor["data"] = _values(output, answers)
        return tensor, b""
    content = _content(output, answers)
    tensor["parameters"] = {"binary_data_size": len(content)}
    return tensor, content


def _buffer(tensor: InputTensor, binary: memoryview, numbers: bytes | None) -> "bytearray | memoryview | array[Any]":
    """The tensor's values in memory that is aligned, as torch wants it."""
    size = tensor.parameters.binary_data_size
    count = prod(tensor.shape)
    if len(binary) != (size or 0):
        raise BadRequestError(
            f"{len(binary):,} bytes stand behind the JSON object, but binary_data_size says {size or 0:,}."
        )
    if size is None:
        return _array(tensor, count, numbers)
    if tensor.data is not None:
        raise BadRequestError("Input 'images' has both data and binary_data_size; send one of them.")
    if size != count * _ITEM_SIZES[tensor.datatype]:
        raise BadRequestError(
            f"Input 'images' has {size:,} bytes; {tensor.datatype} {tensor.shape} takes "
            f"{count * _ITEM_SIZES[tensor.datatype]:,}."
        )
    return binary if tensor.datatype == "UINT8" else bytearray(binary)


def _array(tensor: InputTensor, count: int, numbers: bytes | None) -> "array[Any]":
    if tensor.data is None:
        raise BadRequestError("Input 'images' has neither data nor binary_data_size; send one of them.")
    if numbers is not None:
        return _counted(read_numbers(numbers, _ARRAY_TYPES[tensor.datatype], tensor.shape), tensor, count)
    values: list[Any] = tensor.data
    refusal = BadRequestError(f"Input 'images' has data other than {_RANGES[tensor.datatype]}.")
    try:
        for lists in accumulate(tensor.shape, mul):
            if not (values and isinstance(values[0], list)):
                break
            if len(values) != lists or len(set(map(len, values))) > 1:
                raise nested_otherwise(tensor.shape)
            values = list(chain.from_iterable(values))
        pixels = array(_ARRAY_TYPES[tensor.datatype], values)
    except (TypeError, OverflowError) as error:
        raise refusal from error
    if bool in map(type, values):  # which array takes for 0 and 1
        raise refusal
    return _counted(pixels, tensor, count)


def _counted(pixels: "array[Any]", tensor: InputTensor, count: int) -> "array[Any]":
    if len(pixels) != count:
        raise BadRequestError(f"Input 'images' has {len(pixels):,} values; shape {tensor.shape} takes {count:,}.")
    return pixels


def _values(output: RequestedOutput, answers: Answers) -> list[float] | list[str]:
    if output.name == "label":
        return [answers.labels[class_id] for class_id in answers.class_ids.tolist()]
    if output.parameters.classification is not None:
        return _ranking(answers, output.parameters.classification)
    return answers.probabilities.flatten().tolist()


def _content(output: RequestedOutput, answers: Answers) -> bytes:
    if output.name == "label":
        elements = _label_elements(answers.labels)
        return b"".join([elements[class_id] for class_id in answers.class_ids.tolist()])
    if output.parameters.classification is not None:
        return b"".join(map(_element, _ranking(answers, output.parameters.classification)))
    probabilities = answers.probabilities.contiguous()
    return string_at(probabilities.data_ptr(), probabilities.nbytes)


def _ranking(answers: Answers, classes: int) -> list[str]:
    values, class_ids = answers.probabilities.topk(min(classes, len(answers.labels)))  # both [N, classes]
    pairs = zip(values.flatten().tolist(), class_ids.flatten().tolist(), strict=True)
    return [f"{value:f}:{class_id}:{answers.labels[class_id]}" for value, class_id in pairs]


@lru_cache(maxsize=16)
def _label_elements(labels: tuple[str, ...]) -> list[bytes]:
    return [_element(label) for label in labels]


def _element(text: str) -> bytes:
    """One element of a BYTES tensor: its length in 4 bytes, little-endian, and its UTF-8 bytes."""
    content = text.encode()
    return len(content).to_bytes(4, "little") + content
