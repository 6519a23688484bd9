"""The protocol's JSON objects. Requests are checked against these; answers are typed dicts: what is built is sent."""

from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator
from typing_extensions import TypedDict

from app.classifier.preparation import Preparation
from app.engine.problems import Problem

__all__ = [
    "DurationStatistic",
    "IndexRequest",
    "InferenceRequest",
    "InferenceResponse",
    "InferenceStatistics",
    "InputTensor",
    "ModelConfig",
    "ModelIndexEntry",
    "ModelMetadata",
    "ModelReady",
    "ModelStatistics",
    "OutputTensor",
    "ProtocolProblem",
    "RepositoryRequest",
    "RequestedOutput",
    "ServerLive",
    "ServerMetadata",
    "ServerReady",
    "Statistics",
    "TensorConfig",
    "TensorMetadata",
]


def _say_what_may_be_null(schema: dict[str, Any]) -> None:
    for name, described in schema["properties"].items():
        if name not in schema.get("required", []) and {"type": "null"} not in described.get("anyOf", []):
            told = {key: described.pop(key) for key in ("title", "description") if key in described}
            if isinstance(default := described.pop("default"), bool):
                told["default"] = default  # programs that make clients of the document trip over others
            kind = dict(described)
            described.clear()
            described.update({"anyOf": [kind, {"type": "null"}], **told})


class _Request(BaseModel):
    """What a client sends; parameters that are meant for other servers are ignored."""

    model_config = ConfigDict(frozen=True, strict=True, json_schema_extra=_say_what_may_be_null)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, sent: Any) -> Any:
        """What is null is absent, as `mlserver`'s own client sends it."""
        return {name: value for name, value in sent.items() if value is not None} if isinstance(sent, dict) else sent


class InputParameters(_Request):
    """How the images are sent."""

    binary_data_size: int | None = Field(None, description="bytes of this tensor after the JSON object")


class InputTensor(_Request):
    """The images."""

    name: Literal["images"] = Field(description="of the tensor")
    datatype: Literal["UINT8", "FP32"] = Field(description="UINT8 in 0-255, or FP32 in 0-1")
    shape: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(
        max_length=4, description="[N, 28, 28], [N, 784] or [N, 1, 28, 28]"
    )
    parameters: InputParameters = Field(InputParameters(), description="how it is sent")
    data: list[Any] | None = Field(None, description="row-major, flat or nested; absent where the tensor is binary")


class OutputParameters(_Request):
    """How an output is returned."""

    binary_data: bool | None = Field(None, description="return this output after the JSON object, not in it")
    classification: PositiveInt | None = Field(
        None, description="return the k most probable classes instead, as BYTES [N, k] of `probability:class_id:label`"
    )


class RequestedOutput(_Request):
    """One of the outputs."""

    name: Literal["probabilities", "label"] = Field(description="of the tensor")
    parameters: OutputParameters = Field(OutputParameters(), description="how it is returned")

    @model_validator(mode="after")
    def _can_be_ranked(self) -> Self:
        if self.name == "label" and self.parameters.classification is not None:
            raise ValueError("label has no values to rank; ask for the classification of probabilities")
        return self


class RequestParameters(_Request):
    """How outputs are returned."""

    binary_data_output: bool = Field(default=False, description="binary_data of every output that does not say itself")


class InferenceRequest(_Request):
    """The images to classify and the outputs to return; no outputs means all of them."""

    id: str | None = Field(None, description="returned in the answer")
    parameters: RequestParameters = Field(RequestParameters(), description="for outputs that say nothing themselves")
    inputs: list[InputTensor] = Field(min_length=1, max_length=1, description="the one tensor")
    outputs: list[RequestedOutput] = Field([], max_length=2, description="those to return, in this order")

    @field_validator("outputs")
    @classmethod
    def _are_named_once(cls, outputs: list[RequestedOutput]) -> list[RequestedOutput]:
        if len({output.name for output in outputs}) < len(outputs):
            raise ValueError("an output is named twice")
        return outputs


class IndexRequest(_Request):
    ready: bool = Field(default=False, description="list only the models that are ready")


class RepositoryRequest(_Request):
    """What clients send along when a model is loaded or unloaded."""

    parameters: dict[str, Any] = Field({}, description="`unload_dependents`; all others are refused")


class ResponseParameters(TypedDict):
    """How an output is returned."""

    binary_data_size: Annotated[int, Field(description="bytes of this tensor after the JSON object")]


class OutputTensor(TypedDict):
    """`probabilities` FP32 [N, C], `label` BYTES [N], or a classification BYTES [N, k]."""

    name: Annotated[str, Field(description="probabilities or label")]
    datatype: Annotated[str, Field(description="FP32 or BYTES")]
    shape: Annotated[list[int], Field(description="[N, C], [N] or [N, k]")]
    parameters: NotRequired[Annotated[ResponseParameters, Field(description="where the tensor is binary")]]
    data: NotRequired[
        Annotated[list[float] | list[str], Field(description="row-major; absent where the tensor is binary")]
    ]


