"""`/v2`: the Open Inference Protocol v2 over REST.

With the extensions for binary tensors, classification, model configuration and statistics, and the repository's index.
Clients need not send a Content-Type: `tritonclient` sends none.
"""

from array import array
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Annotated, Any, Literal, TypeVar

import orjson
from fastapi import Depends, Header, Path, Request, Response
from pydantic import ValidationError
from torch import Tensor

from app import __version__
from app.classifier.softmax import PIXELS, SIDE
from app.engine import openapi
from app.engine.calls import Call, DepCall
from app.engine.limits import Limits
from app.engine.problems import BadRequestError, RequestError
from app.engine.routes import BodilessRoute, DirectRoute, Router
from app.open_inference.bodies import check_json, compress, split_body
from app.open_inference.schemas import (
    IndexRequest,
    InferenceRequest,
    InferenceResponse,
    ModelConfig,
    ModelIndexEntry,
    ModelMetadata,
    ModelReady,
    ProtocolProblem,
    RequestedOutput,
    ServerLive,
    ServerMetadata,
    ServerReady,
    Statistics,
)
from app.open_inference.statistics import Durations, InferenceCounters, statistics
from app.open_inference.tensors import Answers, read_images, to_pixels, write_output
from app.parts import DepParts, Parts
from app.records.answer import Answer
from app.serving.answer_ids import new_answer_ids
from app.serving.errors import ServingError
from app.serving.live_model import LiveModel


class TensorRoute(DirectRoute):
    """A direct route that takes tensors."""

    @staticmethod
    def max_body_bytes(limits: Limits) -> int:
        """As sent; once decompressed, the body may not be longer either."""
        return limits.max_body_bytes

    @staticmethod
    def is_light(call: Call, length: int, named: Mapping[str, Any]) -> bool:
        """Short, or pixels in binary, which need no reading; and the answer has few probabilities."""
        if (length // PIXELS + 1) * _classes(named) > _LIGHT_PROBABILITIES:
            return False
        json_bytes = call.header_fields.get(b"inference-header-content-length", b"")
        return length <= _LIGHT_JSON_BYTES or (
            length <= _LIGHT_BINARY_BYTES
            and len(json_bytes) <= _LIGHT_JSON_DIGITS
            and json_bytes.isdigit()
            and int(json_bytes) <= _LIGHT_JSON_BYTES
        )


router = Router(prefix="/v2", tags=["Open Inference Protocol"])
direct_router = Router(prefix="/v2", tags=["Open Inference Protocol"], route_class=TensorRoute)
probes = Router(prefix="/v2", tags=["Open Inference Protocol"], route_class=BodilessRoute)

_LIGHT_JSON_BYTES = 32 * 1024
_LIGHT_JSON_DIGITS = 5  # of its length, where binary tensors follow
_LIGHT_BINARY_BYTES = 2**20
_LIGHT_PROBABILITIES = 2_600  # in an answer, as JSON 0.7 µs each: 256 images of ten classes
_PLATFORM = "pytorch_safetensors"
_EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "statistics"]
_ALL_OUTPUTS = [RequestedOutput(name="probabilities"), RequestedOutput(name="label")]
Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_BINARY: dict[str, Any] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """As for other routes, with the protocol's member `error`."""
    return openapi.problems(*statuses, model=ProtocolProblem)


def _inferences(request: Request) -> InferenceCounters:
    counters: InferenceCounters = request.app.state.inferences
    return counters


DepInferences = Annotated[InferenceCounters, Depends(_inferences)]


ModelName = Annotated[str, Path(description="of the model's folder")]
Version = Annotated[str, Path(description="that answers, or stands by")]


def _named(name: ModelName, parts: DepParts, request: Request) -> LiveModel:
    return parts.models.get(name, request.path_params.get("version"))


def _version(version: Version) -> str:
    return version


Named = Annotated[LiveModel, Depends(_named)]


def _get_of_model(path: str) -> Callable[[Endpoint], Endpoint]:
    """Route GET under the model's name, and under its name and version."""

    def add(endpoint: Endpoint) -> Endpoint:
        refusals = problems(404, 503)
        router.add_api_route(f"/models/{{name}}{path}", endpoint, responses=refusals)
        router.add_api_route(
            f"/models/{{name}}/versions/{{version}}{path}",
            endpoint,
            name=f"{endpoint.__name__}_of_version",
            dependencies=[Depends(_version)],
            responses=refusals,
        )
        return endpoint

    return add


