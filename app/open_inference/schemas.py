"""The protocol's JSON objects. Requests are checked against these; answers are typed dicts: what is built is sent."""

from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator, model_validator
from typing_extensions import TypedDict

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
    "RequestedOutput",
    "ServerLive",
    "ServerMetadata",
    "ServerReady",
    "Statistics",
    "TensorConfig",
    "TensorMetadata",
]


class _Request(BaseModel):
    """What a client sends; parameters that are meant for other servers are ignored."""

    model_config = ConfigDict(frozen=True, strict=True)


class InputParameters(_Request):
    binary_data_size: int | None = Field(None, description="bytes of this tensor after the JSON object")


class InputTensor(_Request):
    """The images."""

    name: Literal["images"]
    datatype: Literal["UINT8", "FP32"] = Field(description="UINT8 in 0-255, or FP32 in 0-1")
    shape: list[Annotated[int, Field(ge=1, lt=2**63)]] = Field(
        max_length=4, description="[N, 28, 28], [N, 784] or [N, 1, 28, 28]"
    )
    parameters: InputParameters = InputParameters()
    data: list[Any] | None = Field(None, description="row-major, flat or nested; absent where the tensor is binary")


class OutputParameters(_Request):
    binary_data: bool | None = Field(None, description="return this output after the JSON object, not in it")
    classification: PositiveInt | None = Field(
        None, description="return the k most probable classes instead, as BYTES [N, k] of `probability:class_id:label`"
    )


class RequestedOutput(_Request):
    name: Literal["probabilities", "label"]
    parameters: OutputParameters = OutputParameters()

    @model_validator(mode="after")
    def _can_be_ranked(self) -> Self:
        if self.name == "label" and self.parameters.classification is not None:
            raise ValueError("label has no values to rank; ask for the classification of probabilities")
        return self


class RequestParameters(_Request):
    binary_data_output: bool = Field(default=False, description="binary_data of every output that does not say itself")


class InferenceRequest(_Request):
    """The images to classify and the outputs to return; no outputs means all of them."""

    id: str | None = Field(None, description="returned in the answer")
    parameters: RequestParameters = RequestParameters()
    inputs: list[InputTensor] = Field(min_length=1, max_length=1)
    outputs: list[RequestedOutput] = Field([], max_length=2)

    @field_validator("outputs")
    @classmethod
    def _are_named_once(cls, outputs: list[RequestedOutput]) -> list[RequestedOutput]:
        if len({output.name for output in outputs}) < len(outputs):
            raise ValueError("an output is named twice")
        return outputs


class IndexRequest(_Request):
    ready: bool = Field(default=False, description="list only the models that are ready")


class ResponseParameters(TypedDict):
    binary_data_size: int


class OutputTensor(TypedDict):
    """`probabilities` FP32 [N, C], `label` BYTES [N], or a classification BYTES [N, k]."""

    name: str
    datatype: str
    shape: list[int]
    parameters: NotRequired[ResponseParameters]
    data: NotRequired[list[float] | list[str]]


class InferenceResponse(TypedDict):
    """The outputs, in the order in which they were asked for."""

    model_name: str
    model_version: str
    id: NotRequired[str]
    parameters: dict[str, str]  # `answer_ids`: one for each image, with commas between them
    outputs: list[OutputTensor]


class ServerLive(TypedDict):
    live: bool


class ServerReady(TypedDict):
    ready: bool


class ModelReady(TypedDict):
    name: str
    ready: bool


class ServerMetadata(TypedDict):
    name: str
    version: str
    extensions: list[str]


class TensorMetadata(TypedDict):
    """A dimension of -1 is the caller's to choose."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(TypedDict):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class TensorConfig(TypedDict):
    """A tensor without its first dimension, the number of images."""

    name: str
    data_type: str
    dims: list[int]


class ModelConfig(TypedDict):
    """The part of Triton's model configuration that has a meaning here."""

    name: str
    platform: str
    max_batch_size: int
    input: list[TensorConfig]
    output: list[TensorConfig]


class ModelIndexEntry(TypedDict):
    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


class DurationStatistic(TypedDict):
    count: int
    ns: int


class InferenceStatistics(TypedDict):
    """`queue` stays at 0 ns: a request is computed as soon as it is read."""

    success: DurationStatistic
    fail: DurationStatistic
    queue: DurationStatistic
    compute_input: DurationStatistic
    compute_infer: DurationStatistic
    compute_output: DurationStatistic


class ModelStatistics(TypedDict):
    """What a model did for this protocol since the service started, over all its workers."""

    name: str
    version: str
    last_inference: int
    inference_count: int
    execution_count: int
    inference_stats: InferenceStatistics
    batch_stats: list[dict[str, Any]]


class Statistics(TypedDict):
    model_stats: list[ModelStatistics]


class ProtocolProblem(Problem):
    """A problem document (RFC 9457) with the protocol's own member for errors."""

    error: str
