"""The Kubernetes manifests: true to the published schemas, and to the service that they run."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from app import __version__
from app.settings import Settings
from tests.conftest import REPOSITORY
from tests.deploy import schemas
from tests.deploy.manifests import FOLDER, find, render, workload

OVERLAYS = ("trial", "production", "kserve")
RULES = REPOSITORY / "deploy" / "prometheus" / "rules.yml"


@pytest.fixture(params=("base", *OVERLAYS))
def manifests(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return render(str(request.param))


def test_every_overlay_is_tested() -> None:
    assert sorted(OVERLAYS) == sorted(folder.name for folder in (FOLDER / "overlays").iterdir())


def test_every_manifest_follows_the_published_schema(manifests: list[dict[str, Any]]) -> None:
    for manifest in manifests:
        schemas.check(manifest)


def test_the_pod_that_brings_models_onto_the_volume_is_valid_too() -> None:
    pod = yaml.safe_load((FOLDER / "components" / "models-volume" / "writer.yaml").read_text())

    schemas.check(pod)
    assert pod["spec"]["securityContext"] == workload(render("production")).pod["securityContext"]
    assert pod["spec"]["containers"][0]["image"] == workload(render("production")).container["image"]
    assert pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] == "softmax-serving-models"


@pytest.mark.parametrize(
    ("overlay", "kind", "path"),
    [
        ("production", "Deployment", ("spec", "template", "spec")),
        ("production", "ServiceMonitor", ("spec",)),
        ("production", "PrometheusRule", ("spec",)),
        ("kserve", "InferenceService", ("spec", "predictor")),
        ("kserve", "InferenceService", ("spec", "predictor", "containers", 0)),
    ],
)
def test_a_misspelt_field_would_be_noticed(overlay: str, kind: str, path: tuple[str | int, ...]) -> None:
    manifest = find(render(overlay), kind)
    part: Any = manifest
    for step in path:
        part = part[step]
    part["terminationGracePeriodSecond"] = 35

    with pytest.raises(schemas.SchemaError):
        schemas.check(manifest)


def test_the_service_takes_the_settings_and_may_listen(
    manifests: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {name: value for name, value in workload(manifests).environment.items() if name != "PROTOCOL"}
    if "SOFTMAX_API_KEYS_FILE" in environment:
        environment["SOFTMAX_API_KEYS_FILE"] = str(tmp_path / "keys")
        (tmp_path / "keys").write_text("a-key-of-the-clients\na-key-of-prometheus\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    settings = Settings().model_dump()

    assert {name.removeprefix("SOFTMAX_").lower() for name in environment} <= settings.keys()
    assert settings["port"] == workload(manifests).container["ports"][0]["containerPort"]
    assert settings["api_keys_file"] or settings["allow_anonymous"]  # else it listens to its own machine only


@pytest.mark.parametrize(("kind", "path"), [("startup", "/livez"), ("readiness", "/readyz"), ("liveness", "/livez")])
async def test_probes_ask_for_what_the_service_answers(
    kind: str, path: str, manifests: list[dict[str, Any]], client: httpx.AsyncClient
) -> None:
    container = workload(manifests).container

    assert container[f"{kind}Probe"]["httpGet"] == {"path": path, "port": container["ports"][0]["name"]}
    assert (await client.get(path)).status_code == 200


def test_a_pod_may_drain_and_finish_before_it_is_killed(manifests: list[dict[str, Any]]) -> None:
    pod = workload(manifests)
    drain, stop = (float(pod.environment[f"SOFTMAX_{name}_SECONDS"]) for name in ("DRAIN", "STOP"))

    assert "lifecycle" not in pod.container  # the grace period would run during a preStop too
    assert drain + stop + 5 <= pod.pod["terminationGracePeriodSeconds"]


def test_pods_have_no_rights(manifests: list[dict[str, Any]]) -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    pod = workload(manifests).pod

    assert pod["securityContext"]["runAsUser"] == int(re.findall(r"^USER (\d+)$", dockerfile, re.MULTILINE)[-1])
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    assert workload(manifests).container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_pod_under_kserve_is_the_pod_of_the_deployment() -> None:
    plain, kserve = workload(render("base")), workload(render("kserve"))

    for part in ("securityContext", "volumes", "terminationGracePeriodSeconds", "enableServiceLinks"):
        assert kserve.pod[part] == plain.pod[part]
    for part in ("image", "imagePullPolicy", "resources", "securityContext", "volumeMounts"):
        assert kserve.container[part] == plain.container[part]
    assert kserve.environment == plain.environment | {"PROTOCOL": "v2", "SOFTMAX_PORT": "8080"}


@pytest.mark.parametrize("overlay", ["base", "trial", "production"])
def test_everything_that_selects_selects_the_pods(overlay: str) -> None:
    manifests = render(overlay)
    pod = workload(manifests)
    selectors = [
        find(manifests, "Service")["spec"]["selector"],
        *(find(manifests, kind)["spec"]["selector"]["matchLabels"] for kind in ("Deployment", "PodDisruptionBudget")),
        find(manifests, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        *(constraint["labelSelector"]["matchLabels"] for constraint in pod.pod["topologySpreadConstraints"]),
    ]

    assert all(selector.items() <= pod.labels.items() for selector in selectors)
    assert find(manifests, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "softmax-serving"
    assert find(manifests, "Service")["spec"]["ports"][0]["targetPort"] == pod.container["ports"][0]["name"]


def test_prometheus_scrapes_the_service_with_a_key_of_the_same_secret() -> None:
    manifests = render("production")
    service, monitor = find(manifests, "Service"), find(manifests, "ServiceMonitor")["spec"]
    (keys,) = (volume["secret"] for volume in workload(manifests).pod["volumes"] if volume["name"] == "keys")

    (endpoint,) = monitor["endpoints"]

    assert service["metadata"]["name"] == "softmax-serving"  # becomes the label `job`, which the alerts ask for
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert endpoint["port"] == service["spec"]["ports"][0]["name"]
    assert endpoint["authorization"]["credentials"]["name"] == keys["secretName"]


def test_only_the_trial_answers_without_keys(manifests: list[dict[str, Any]], request: pytest.FixtureRequest) -> None:
    pod = workload(manifests)
    anonymous = request.node.callspec.params["manifests"] == "trial"

    assert ("SOFTMAX_ALLOW_ANONYMOUS" in pod.environment) == anonymous
    assert ("SOFTMAX_API_KEYS_FILE" in pod.environment) != anonymous
    assert any(volume["name"] == "keys" for volume in pod.pod["volumes"]) != anonymous


def test_alerts_are_those_of_the_plain_prometheus() -> None:
    path = FOLDER / "components" / "monitoring" / "prometheus-rule.yaml"  # kustomize would fold long lines anew

    assert yaml.safe_load(path.read_text())["spec"] == yaml.safe_load(RULES.read_text()), f"copy {RULES} to {path}"


def test_production_runs_this_version() -> None:
    assert workload(render("production")).container["image"].endswith(f"/softmax-serving:{__version__}")
