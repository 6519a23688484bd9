"""The Open Inference Protocol as its clients speak it: tritonclient, in both kinds, and httpx, against a socket."""

import zlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional
from tritonclient import http as triton
from tritonclient.http import aio as triton_aio
from tritonclient.utils import InferenceServerException

from app.classifier import artifact
from app.main import create_app
from app.settings import Settings
from tests.conftest import LABELS, make_metadata, make_model

MODEL = "/v2/models/fashion-mnist"
CODINGS = (None, "gzip", "deflate")
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)


def expected_probabilities(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    model = make_model()
    inputs = torch.tensor(images).view(-1, 784) / 255
    probabilities: NDArray[np.float32] = functional.linear(inputs, model.weight, model.bias).softmax(1).numpy()
    return probabilities


def uint8_input(*, binary: bool = True) -> triton.InferInput:
    images = triton.InferInput("images", list(IMAGES.shape), "UINT8")
    return images.set_data_from_numpy(IMAGES, binary_data=binary)


@pytest.fixture
def client_of_triton(server: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.removeprefix("http://")) as client:
        yield client


@pytest.fixture
def socket_client(server: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server) as client:
        yield client


def test_the_server_describes_itself_to_tritonclient(client_of_triton: triton.InferenceServerClient) -> None:
    metadata = client_of_triton.get_server_metadata()

    assert client_of_triton.is_server_live()
    assert client_of_triton.is_server_ready()
    assert metadata["name"] == "softmax-serving"
    assert "binary_tensor_data" in metadata["extensions"]


def test_a_model_describes_itself_under_its_name_and_under_its_version(
    client_of_triton: triton.InferenceServerClient,
) -> None:
    metadata = client_of_triton.get_model_metadata("fashion-mnist")
    [version] = metadata["versions"]

    assert client_of_triton.get_model_metadata("fashion-mnist", version) == metadata
    assert metadata["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, 28, 28]}]
    assert [output["shape"] for output in metadata["outputs"]] == [[-1, 10], [-1]]
    assert client_of_triton.is_model_ready("fashion-mnist")
    assert client_of_triton.is_model_ready("fashion-mnist", version)
    assert client_of_triton.get_model_config("fashion-mnist", version)["max_batch_size"] == 1024
    assert client_of_triton.get_model_repository_index() == [
        {"name": "fashion-mnist", "version": version, "state": "READY", "reason": ""}
    ]


def test_an_unknown_model_or_version_is_not_ready_and_refused(client_of_triton: triton.InferenceServerClient) -> None:
    assert not client_of_triton.is_model_ready("mnist")
    assert not client_of_triton.is_model_ready("fashion-mnist", "000000000000")
    for name, version in (("mnist", ""), ("fashion-mnist", "000000000000")):
        for call in (client_of_triton.get_model_metadata, client_of_triton.get_model_config):
            with pytest.raises(InferenceServerException) as refused:
                call(name, version)
            assert refused.value.status() == "404"
        with pytest.raises(InferenceServerException, match=version or name):
            client_of_triton.infer(name, [uint8_input()], version)


@pytest.mark.parametrize("binary_input", [True, False])
@pytest.mark.parametrize("binary_output", [True, False])
def test_tritonclient_gets_the_models_own_probabilities(
    client_of_triton: triton.InferenceServerClient, *, binary_input: bool, binary_output: bool
) -> None:
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_output) for name in ("label", "probabilities")]

    result = client_of_triton.infer(
        "fashion-mnist", [uint8_input(binary=binary_input)], outputs=outputs, request_id="7"
    )

    expected = expected_probabilities(IMAGES)
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected, rtol=0, atol=1e-6)
    labels = [text.decode() if binary_output else text for text in result.as_numpy("label")]
    assert labels == [LABELS[index] for index in expected.argmax(1)]
    assert result.get_response()["id"] == "7"
    assert [output["name"] for output in result.get_response()["outputs"]] == ["label", "probabilities"]


@pytest.mark.parametrize("shape", [[5, 28, 28], [5, 784], [5, 1, 28, 28]])
@pytest.mark.parametrize("binary", [True, False])
def test_fp32_in_every_shape_is_answered_as_uint8_is(
    client_of_triton: triton.InferenceServerClient, shape: list[int], *, binary: bool
) -> None:
    images = triton.InferInput("images", shape, "FP32")
    images.set_data_from_numpy((IMAGES / np.float32(255)).reshape(shape), binary_data=binary)

    result = client_of_triton.infer("fashion-mnist", [images])

    np.testing.assert_allclose(result.as_numpy("probabilities"), expected_probabilities(IMAGES), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("request_coding", "response_coding"), [*product(CODINGS, CODINGS)])
