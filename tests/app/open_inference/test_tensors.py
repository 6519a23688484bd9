"""Tensors of the Open Inference Protocol: images in, outputs out."""

import struct
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.utils import deserialize_bytes_tensor

from app.classifier.softmax import to_inputs
from app.engine.problems import BadRequestError
from app.open_inference.schemas import InputTensor, OutputParameters, RequestedOutput
from app.open_inference.tensors import Answers, read_images, write_output
from app.serving.errors import TooManyImagesError

SHAPES = ([2, 28, 28], [2, 784], [2, 1, 28, 28])
LABELS = ("coat", "sandal", "日傘")
PROBABILITIES = torch.tensor([[0.25, 0.7, 0.05], [0.5, 0.125, 0.375]])
ANSWERS = Answers(PROBABILITIES, PROBABILITIES.argmax(1), LABELS)


def tensor(datatype: str, shape: list[int], data: Any = None, size: int | None = None) -> InputTensor:
    return InputTensor.model_validate(
        {
            "name": "images",
            "datatype": datatype,
            "shape": shape,
            "data": data,
            "parameters": {"binary_data_size": size},
        }
    )


def read(tensor: InputTensor, binary: bytes | memoryview = b"", max_images: int = 4) -> torch.Tensor:
    return read_images(tensor, memoryview(binary), max_images)


def requested(name: str, classification: int | None = None) -> RequestedOutput:
    parameters = OutputParameters(classification=classification)
    return RequestedOutput.model_validate({"name": name, "parameters": parameters})


def pixels(count: int = 2) -> torch.Tensor:
    """uint8 [count, 784], each value another."""
    return (torch.arange(count * 784) * 97 % 256).to(torch.uint8).view(count, 784)


@pytest.mark.parametrize("shape", SHAPES)
def test_uint8_images_are_read_as_pixels(shape: list[int]) -> None:
    values = pixels()

    from_json = read(tensor("UINT8", shape, data=values.flatten().tolist()))
    from_binary = read(tensor("UINT8", shape, size=1568), bytes(values.flatten().tolist()))

    torch.testing.assert_close(from_json, values)
    torch.testing.assert_close(from_binary, values)


@pytest.mark.parametrize("shape", SHAPES)
def test_fp32_images_go_to_the_model_as_they_are(shape: list[int]) -> None:
    values = to_inputs(pixels())

    from_json = read(tensor("FP32", shape, data=values.tolist()))
    from_binary = read(tensor("FP32", shape, size=6272), struct.pack("<1568f", *values.flatten().tolist()))

    torch.testing.assert_close(from_json, values, rtol=0, atol=0)
    torch.testing.assert_close(from_binary, values, rtol=0, atol=0)


def test_a_binary_tensor_may_start_at_any_byte() -> None:
    values = to_inputs(pixels(1))
    content = b"{}{" + struct.pack("<784f", *values.flatten().tolist())

    read_values = read_images(tensor("FP32", [1, 784], size=3136), memoryview(content)[3:], max_images=1)

    torch.testing.assert_close(read_values, values, rtol=0, atol=0)


def test_data_may_be_nested_like_the_shape() -> None:
    values = pixels().view(2, 1, 28, 28)

    torch.testing.assert_close(read(tensor("UINT8", [2, 1, 28, 28], data=values.tolist())), pixels())


@pytest.mark.parametrize("sizes", [(56, 14), (14, 56), (1, 784), (4, 7, 28)])
def test_data_nested_otherwise_are_refused(sizes: tuple[int, ...]) -> None:
    values = pixels()[0].view(1, *sizes).tolist()

    with pytest.raises(BadRequestError, match="not nested as shape"):
        read(tensor("UINT8", [1, 28, 28], data=values))


def test_pixels_in_binary_are_read_where_they_are_without_a_warning() -> None:
    content = bytearray(784)

    images = read(tensor("UINT8", [1, 28, 28], size=784), memoryview(content).toreadonly())
    content[5] = 9

    assert images[0, 5] == 9


@pytest.mark.parametrize("shape", [[], [1], [784], [28, 28], [1, 28, 27], [1, 783], [1, 28, 28, 1], [1, 3, 28, 28]])
def test_another_shape_is_refused(shape: list[int]) -> None:
    with pytest.raises(BadRequestError, match="send \\[N, 28, 28\\]"):
        read(tensor("UINT8", shape, size=784), bytes(784))


@pytest.mark.parametrize(
    ("size", "length", "reason"),
    [
        (784, 783, "783 bytes stand behind the JSON object, but binary_data_size says 784"),
        (783, 784, "784 bytes stand behind the JSON object, but binary_data_size says 783"),
        (-784, 784, "says -784"),
        (785, 785, "has 785 bytes; UINT8 \\[1, 784\\] takes 784"),
        (0, 0, "has 0 bytes"),
        (None, 784, "784 bytes stand behind the JSON object, but binary_data_size says 0"),
    ],
)
def test_binary_data_of_another_size_is_refused(size: int | None, length: int, reason: str) -> None:
    with pytest.raises(BadRequestError, match=reason):
        read(tensor("UINT8", [1, 784], size=size), bytes(length))


def test_a_shape_far_beyond_the_data_is_refused() -> None:
    with pytest.raises(BadRequestError, match="has 784 bytes; UINT8"):
        read(tensor("UINT8", [2**63 - 1, 28, 28], size=784), bytes(784))


