"""The serving benchmark: requests, the check of answers, declarations; the servers are run by the benchmark itself."""

import json
import re
import struct
from pathlib import Path

import pytest
from python_multipart import parse_form
from python_multipart.multipart import File

from app.classifier.images import read_pixels
from benchmarks.serving.answers import Expected, check_answer
from benchmarks.serving.declarations import BASELINE, declared_peers
from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.installation import requirements_of
from benchmarks.serving.sample_model import save_sample_model
from benchmarks.serving.workloads import WORKLOADS, build_request, pixels

BATCH = WORKLOADS["batch"]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    return Expected.of(save_sample_model(tmp_path_factory.mktemp("model")), BATCH)


def test_a_form_holds_every_image_in_order(tmp_path: Path) -> None:
    request = build_request({"path": "/predict/batch", "body": "form", "field": "files"}, BATCH)
    body = tmp_path / "body"
    body.write_bytes(request.body)
    files: list[File] = []

    with body.open("rb") as stream:
        headers = {name: value.encode() for name, value in request.headers.items()}
        parse_form(headers, stream, None, files.append)

    decoded = [read_pixels(_content(file), name="file") for file in files]
    assert decoded == [pixels(index) for index in range(BATCH.images)]


def test_a_right_answer_passes_as_objects_columns_and_tensors(expected: Expected) -> None:
    rows = [dict(zip(expected.classes, row, strict=True)) for row in expected.probabilities]
    objects = [{"label": label, "probabilities": row} for label, row in zip(expected.labels, rows, strict=True)]
    columns = {"labels": expected.labels, "probabilities": expected.probabilities}
    headers, binary = _binary(expected)

    check_answer({}, json.dumps({"predictions": objects}).encode(), expected)
    check_answer({}, json.dumps(columns).encode(), expected)
    check_answer(headers, binary, expected)


def test_a_probability_that_is_off_is_refused(expected: Expected) -> None:
    off = [[value + 2e-4 * (index == 0) for index, value in enumerate(row)] for row in expected.probabilities]
    body = json.dumps({"labels": expected.labels, "probabilities": off}).encode()

    with pytest.raises(BenchmarkError, match=r"probabilities differ by 0\.0002"):
        check_answer({}, body, expected)


def test_a_wrong_label_is_refused(expected: Expected) -> None:
    body = json.dumps({"labels": expected.labels[::-1], "probabilities": expected.probabilities}).encode()

    with pytest.raises(BenchmarkError, match="labels are"):
        check_answer({}, body, expected)


def test_an_answer_that_is_not_json_is_refused(expected: Expected) -> None:
    with pytest.raises(BenchmarkError, match="can't be read"):
        check_answer({}, b"<html>", expected)


def test_every_peer_declares_requests_that_can_be_built_and_a_baseline_that_takes_them() -> None:
    peers = declared_peers()

    for peer in peers.values():
        for name, declared in peer.requests.items():
            assert build_request(declared, WORKLOADS[name]).body
        assert peer.requests.keys() <= peers[peer.baseline].requests.keys()
    assert peers[BASELINE].baseline == BASELINE


def _content(file: File) -> bytes:
    file.file_object.seek(0)
    return file.file_object.read()


def _binary(expected: Expected) -> tuple[dict[str, str], bytes]:
    floats = b"".join(struct.pack(f"<{len(row)}f", *row) for row in expected.probabilities)
    texts = [label.encode() for label in expected.labels]
    labels = b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    outputs = [
        {"name": "probabilities", "datatype": "FP32", "parameters": {"binary_data_size": len(floats)}},
        {"name": "label", "datatype": "BYTES", "parameters": {"binary_data_size": len(labels)}},
    ]
    header = json.dumps({"outputs": outputs}).encode()
    return {"inference-header-content-length": str(len(header))}, header + floats + labels


def test_every_peer_of_the_project_is_installed_in_the_versions_of_the_constraints() -> None:
    peers = [peer for peer in declared_peers().values() if peer.requirements == "project"]

    found = {peer.name: requirements_of(peer) for peer in peers}

    assert {"ours", "constant", "fastapi"} <= found.keys()
    assert "httptools==0.9.0" in found["ours"]
    for requirements in found.values():
        assert all(re.fullmatch(r"[\w.\[\]-]+(==[\w.]+)?", requirement) for requirement in requirements), requirements
