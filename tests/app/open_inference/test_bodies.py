"""Bodies of the Open Inference Protocol: content codings, and JSON objects with binary tensors behind them."""

import gzip
import zlib
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from app.engine.problems import BadRequestError, RequestError, TooLargeError
from app.open_inference.bodies import compress, split_body
from app.open_inference.schemas import IndexRequest, InferenceRequest, RepositoryRequest

REQUEST = orjson.dumps({"id": "7", "inputs": [{"name": "images", "datatype": "UINT8", "shape": [1, 784]}]})
MAX_JSON = 2**20
COMPRESSORS: dict[bytes, Callable[[bytes], bytes]] = {b"gzip": gzip.compress, b"deflate": zlib.compress}


@given(st.binary(max_size=2000))
def test_a_json_object_and_whatever_stands_behind_it_are_told_apart(binary: bytes) -> None:
    body = split_body(REQUEST + binary, b"%d" % len(REQUEST), MAX_JSON)

    assert body.request.id == "7"
    assert body.binary == binary


def test_without_a_header_length_the_body_is_json() -> None:
    body = split_body(REQUEST, None, MAX_JSON)

    assert (body.request.id, bytes(body.binary)) == ("7", b"")


@pytest.mark.parametrize("count", [1, 3])
def test_a_header_length_of_0_means_pixels_alone(count: int) -> None:
    pixels = bytes(784 * count)

    body = split_body(pixels, b"0", MAX_JSON)

    [images] = body.request.inputs
    assert (images.datatype, images.shape) == ("UINT8", [count, 28, 28])
    assert body.binary == pixels
    assert body.request.parameters.binary_data_output


@pytest.mark.parametrize(
    "length", [b"-1", b"1.5", b"", b"x", b"\xb2", b"%d" % (len(REQUEST) + 1), b"9" * 19, b"9" * 5000]
)
def test_a_header_length_that_does_not_fit_the_body_is_refused(length: bytes) -> None:
    with pytest.raises(BadRequestError, match="Inference-Header-Content-Length"):
        split_body(REQUEST, length, MAX_JSON)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"[" * 30_000, "recursion limit"),
        (b'{"inputs": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "recursion limit"),
        (b'{"id": "\\ud800", "inputs": []}', "Invalid JSON"),
        (b"[]", "object"),
        (b"{}", "inputs: Field required"),
        (b'{"inputs": []}', "inputs: List should have at least 1 item"),
        (REQUEST.replace(b"images", b"image"), "inputs.0.name: Input should be 'images'"),
        (REQUEST.replace(b"UINT8", b"FP64"), "inputs.0.datatype: Input should be 'UINT8' or 'FP32'"),
        (REQUEST.replace(b"784", b"-784"), "inputs.0.shape.1"),
        (REQUEST.replace(b"784", b"784.0"), "inputs.0.shape.1"),
        (REQUEST.replace(b"784", b"9" * 4000), "inputs.0.shape.1"),
        (REQUEST.replace(b"784", b"9" * 5000), "number out of range"),
        (REQUEST.replace(b"784", b"1,1,1,1"), "inputs.0.shape: List should have at most 4 items"),
        (REQUEST.replace(b'"7"', b"7"), "id: Input should be a valid string"),
        (REQUEST[:-1] + b', "outputs": [{"name": "logits"}]}', "outputs.0.name"),
        (REQUEST[:-1] + b', "outputs": [' + b"0," * 9999 + b"0]}", "outputs: List should have at most 2 items"),
        (REQUEST[:-1] + b', "outputs": [{"name": "label"}, {"name": "label"}]}', "named twice"),
        (REQUEST[:-1] + b', "outputs": [{"name": "label", "parameters": {"classification": 1}}]}', "rank"),
        (REQUEST[:-1] + b', "outputs": [{"name": "probabilities", "parameters": {"classification": 0}}]}', "0"),
    ],
)
def test_what_is_no_inference_request_is_refused_with_the_place(content: bytes, reason: str) -> None:
    with pytest.raises(BadRequestError) as refused:
        split_body(content, None, MAX_JSON)

    assert str(refused.value).startswith("Inference request")
    assert reason in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"id": "' + b"x" * 2**20 + b'"}', ["1,048,586", "1,048,576", "binary"]),
        (b'{"outputs": [' + b"{}," * 199 + b"{}]}", ["201 objects", "64"]),
        (b'{"inputs": [' + b"[]," * 40_000 + b"[]]}", ["40,002 arrays", "32,768"]),
    ],
)
@pytest.mark.parametrize("with_binary", [False, True])
def test_json_that_would_take_long_to_parse_is_refused_before(
    content: bytes,
    words: list[str],
    with_binary: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    with pytest.raises(TooLargeError) as refused:
        split_body(content, b"%d" % len(content) if with_binary else None, MAX_JSON)

    assert [word for word in words if word not in str(refused.value)] == []


@given(st.binary(max_size=500), st.sampled_from([None, b"0", b"1", b"9"]))
def test_any_bytes_are_read_or_refused(content: bytes, length: bytes | None) -> None:
    try:
        body = split_body(content, length, MAX_JSON)
    except RequestError:
        return
    assert len(body.binary) <= len(content)


@pytest.mark.parametrize(("accepted", "undo"), [(b"gzip", gzip.decompress), (b"deflate", zlib.decompress)])
def test_an_answer_is_compressed_when_exactly_that_is_asked_for(
    accepted: bytes, undo: Callable[[bytes], bytes]
) -> None:
    content, coding = compress(b"probabilities" * 9, accepted)

    assert (undo(content), coding) == (b"probabilities" * 9, accepted.decode())


@pytest.mark.parametrize(
    "accepted", [b"", b"gzip, deflate", b"gzip, deflate, br", b"gzip;q=0", b"identity", b"*", b"br"]
)
def test_an_answer_stays_as_it_is_for_clients_that_list_all_they_can_read(accepted: bytes) -> None:
    assert compress(b"probabilities", accepted) == (b"probabilities", None)


def test_what_is_null_is_absent() -> None:
    nulls = orjson.loads(REQUEST) | {"parameters": None, "outputs": None, "id": None}
    nulls["inputs"][0] |= {"parameters": {"binary_data_size": None, "headers": None}, "data": None}

    body = split_body(orjson.dumps(nulls), None, MAX_JSON)

    assert body.request == split_body(REQUEST, None, MAX_JSON).request.model_copy(update={"id": None})


@pytest.mark.parametrize("kind", [InferenceRequest, IndexRequest, RepositoryRequest])
def test_the_description_of_a_request_lets_be_null_what_may_be_absent(kind: type[BaseModel]) -> None:
    described = kind.model_json_schema()
    for one in (described, *described.get("$defs", {}).values()):
        for name, member in one["properties"].items():
            may_be_null = {"type": "null"} in member.get("anyOf", [])
            assert may_be_null == (name not in one.get("required", [])), name


@pytest.mark.parametrize("kind", [IndexRequest, RepositoryRequest])
def test_a_request_about_the_repository_may_say_null(kind: type[BaseModel]) -> None:
    assert kind.model_validate(dict.fromkeys(kind.model_fields)) == kind.model_validate({})


def test_a_byte_order_mark_is_named() -> None:
    with pytest.raises(BadRequestError, match="byte order mark"):
        split_body(b"\xef\xbb\xbf" + REQUEST, None, MAX_JSON)
