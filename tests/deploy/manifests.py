"""What `kubectl apply -k` would send to a cluster: the overlays, rendered by kubectl's own kustomize."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import yaml

from tests.conftest import REPOSITORY

__all__ = ["FOLDER", "Workload", "find", "render", "workload"]

FOLDER = REPOSITORY / "deploy" / "kubernetes"

Manifest = dict[str, Any]


def render(name: str) -> list[Manifest]:
    """The manifests of an overlay, or of the base; the test is skipped where there is no kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl to render kustomizations")
    folder = FOLDER / name if name == "base" else FOLDER / "overlays" / name
    return list(yaml.safe_load_all(_kustomize(str(folder))))


@cache
def _kustomize(folder: str) -> str:
    command = ["kubectl", "kustomize", folder]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def find(manifests: list[Manifest], kind: str) -> Manifest:
    """The one manifest of a kind."""
    (found,) = (manifest for manifest in manifests if manifest["kind"] == kind)
    return found


@dataclass(frozen=True, slots=True)
class Workload:
    """The pod that answers, whatever kind of manifest asks for it."""

    pod: Manifest
    labels: dict[str, str]
    environment: dict[str, str]

    @property
    def container(self) -> Manifest:
        (container,) = self.pod["containers"]
        return dict(container)


def workload(manifests: list[Manifest]) -> Workload:
    """The pod of the Deployment or of the InferenceService."""
    kinds = {manifest["kind"] for manifest in manifests}
    if "Deployment" in kinds:
        template = find(manifests, "Deployment")["spec"]["template"]
        pod, labels = template["spec"], template["metadata"]["labels"]
    else:
        pod, labels = find(manifests, "InferenceService")["spec"]["predictor"], {}
    (container,) = pod["containers"]
    return Workload(pod, labels, dict(_environment(container, manifests)))


def _environment(container: Manifest, manifests: list[Manifest]) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom", ()):
        name = source["configMapRef"]["name"]
        (values,) = (one["data"] for one in manifests if one["kind"] == "ConfigMap" and one["metadata"]["name"] == name)
        yield from values.items()
    for variable in container.get("env", ()):
        if "value" in variable:  # others are in Secrets
            yield variable["name"], variable["value"]
