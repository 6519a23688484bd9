"""What deployment files say of the service is so."""

import re

import pytest
import yaml

from app import __version__
from app.settings import Settings
from tests.conftest import REPOSITORY

EXAMPLE = (REPOSITORY / ".env.example").read_text()
COMPOSE = (REPOSITORY / "docker-compose.yml").read_text()
SHOWN = dict(re.findall(r"^# (\w+)=(.*)$", EXAMPLE, re.MULTILINE))
SET_BY_COMPOSE = {"SOFTMAX_HOST", "SOFTMAX_PORT", "SOFTMAX_MODELS_DIR"}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_shown_with_its_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = f"SOFTMAX_{name.upper()}"
    monkeypatch.delenv(variable, raising=False)
    default = getattr(Settings(), name)
    if SHOWN[variable]:
        monkeypatch.setenv(variable, SHOWN[variable])

    assert getattr(Settings(), name) == default
    assert SHOWN[variable] or not default


def test_nothing_is_shown_that_is_no_setting() -> None:
    settings = {name for name in SHOWN if name.startswith("SOFTMAX_")}

    assert settings == {f"SOFTMAX_{name.upper()}" for name in Settings.model_fields}


def test_compose_hands_every_setting_to_the_service() -> None:
    handed = set(re.findall(r"^      (SOFTMAX_\w+):", COMPOSE, re.MULTILINE))

    assert handed == {name for name in SHOWN if name.startswith("SOFTMAX_")} - SET_BY_COMPOSE


def test_every_variable_of_compose_is_shown_with_its_default() -> None:
    used = dict(re.findall(r"\$\{(\w+):?-(.*?)\}", COMPOSE))

    assert used.pop("SOFTMAX_ALLOW_ANONYMOUS") == "true"  # its ports are this machine's alone
    assert used.pop("SOFTMAX_ALLOWED_HOSTS") == "localhost,service"  # the second is what Prometheus asks
    assert used == {name: value for name, value in SHOWN.items() if not name.startswith("SOFTMAX_")}


def test_whatever_reads_the_records_in_compose_has_room_for_temporary_files() -> None:
    services = yaml.safe_load(COMPOSE)["services"]
    readers = {name: service for name, service in services.items() if "records:/srv/var" in service.get("volumes", ())}

    assert set(readers) == {"service", "learn", "decide"}
    assert all("/tmp" in service["tmpfs"] for service in readers.values())  # noqa: S108 - the container's


def test_compose_trains_on_a_gpu_or_says_why_not_and_has_room_for_its_threads() -> None:
    train = yaml.safe_load(COMPOSE)["services"]["train"]

    assert train["command"] == ["fit", "--device", "cuda"]
    assert train["environment"] == {"TRAINING_DEVICE": "cuda", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility"}
    assert train["pids_limit"] >= 4096
    [gpu] = train["deploy"]["resources"]["reservations"]["devices"]
    assert (gpu["driver"], gpu["capabilities"]) == ("nvidia", ["gpu"])


def test_the_image_is_labelled_with_the_version() -> None:
    assert f"ARG VERSION={__version__}\n" in (REPOSITORY / "Dockerfile").read_text()
