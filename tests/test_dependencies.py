"""What is installed from elsewhere: its versions fit together, and others' images can't change under their names."""

import re
import tomllib

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import REPOSITORY

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
PINS = dict(re.findall(r"^([\w.-]+)==(\S+)$", (REPOSITORY / "constraints.txt").read_text(), re.MULTILINE))


def requirements() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    return [Requirement(text) for text in sum(extras, PROJECT["dependencies"]) if not text.startswith(PROJECT["name"])]


def test_every_requirement_is_pinned_to_a_version_that_it_allows() -> None:
    pins = {canonicalize_name(name): version for name, version in PINS.items()}

    unfit = [
        str(requirement)
        for requirement in requirements()
        if not requirement.specifier.contains(pins[canonicalize_name(requirement.name)])
    ]

    assert unfit == []


def test_every_requirement_has_a_lower_bound() -> None:
    assert [str(requirement) for requirement in requirements() if not re.search("[>=]=", str(requirement))] == []


def test_images_of_others_are_pinned_by_digest() -> None:
    services = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"].values()
    others = [service["image"] for service in services if "build" not in service]

    assert others
    assert all(re.fullmatch(r".+:[\d.v]+@sha256:[0-9a-f]{64}", image) for image in others)
