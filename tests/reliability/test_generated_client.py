"""The client that openapi-python-client makes of the service's own description, against a real server."""

import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests.conftest import REPOSITORY, running_server

GENERATOR = REPOSITORY / ".venv" / "client-generator" / "bin"
BOOT = (REPOSITORY / "docs" / "boot.png").read_bytes()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server with the repository's model."""
    with running_server(REPOSITORY / "models") as url:
        yield url


@pytest.fixture(scope="module")
def document(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def generated(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the generated package, which can be imported."""
    generator = GENERATOR / "openapi-python-client"
    if not generator.exists():
        pytest.skip(f"needs openapi-python-client in {GENERATOR}; `make test` installs it")
    folder = tmp_path_factory.mktemp("generated")
    description = folder / "openapi.json"
    description.write_text(json.dumps(document))
    command: list[str | Path] = [
        generator,
        "generate",
        "--path",
        description,
        "--meta",
        "none",
        "--output-path",
        folder / "made_client",
    ]
    done = subprocess.run(command, env={"PATH": str(GENERATOR)}, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).strip() == f"Generating {folder / 'made_client'}"  # and no warning
    sys.path.insert(0, str(folder))
    yield "made_client"
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def call(generated: str, url: str) -> Iterator[Callable[..., Any]]:
    """Calls an operation of the generated client by its module's name."""
    with importlib.import_module(generated).Client(base_url=url) as client:
        yield lambda operation, **named: part(generated, f"api.{operation}").sync_detailed(client=client, **named)


def part(package: str, name: str) -> ModuleType:
    return importlib.import_module(f"{package}.{name}")


def file(package: str, content: bytes = BOOT, name: str = "boot.png") -> Any:
    return part(package, "types").File(payload=BytesIO(content), file_name=name)


@pytest.mark.parametrize(
    ("operation", "named", "kind"),
    [
        ("health.livez", {}, "Status"),
        ("health.readyz", {}, "Status"),
        ("metrics.metrics", {}, "Metrics"),
        ("models.list_models", {}, "ModelList"),
        ("models.show_model", {"name": "fashion-mnist"}, "ModelCard"),
        ("models.show_templates", {"name": "fashion-mnist"}, "Templates"),
        ("models.show_model", {"name": "none"}, "Problem"),
        ("open_inference_protocol.server_metadata", {}, "ServerMetadata"),
        ("open_inference_protocol.server_live", {}, "ServerLive"),
        ("open_inference_protocol.server_ready", {}, "ServerReady"),
        ("open_inference_protocol.model_metadata", {"name": "fashion-mnist"}, "ModelMetadata"),
        ("open_inference_protocol.model_config", {"name": "fashion-mnist"}, "ModelConfig"),
        ("open_inference_protocol.model_ready", {"name": "fashion-mnist"}, "ModelReady"),
        ("open_inference_protocol.model_statistics", {"name": "fashion-mnist"}, "Statistics"),
        ("open_inference_protocol.model_metadata", {"name": "none"}, "ProtocolProblem"),
        (
            "open_inference_protocol.model_ready_of_version",
            {"name": "fashion-mnist", "version": "1"},
            "ProtocolProblem",
        ),
    ],
)
def test_an_answer_is_what_its_description_says(
    call: Callable[..., Any], operation: str, named: dict[str, str], kind: str
) -> None:
    assert type(call(operation, **named).parsed).__name__ == kind


@pytest.mark.parametrize("operation", ["predict", "explain"])
def test_an_image_is_classified_as_a_form_and_as_a_body(
    call: Callable[..., Any], generated: str, operation: str
) -> None:
    form = getattr(part(generated, "models"), f"{operation.capitalize()}FilesBody")(file=file(generated))

    for body in (form, file(generated)):
        answer = call(f"classification.{operation}", body=body, coverage=0.95).parsed
        assert answer.label == "Ankle boot"
        assert answer.probabilities["Ankle boot"] == answer.confidence > 0.9
        assert "Ankle boot" in answer.prediction_set


def test_a_batch_has_a_prediction_and_a_problem(call: Callable[..., Any], generated: str) -> None:
    form = part(generated, "models").PredictBatchBody(
        files=[file(generated), file(generated, b"no image", "notes.txt")]
    )

    first, second = call("classification.predict_batch", body=form).parsed.predictions

    assert first.label == "Ankle boot"
    assert (second.status, second.title) == (415, "Not an image")


def test_a_label_is_told(call: Callable[..., Any], generated: str) -> None:
    models = part(generated, "models")
    form = models.FeedbackFilesBody(file=[file(generated)], label=["Sneaker"])

    answer = call("classification.feedback", body=form).parsed
    [judged] = answer.answers
    told = call("classification.feedback", body=models.TellableLabel(id=judged.id, label="Ankle boot")).parsed

    assert (answer.count, answer.correct) == (1, 0)
    assert told.kept == 1


def test_a_refusal_is_a_problem(call: Callable[..., Any], generated: str) -> None:
    answer = call("classification.predict", body=file(generated, b"no image"))

    assert answer.status_code == 415
    assert answer.parsed.detail


def test_a_tensor_is_classified(call: Callable[..., Any], generated: str) -> None:
    models = part(generated, "models")
    images = models.InputTensor(
        name="images", datatype=models.InputTensorDatatype.UINT8, shape=[1, 784], data=[0] * 784
    )

    answer = call(
        "open_inference_protocol.infer", name="fashion-mnist", body=models.InferenceRequest(inputs=[images])
    ).parsed

    assert [output.name for output in answer.outputs] == ["probabilities", "label"]


def test_every_operation_and_every_field_is_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    operations = [one for path in document["paths"].values() for one in path.values()]

    nameless = [name for name, schema in schemas.items() if "description" not in schema]
    bare = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, told in schema.get("properties", {}).items()
        if "description" not in told
    ]

    assert nameless + bare == []
    assert [one["operationId"] for one in operations if "description" not in one] == []
    assert [p["name"] for one in operations for p in one.get("parameters", ()) if "description" not in p] == []


def test_each_example_is_the_answer_to_its_request(document: dict[str, Any], url: str) -> None:
    notes = ("notes.txt", b"no image")
    bodies: dict[str, dict[str, Any]] = {
        "/predict": {"files": {"file": BOOT}},
        "/predict/batch": {"files": [("files", BOOT), ("files", notes)]},
        "/feedback": {"files": {"file": BOOT}, "data": {"label": "Sneaker"}},
    }

    for path, body in bodies.items():
        answer = httpx.post(f"{url}{path}", **body).json()
        example = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["example"]
        assert rounded(answer) == rounded(example)


def rounded(value: Any) -> Any:
    """Probabilities differ in their last digits from one machine to another, and ids in all."""
    if isinstance(value, dict):
        return {name: "an id" if name == "id" else rounded(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value
