"""Long arrays of numbers in JSON, held against an ordinary parser."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.problems import BadRequestError
from app.open_inference.bodies import split_body
from app.open_inference.numbers import cut, read_numbers
from app.open_inference.tensors import read_images

FLOATS = st.floats(0, 1, width=32)


def body(data: Any, shape: list[int], datatype: str = "FP32") -> bytes:
    tensor = {"name": "images", "data": data, "datatype": datatype, "shape": shape}
    return orjson.dumps({"inputs": [tensor], "id": "7"})


def nested(values: list[Any], shape: list[int]) -> list[Any]:
    if len(shape) == 1:
        return values
    size = len(values) // shape[0]
    return [nested(values[place * size : (place + 1) * size], shape[1:]) for place in range(shape[0])]


@given(st.lists(FLOATS, min_size=12, max_size=12), st.integers(1, 3))
def test_numbers_are_read_as_an_ordinary_parser_does(values: list[float], depth: int) -> None:
    shape = {1: [12], 2: [6, 2], 3: [2, 3, 2]}[depth]
    content = body(nested(values, shape), shape)

    pieces = cut(content)

    assert pieces is not None
    assert orjson.loads(pieces.rest)["inputs"][0]["data"] == []
    assert orjson.loads(pieces.rest)["id"] == "7"
    assert read_numbers(pieces.numbers, "f", shape).tolist() == values


@pytest.mark.parametrize(
    "numbers",
    [
        b"[1,2,]",
        b"[,1]",
        b"[1,,2]",
        b"[1 2]",
        b"[[1],2]",
        b"[[1],[2]",
        b"[1]]",
        b"[1][2]",
        b"[[1,2]]",
        b"[1e]",
        b"[01]",
        b"[+1]",
        b"[1.]",
        b"[256]",
        b"[-1]",
        b"[1.5]",
    ],
)
def test_what_is_no_such_array_is_refused(numbers: bytes) -> None:
    with pytest.raises(BadRequestError, match="Input 'images'"):
        read_numbers(numbers, "B", [2, 1])


def test_a_comma_at_the_end_is_refused_wherever_a_piece_ends() -> None:
    for count in range(32_760, 32_775):
        with pytest.raises(BadRequestError):
            read_numbers(b"[%b]" % (b"1," * count), "B", [count])


@pytest.mark.parametrize("shape", [[256, 784], [256, 28, 28]])
def test_as_many_images_as_a_request_may_have_are_read_from_json(shape: list[int]) -> None:
    values = [((7 * place) % 256) / 255 for place in range(256 * 784)]
    content = body(nested(values, shape), shape)
    assert len(content) > 2**21

    request, binary, numbers = split_body(content, None, max_json_bytes=2**20)

    images = read_images(request.inputs[0], binary, 256, numbers)
    assert images.shape == (256, 784)
    assert images.flatten().tolist() == pytest.approx(values)


@pytest.mark.parametrize(
    "content", [b'{"data": 5}', b'{"data": [1], "data": [2]}', b'{"data": ["a"]}', b"{}", b'"data"' * 9]
)
def test_other_bodies_are_left_to_the_parser(content: bytes) -> None:
    pieces = cut(content)

    assert pieces is None or orjson.loads(content) == {"data": ["a"]}