def _infer_body(
    body: InferenceRequest,
    inference_header_content_length: Annotated[
        int | None,
        Header(
            ge=0,
            description="length of the JSON object, before compression, where binary tensors follow it; "
            "0: the body is pixels alone, UINT8 [N, 28, 28], and all outputs are returned in binary",
        ),
    ] = None,
    content_encoding: Annotated[Literal["gzip", "deflate"] | None, Header(description="of the whole body")] = None,
    accept_encoding: Annotated[str | None, Header(description="compressed only for exactly gzip or deflate")] = None,
) -> None:
    """Never called, only documented: the front hands `infer` the request as it is."""


_INDEX_BODY = {"requestBody": {"content": {"application/json": {"schema": IndexRequest.model_json_schema()}}}}
_INFER: dict[str, Any] = {
    "response_model": InferenceResponse,
    "responses": {200: {"content": _BINARY}, **problems(400, 404, 413, 415, 503)},
    "dependencies": (Depends(_infer_body),),
    "openapi_extra": {"requestBody": {"content": _BINARY}},
}


@probes.options("/health/live", include_in_schema=False)
@probes.get("/health/live")
def server_live() -> ServerLive:
    """The process answers."""
    return {"live": True}


@probes.options("/health/ready", include_in_schema=False)
@probes.get("/health/ready", responses=problems(503))
def server_ready(parts: DepParts) -> ServerReady:
    """The default model can answer, as for `/readyz`."""
    parts.check_ready()
    return {"ready": True}


@router.get("")
async def server_metadata() -> ServerMetadata:
    """The server and the protocol's extensions that it knows."""
    return {"name": "softmax-serving", "version": __version__, "extensions": _EXTENSIONS}


@direct_router.post("/repository/index", responses=problems(400, 413), openapi_extra=_INDEX_BODY)
def repository_index(call: DepCall, parts: DepParts) -> list[ModelIndexEntry]:
    """Every version of every model in the models folder; with the reason where a model's file was refused."""
    content = bytes(call.content)
    check_json(content, parts.settings.max_json_bytes)
    wanted = _index_request(content)
    models = parts.models
    index: dict[str, ModelIndexEntry] = {
        model.name: {"name": model.name, "version": model.version, "state": "READY", "reason": ""} for model in models
    }
    for name, reason in models.failures.items():
        if name in index:  # an earlier version is served on
            index[name]["reason"] = reason
        elif not wanted.ready:
            index[name] = {"name": name, "version": "", "state": "UNAVAILABLE", "reason": reason}
    standing_by = [
        ModelIndexEntry(name=model.name, version=model.version, state="READY", reason="")
        for champion in models
        for role, model in models.versions(champion.name).items()
        if role != "champion"
    ]
    return [*index.values(), *standing_by]


@router.get("/models/stats")
def all_statistics(parts: DepParts) -> Statistics:
    """What each model did for this protocol since the service started."""
    counted = parts.telemetry.counted()
    return {"model_stats": [statistics(counted, model.name, _as_number(model.version)) for model in parts.models]}


@_get_of_model("")
async def model_metadata(parts: DepParts, model: Named) -> ModelMetadata:
    """The model's tensors. Of the images that `infer` takes, UINT8 [N, 28, 28] is the form that is named here."""
    classes = len(model.metadata.labels)
    return {
        "name": model.name,
        "versions": [held.version for held in parts.models.versions(model.name).values()],
        "platform": _PLATFORM,
        "parameters": model.metadata.preparation,
        "inputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, SIDE, SIDE]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, classes]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
        ],
    }


@_get_of_model("/ready")
async def model_ready(model: Named) -> ModelReady:
    """The model is loaded and proven."""
    return {"name": model.name, "ready": True}


@_get_of_model("/config")
async def model_config(parts: DepParts, model: Named) -> ModelConfig:
    """The model's tensors without their first dimension, and the most images of one request."""
    return {
        "name": model.name,
        "platform": _PLATFORM,
        "max_batch_size": parts.settings.max_batch_images,
        "input": [{"name": "images", "data_type": "TYPE_UINT8", "dims": [SIDE, SIDE]}],
        "output": [
            {"name": "probabilities", "data_type": "TYPE_FP32", "dims": [len(model.metadata.labels)]},
            {"name": "label", "data_type": "TYPE_STRING", "dims": []},
        ],
    }