def test_more_images_than_the_limit_are_refused() -> None:
    with pytest.raises(TooManyImagesError, match="5 images; the limit is 4"):
        read(tensor("UINT8", [5, 784], size=5 * 784), bytes(5 * 784))


@pytest.mark.parametrize("value", [-1, 256, 0.5, 2**70, True, None, "1", {}, [1], [[]]])
def test_data_that_is_no_pixel_is_refused(value: object) -> None:
    with pytest.raises(BadRequestError, match="whole numbers from 0 to 255"):
        read(tensor("UINT8", [1, 784], data=[0] * 783 + [value]))


@pytest.mark.parametrize("value", [-0.001, 1.001, float("nan"), float("inf"), -float("inf"), 1e39, 255])
def test_fp32_outside_0_to_1_is_refused_with_the_image(value: float) -> None:
    with pytest.raises(BadRequestError, match="Image 1 of input 'images'"):
        read(tensor("FP32", [2, 784], data=[0] * 1000 + [value] + [0] * 567))


@pytest.mark.parametrize("value", [10**400, "0", None, False, [0]])
def test_data_that_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(BadRequestError, match="numbers from 0 to 1"):
        read(tensor("FP32", [1, 784], data=[0] * 783 + [value]))


def test_json_data_of_another_count_is_refused() -> None:
    with pytest.raises(BadRequestError, match="has 783 values; shape \\[1, 784\\] takes 784"):
        read(tensor("UINT8", [1, 784], data=[0] * 783))


def test_a_tensor_needs_its_values_in_one_place() -> None:
    with pytest.raises(BadRequestError, match="neither data nor binary_data_size"):
        read(tensor("UINT8", [1, 784]))
    with pytest.raises(BadRequestError, match="both data and binary_data_size"):
        read(tensor("UINT8", [1, 784], data=[0] * 784, size=784), bytes(784))


@given(datatype=st.sampled_from(["UINT8", "FP32"]), count=st.integers(1, 3), pattern=st.binary(min_size=1, max_size=9))
def test_any_bytes_of_the_right_size_are_images_or_refused(datatype: str, count: int, pattern: bytes) -> None:
    size = count * 784 * (4 if datatype == "FP32" else 1)
    binary = (pattern * size)[:size]

    try:
        images = read(tensor(datatype, [count, 784], size=size), binary)
    except (BadRequestError, TooManyImagesError):
        return
    assert images.shape == (count, 784)
    assert images.dtype == torch.uint8 or ((images >= 0) & (images <= 1)).all()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=20))
def test_any_json_data_is_refused_unless_it_is_an_image(data: object) -> None:
    with pytest.raises(BadRequestError):
        read(tensor("FP32", [1, 784], data=[data]))


def test_probabilities_are_written_as_json_numbers() -> None:
    output, content = write_output(requested("probabilities"), ANSWERS, binary=False)

    assert output == {
        "name": "probabilities",
        "datatype": "FP32",
        "shape": [2, 3],
        "data": PROBABILITIES.flatten().tolist(),
    }
    assert content == b""


def test_probabilities_are_written_as_little_endian_floats() -> None:
    strided = Answers(PROBABILITIES.T.contiguous().T, ANSWERS.class_ids, LABELS)

    output, content = write_output(requested("probabilities"), strided, binary=True)

    assert output["parameters"] == {"binary_data_size": 24}
    assert struct.unpack("<6f", content) == tuple(PROBABILITIES.flatten().tolist())


def test_labels_are_written_as_texts() -> None:
    in_json, _ = write_output(requested("label"), ANSWERS, binary=False)
    described, content = write_output(requested("label"), ANSWERS, binary=True)

    assert in_json == {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["sandal", "coat"]}
    assert described["parameters"] == {"binary_data_size": len(content)}
    assert deserialize_bytes_tensor(content).tolist() == [b"sandal", b"coat"]


def test_a_classification_ranks_value_index_and_label() -> None:
    output, _ = write_output(requested("probabilities", 2), ANSWERS, binary=False)
    _, content = write_output(requested("probabilities", 2), ANSWERS, binary=True)

    expected = ["0.700000:1:sandal", "0.250000:0:coat", "0.500000:0:coat", "0.375000:2:日傘"]
    assert output == {"name": "probabilities", "datatype": "BYTES", "shape": [2, 2], "data": expected}
    assert [text.decode() for text in deserialize_bytes_tensor(content)] == expected


def test_a_classification_of_more_classes_than_there_are_has_all() -> None:
    output, _ = write_output(requested("probabilities", 10**12), ANSWERS, binary=False)

    assert output["shape"] == [2, 3]
    assert len(output["data"]) == 6


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5, unique=True))
def test_any_label_comes_through_the_clients_decoder(labels: list[str]) -> None:
    one_each = Answers(torch.eye(len(labels)), torch.arange(len(labels)), tuple(labels))

    _, content = write_output(requested("label"), one_each, binary=True)

    assert [text.decode() for text in deserialize_bytes_tensor(content)] == labels


def test_answers_are_counted_by_label() -> None:
    answers = Answers(PROBABILITIES, torch.tensor([2, 0, 2]), LABELS)

    assert list(answers.counts()) == [("coat", 1), ("日傘", 2)]