def test_tritonclient_may_compress_both_ways(
    client_of_triton: triton.InferenceServerClient, request_coding: str | None, response_coding: str | None
) -> None:
    result = client_of_triton.infer(
        "fashion-mnist",
        [uint8_input()],
        request_compression_algorithm=request_coding,
        response_compression_algorithm=response_coding,
    )

    np.testing.assert_allclose(result.as_numpy("probabilities"), expected_probabilities(IMAGES), rtol=0, atol=1e-6)


def test_a_classification_ranks_the_classes(client_of_triton: triton.InferenceServerClient) -> None:
    outputs = [triton.InferRequestedOutput("probabilities", class_count=3)]

    result = client_of_triton.infer("fashion-mnist", [uint8_input()], outputs=outputs)

    ranking = result.as_numpy("probabilities")
    value, index, label = ranking[0, 0].decode().split(":")
    expected = expected_probabilities(IMAGES)[0]
    assert ranking.shape == (5, 3)
    assert (int(index), label) == (expected.argmax(), LABELS[expected.argmax()])
    assert float(value) == pytest.approx(expected.max(), abs=1e-6)


async def test_the_asyncio_client_works_unchanged(server: str) -> None:
    async with triton_aio.InferenceServerClient(server.removeprefix("http://")) as client:
        ready = await client.is_model_ready("fashion-mnist")
        result = await client.infer(
            "fashion-mnist",
            [uint8_input()],
            request_compression_algorithm="gzip",
            response_compression_algorithm="deflate",
        )

    assert ready
    np.testing.assert_allclose(result.as_numpy("probabilities"), expected_probabilities(IMAGES), rtol=0, atol=1e-6)


def test_statistics_count_images_executions_and_refusals(client_of_triton: triton.InferenceServerClient) -> None:
    def read() -> Any:
        [statistics] = client_of_triton.get_inference_statistics("fashion-mnist")["model_stats"]
        return statistics

    wrong = triton.InferInput("image", [1, 784], "UINT8")
    before = read()
    client_of_triton.infer("fashion-mnist", [uint8_input()])
    with pytest.raises(InferenceServerException, match=r"inputs\.0\.name"):
        client_of_triton.infer("fashion-mnist", [wrong])
    after = read()

    assert after["inference_count"] - before["inference_count"] == len(IMAGES)
    assert after["execution_count"] - before["execution_count"] == 1
    assert after["last_inference"] > before["last_inference"]
    for name, step in after["inference_stats"].items():
        assert step["count"] - before["inference_stats"][name]["count"] == 1
        assert (step["ns"] > before["inference_stats"][name]["ns"]) == (name != "queue")
    assert after in client_of_triton.get_inference_statistics()["model_stats"]


def test_plain_json_over_httpx_has_all_outputs_in_json(socket_client: httpx.Client) -> None:
    images = {"name": "images", "shape": [5, 784], "datatype": "UINT8", "data": IMAGES.reshape(5, 784).tolist()}

    answer = socket_client.post(f"{MODEL}/infer", content=orjson.dumps({"inputs": [images]}))

    probabilities, label = answer.json()["outputs"]
    assert answer.headers["Content-Type"] == "application/json"
    assert "Inference-Header-Content-Length" not in answer.headers
    assert "Content-Encoding" not in answer.headers
    assert probabilities["data"] == pytest.approx(expected_probabilities(IMAGES).flatten().tolist(), abs=1e-6)
    assert label["shape"] == [5]


def test_raw_pixels_over_httpx_are_answered_in_binary(socket_client: httpx.Client) -> None:
    answer = socket_client.post(
        f"{MODEL}/infer", content=IMAGES.tobytes(), headers={"Inference-Header-Content-Length": "0"}
    )

    length = int(answer.headers["Inference-Header-Content-Length"])
    described, _ = orjson.loads(answer.content[:length])["outputs"]
    probabilities = np.frombuffer(answer.content, "<f4", count=50, offset=length).reshape(described["shape"])
    assert answer.headers["Content-Type"] == "application/octet-stream"
    np.testing.assert_allclose(probabilities, expected_probabilities(IMAGES), rtol=0, atol=1e-6)


def test_one_output_can_be_binary_and_the_other_json(socket_client: httpx.Client) -> None:
    inference = {
        "inputs": [{"name": "images", "shape": [1, 784], "datatype": "FP32", "data": [0] * 784}],
        "outputs": [{"name": "label"}, {"name": "probabilities", "parameters": {"binary_data": False}}],
        "parameters": {"binary_data_output": True, "anything": "else"},
    }

    answer = socket_client.post(f"{MODEL}/infer", json=inference)

    length = int(answer.headers["Inference-Header-Content-Length"])
    label, probabilities = orjson.loads(answer.content[:length])["outputs"]
    assert len(probabilities["data"]) == 10
    assert label["parameters"]["binary_data_size"] == len(answer.content) - length