class InferenceResponse(TypedDict):
    """The outputs, in the order in which they were asked for."""

    model_name: Annotated[str, Field(description="which answered")]
    model_version: Annotated[str, Field(description="the first 12 hex digits of its file's SHA-256")]
    id: NotRequired[Annotated[str, Field(description="as it was sent")]]
    parameters: Annotated[
        dict[str, str], Field(description="`answer_ids`: one for each image, with commas between them")
    ]
    outputs: Annotated[list[OutputTensor], Field(description="in the order in which they were asked for")]


class ServerLive(TypedDict):
    """The process answers."""

    live: Annotated[bool, Field(description="always true")]


class ServerReady(TypedDict):
    """The default model can answer."""

    ready: Annotated[bool, Field(description="always true; else there is a problem")]


class ModelReady(TypedDict):
    """The model can answer."""

    name: Annotated[str, Field(description="of the model")]
    ready: Annotated[bool, Field(description="always true; else there is a problem")]


class ServerMetadata(TypedDict):
    """The server and what it knows of the protocol."""

    name: Annotated[str, Field(description="of this server")]
    version: Annotated[str, Field(description="of this server")]
    extensions: Annotated[list[str], Field(description="of the protocol that it knows")]


class TensorMetadata(TypedDict):
    """A dimension of -1 is the caller's to choose."""

    name: Annotated[str, Field(description="of the tensor")]
    datatype: Annotated[str, Field(description="of its elements")]
    shape: Annotated[list[int], Field(description="its dimensions")]


class ModelMetadata(TypedDict):
    """The tensors of a model."""

    name: Annotated[str, Field(description="of the model")]
    versions: Annotated[list[str], Field(description="those that are served: one")]
    platform: Annotated[str, Field(description="how the model is kept")]
    parameters: Annotated[Preparation, Field(description="how its training images became pixels")]
    inputs: Annotated[list[TensorMetadata], Field(description="what it takes")]
    outputs: Annotated[list[TensorMetadata], Field(description="what it returns")]


class TensorConfig(TypedDict):
    """A tensor without its first dimension, the number of images."""

    name: Annotated[str, Field(description="of the tensor")]
    data_type: Annotated[str, Field(description="of its elements, as Triton names them")]
    dims: Annotated[list[int], Field(description="its dimensions but the first")]


class ModelConfig(TypedDict):
    """The part of Triton's model configuration that has a meaning here."""

    name: Annotated[str, Field(description="of the model")]
    platform: Annotated[str, Field(description="how the model is kept")]
    max_batch_size: Annotated[int, Field(description="most images in one request")]
    input: Annotated[list[TensorConfig], Field(description="what it takes")]
    output: Annotated[list[TensorConfig], Field(description="what it returns")]


class ModelIndexEntry(TypedDict):
    """One model in the models folder."""

    name: Annotated[str, Field(description="of the model")]
    version: Annotated[
        str, Field(description="the first 12 hex digits of its file's SHA-256; empty where it is not served")
    ]
    state: Annotated[Literal["READY", "UNAVAILABLE"], Field(description="whether it is served")]
    reason: Annotated[str, Field(description="why its file was refused; empty where it was not")]


class DurationStatistic(TypedDict):
    """How long requests took, in nanoseconds."""

    count: Annotated[int, Field(description="of requests")]
    ns: Annotated[int, Field(description="of all of them together")]


class InferenceStatistics(TypedDict):
    """`queue` stays at 0 ns: a request is computed as soon as it is read."""

    success: Annotated[DurationStatistic, Field(description="of requests that were answered")]
    fail: Annotated[DurationStatistic, Field(description="of requests that were refused")]
    queue: Annotated[DurationStatistic, Field(description="always 0")]
    compute_input: Annotated[DurationStatistic, Field(description="reading the images")]
    compute_infer: Annotated[DurationStatistic, Field(description="computing the probabilities")]
    compute_output: Annotated[DurationStatistic, Field(description="writing the answer")]


class ModelStatistics(TypedDict):
    """What a model did for this protocol since the service started, over all its workers."""

    name: Annotated[str, Field(description="of the model")]
    version: Annotated[str, Field(description="that is served now")]
    last_inference: Annotated[int, Field(description="in milliseconds since 1970")]
    inference_count: Annotated[int, Field(description="images that were classified")]
    execution_count: Annotated[int, Field(description="requests that were answered")]
    inference_stats: Annotated[InferenceStatistics, Field(description="how long requests took")]
    batch_stats: Annotated[list[dict[str, Any]], Field(description="empty: requests are not put together")]


class Statistics(TypedDict):
    """What models did for this protocol since the service started."""

    model_stats: Annotated[list[ModelStatistics], Field(description="one for each model that was asked for")]


class ProtocolProblem(Problem):
    """A problem document (RFC 9457) with the protocol's own member for errors."""

    error: Annotated[str, Field(description="the same as detail")]