@_get_of_model("/stats")
def model_statistics(parts: DepParts, model: Named) -> Statistics:
    """What the model did for this protocol since the service started."""
    return {"model_stats": [statistics(parts.telemetry.counted(), model.name, _as_number(model.version))]}


@direct_router.post("/models/{name}/infer", **_INFER)
def infer(call: DepCall, parts: DepParts, inferences: DepInferences, name: ModelName) -> Response:
    """Classify the images of a tensor; JSON or binary, both ways, as the protocol and its extensions say."""
    return _infer(call, parts, inferences, parts.model(call, name))


@direct_router.post("/models/{name}/versions/{version}/infer", **_INFER)
def infer_of_version(
    call: DepCall, parts: DepParts, inferences: DepInferences, name: ModelName, version: Version
) -> Response:
    """The same by this version, which may be the model's champion, its challenger or its previous one."""
    return _infer(call, parts, inferences, parts.model(call, name, version))


def _infer(call: Call, parts: Parts, inferences: InferenceCounters, model: LiveModel) -> Response:
    settings, headers = parts.settings, call.header_fields
    started = perf_counter()
    try:
        inference, binary, numbers = split_body(
            call.content, headers.get(b"inference-header-content-length"), settings.max_json_bytes
        )
        images = read_images(inference.inputs[0], binary, settings.max_batch_images, numbers)
        read = perf_counter()
        probabilities = model.probabilities(images)
        answers = Answers(probabilities, probabilities.argmax(1), model.metadata.labels)
        computed = perf_counter()
        ids = new_answer_ids(images.shape[0])
        response = _response(inference, model, answers, ids, headers.get(b"accept-encoding", b""))
    except (RequestError, ServingError):
        inferences.failed(model.name, perf_counter() - started)
        raise
    inferences.succeeded(
        model.name, images.shape[0], Durations(read - started, computed - read, perf_counter() - computed)
    )
    call.afterwards(_answered, parts, model, images, answers, ids)
    return response


def _answered(parts: Parts, model: LiveModel, images: Tensor, answers: Answers, ids: str) -> None:
    """Count and record what was answered."""
    for label, count in answers.counts():
        parts.telemetry.prediction(model, label, count)
    if parts.shadow.looks_at(model):
        rows = zip(ids.split(","), answers.class_ids.tolist(), answers.probabilities.tolist(), strict=True)
        recorded = (Answer(answer_id, class_id, row[class_id], row) for answer_id, class_id, row in rows)
        parts.shadow.answered(model, recorded, to_pixels(images), checked=False)
    else:
        class_ids = array("q", answers.class_ids.numpy().tobytes())
        confidences = array("d", answers.probabilities.amax(1).double().numpy().tobytes())
        parts.records.writer.count(model, class_ids, confidences, checked=False)


def _response(
    inference: InferenceRequest, model: LiveModel, answers: Answers, ids: str, accepted_coding: bytes
) -> Response:
    body: InferenceResponse = {
        "model_name": model.name,
        "model_version": model.version,
        "parameters": {"answer_ids": ids},
        "outputs": [],
    }
    if inference.id is not None:
        body["id"] = inference.id
    tensors: list[bytes] = []
    for output in inference.outputs or _ALL_OUTPUTS:
        in_binary = output.parameters.binary_data
        if in_binary is None:
            in_binary = inference.parameters.binary_data_output
        described, tensor = write_output(output, answers, binary=in_binary)
        body["outputs"].append(described)
        tensors.append(tensor)
    header = orjson.dumps(body)
    headers = {}
    binary = any("parameters" in output for output in body["outputs"])
    if binary:
        headers["Inference-Header-Content-Length"] = str(len(header))
    content, coding = compress(b"".join((header, *tensors)), accepted_coding)
    if coding is not None:
        headers["Content-Encoding"] = coding
    return Response(content, headers=headers, media_type="application/octet-stream" if binary else "application/json")


def _classes(named: Mapping[str, Any]) -> int:
    """Of the model that is asked."""
    try:
        model = named["parts"].models.get(named.get("name"), named.get("version"))
    except ServingError:
        return 1  # the refusal has none
    return len(model.metadata.labels)


def _index_request(content: bytes) -> IndexRequest:
    try:
        return IndexRequest.model_validate_json(content or b"{}")
    except ValidationError as error:
        raise BadRequestError('The body is not an index request; send {"ready": true}, or nothing.') from error


def _as_number(version: str) -> str:
    """As `perf_analyzer` reads versions: decimal digits."""
    return str(int(version, 16))