async def test_predictions_are_counted_by_label(client: httpx.AsyncClient) -> None:
    await client.post(f"{MODEL}/infer", content=bytes(784 * 3), headers={"Inference-Header-Content-Length": "0"})

    live = (await client.get("/metrics")).json()["live"]

    assert sum(live["predictions"].values()) == 3


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({}, b"\xff", 400),
        ({}, b"[" * 10_000, 400),
        ({}, b'{"inputs": [{"name": "images", "shape": [1, 784], "datatype": "FP32", "data": [NaN]}]}', 400),
        ({"Inference-Header-Content-Length": "0"}, b"", 400),
        ({"Inference-Header-Content-Length": "0"}, bytes(785), 400),
        ({"Inference-Header-Content-Length": "0"}, bytes(784 * 1025), 413),
        ({"Inference-Header-Content-Length": "9"}, b"{}", 400),
        ({"Inference-Header-Content-Length": "0", "Content-Encoding": "gzip"}, bytes(784), 400),
        ({"Inference-Header-Content-Length": "0", "Content-Encoding": "gzip"}, zlib.compress(bytes(2**25), 9, 31), 413),
        ({"Inference-Header-Content-Length": "0", "Content-Encoding": "deflate"}, zlib.compress(bytes(2**25)), 413),
        ({"Content-Encoding": "br"}, b"", 415),
    ],
)
async def test_a_refusal_is_a_problem_document_with_the_protocols_error(
    client: httpx.AsyncClient, headers: dict[str, str], content: bytes, status: int
) -> None:
    answer = await client.post(f"{MODEL}/infer", content=content, headers=headers)

    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["error"] == answer.json()["detail"] != ""


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/v2/logging", "/v2/models/%7Bname%7D/infer", "/v2/models/{name}/infer", MODEL + "s"])
async def test_whatever_is_not_there_says_so_in_the_protocols_way(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await client.request(method, path)

    assert answer.status_code in {404, 405}
    assert answer.json()["error"] != ""


async def test_errors_of_other_routes_have_no_such_member(client: httpx.AsyncClient) -> None:
    assert "error" not in (await client.get("/v2x")).json()


@pytest.mark.parametrize(
    ("body", "status"), [(b"", 200), (b"{}", 200), (b'{"ready": true}', 200), (b"[]", 400), (b" " * 2000, 400)]
)
async def test_the_index_takes_an_optional_request(client: httpx.AsyncClient, body: bytes, status: int) -> None:
    answer = await client.post("/v2/repository/index", content=body)

    assert answer.status_code == status


async def test_a_damaged_model_is_listed_with_the_reason_and_not_ready(models_dir: Path) -> None:
    damaged = models_dir / "digits" / artifact.FILE_NAME
    damaged.parent.mkdir()
    damaged.write_bytes(b"damaged")
    app = create_app(Settings(models_dir=models_dir, default_model="digits"))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        index = (await client.post("/v2/repository/index")).json()
        ready_index = (await client.post("/v2/repository/index", content=b'{"ready": true}')).json()
        statuses = [
            (await client.get(path)).status_code
            for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/digits/ready", f"{MODEL}/ready")
        ]

    assert [(model["name"], model["state"]) for model in index] == [
        ("fashion-mnist", "READY"),
        ("digits", "UNAVAILABLE"),
    ]
    assert "damaged" in index[1]["reason"]
    assert ready_index == index[:1]
    assert statuses == [200, 503, 503, 200]


async def test_the_openapi_document_has_every_route(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]

    assert {path for path in paths if path.startswith("/v2")} == {
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/repository/index",
        "/v2/repository/models/{name}/load",
        "/v2/repository/models/{name}/unload",
        "/v2/models/stats",
        *(
            f"/v2/models/{{name}}{version}{resource}"
            for version in ("", "/versions/{version}")
            for resource in ("", "/ready", "/config", "/stats", "/infer")
        ),
    }
    infer = paths["/v2/models/{name}/infer"]["post"]
    assert set(infer["requestBody"]["content"]) == {"application/json", "application/octet-stream"}
    assert set(infer["responses"]["200"]["content"]) == {"application/json", "application/octet-stream"}
    assert "422" not in infer["responses"]


@pytest.mark.parametrize(
    ("classes", "images", "light"), [(10, 256, True), (10, 1000, False), (1000, 1, True), (1000, 9, False)]
)
def test_what_has_many_probabilities_is_computed_beside_the_event_loop(
    tmp_path: Path, classes: int, images: int, *, light: bool
) -> None:
    labels = tuple(f"class {number}" for number in range(classes))
    artifact.save(tmp_path / "many" / artifact.FILE_NAME, make_model(labels), make_metadata("many", labels))
    dispatcher = create_app(Settings(models_dir=tmp_path)).dispatcher
    match = dispatcher.routes.match(b"POST", "/v2/models/many/infer")
    assert match is not None

    call = dispatcher.call("/v2/models/many/infer", b"", {b"inference-header-content-length": b"0"})

    assert match.route.is_light(call, images * 784, match.named) == light
