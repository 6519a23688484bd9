"""Manifests held against the published schemas, without a network: what packages from PyPI carry.

- Kubernetes: `kubernetes-validate` has the JSON schemas of each version; strictly, an unknown field is an error.
- Prometheus Operator: `cloudcoil-models-prometheus-operator` has models made from its CustomResourceDefinitions.
- KServe: its own package has types made from its OpenAPI document. It wants an older psutil than ours, so its wheel is
  read, not installed; `make test` fetches it into the environment.
"""

import ast
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

__all__ = ["KUBERNETES_VERSIONS", "SchemaError", "check"]

KUBERNETES_VERSIONS = ("1.31", kubernetes_validate.latest_version())

_KSERVE_WHEELS = Path(sys.prefix) / "schemas"
_KSERVE_TYPES: dict[str, type] = {"str": str, "int": int, "bool": bool}


class SchemaError(AssertionError):
    """A manifest does not follow its schema."""


def check(manifest: dict[str, Any]) -> None:
    """Hold a manifest against the schema of its kind.

    Raises:
        SchemaError: a field that the schema does not know, a value that it does not allow, or one that it misses.
    """
    group = manifest["apiVersion"].partition("/")[0]
    if group == "monitoring.coreos.com":
        _check_prometheus_operator(manifest)
    elif group == "serving.kserve.io":
        _check_kserve(manifest)
    else:
        _check_kubernetes(manifest)


def _check_kubernetes(manifest: dict[str, Any]) -> None:
    for version in KUBERNETES_VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            path = ".".join(map(str, error.absolute_path))
            raise SchemaError(f"{manifest['kind']} in Kubernetes {version}: {path}: {error.message}") from error


def _check_prometheus_operator(manifest: dict[str, Any]) -> None:
    from cloudcoil.models.prometheus_operator import v1  # noqa: PLC0415 - takes seconds, and only this test needs it

    try:
        model = getattr(v1, manifest["kind"]).model_validate(manifest)
    except ValueError as error:
        raise SchemaError(f"{manifest['kind']}: {error}") from error
    if model.model_dump(mode="json", by_alias=True, exclude_unset=True) != manifest:  # it drops what it does not know
        raise SchemaError(f"{manifest['kind']}: has fields that its definition does not know.")


def _check_kserve(manifest: dict[str, Any]) -> None:
    _check_fields(manifest, "V1beta1InferenceService")
    _check_fields(manifest["spec"], "V1beta1InferenceServiceSpec")
    predictor = manifest["spec"]["predictor"]
    own_fields = _kserve_fields("V1beta1ComponentExtensionSpec")
    _check_fields({name: predictor[name] for name in predictor.keys() & own_fields}, "V1beta1ComponentExtensionSpec")
    pod = {name: value for name, value in predictor.items() if name not in own_fields}  # the rest of it is a PodSpec
    _check_fields(pod, "V1beta1CustomPredictor")
    _check_kubernetes({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": pod})


def _check_fields(value: dict[str, Any], kind: str) -> None:
    fields = _kserve_fields(kind)
    for name, part in value.items():
        if name not in fields:
            raise SchemaError(f"{kind}: has no field {name}.")
        expected = _KSERVE_TYPES.get(fields[name])
        if expected is not None and type(part) is not expected:
            raise SchemaError(f"{kind}: {name} must be {fields[name]}, not {part!r}.")


@cache
def _kserve_fields(kind: str) -> dict[str, str]:
    """The fields of one of KServe's types, by their names in YAML, with the names of their types."""
    wheels = sorted(_KSERVE_WHEELS.glob("kserve-*.whl"))
    if not wheels:
        pytest.skip(f"needs KServe's wheel in {_KSERVE_WHEELS}; `make test` fetches it")
    with zipfile.ZipFile(wheels[-1]) as wheel:
        modules = {Path(name).stem.replace("_", ""): name for name in wheel.namelist() if "/models/v1beta1" in name}
        source = wheel.read(modules[kind.lower()])
    tables = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Dict)
    }
    return {tables["attribute_map"][name]: kind for name, kind in tables["openapi_types"].items()}
