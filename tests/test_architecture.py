"""Imports point one way: training -> app.classifier <- app <- deploy; and serving stays light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
MUST_STAY_OUT = ("torchvision", "matplotlib", "pandas", "sklearn", "scipy", "torchmetrics", "training", "httpx")


def modules(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield f"{node.module}"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def trespasses(package: str, *, allowed: tuple[str, ...], within: tuple[str, ...] = ("app", "training")) -> list[str]:
    """Imports of our own code that are not allowed to a package."""
    return [
        f"{path.relative_to(REPOSITORY)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if name.split(".")[0] in within and not any(f"{name}.".startswith(f"{root}.") for root in allowed)
    ]


def test_the_classifier_knows_only_itself() -> None:
    allowed = ("app.classifier",)

    assert [line for line in trespasses("app/classifier", allowed=allowed) if not line.endswith("imports app")] == []


@pytest.mark.parametrize("library", ["fastapi", "starlette", "uvicorn", "prometheus_client"])
def test_the_classifier_knows_nothing_of_http(library: str) -> None:
    assert trespasses("app/classifier", allowed=(), within=(library,)) == []


def test_training_knows_only_the_classifier() -> None:
    assert trespasses("training", allowed=("training", "app.classifier")) == []


def test_serving_does_not_know_training() -> None:
    assert trespasses("app", allowed=("app",)) == []


def test_routes_are_known_to_the_wiring_only() -> None:
    users = [
        path.relative_to(REPOSITORY)
        for path in modules("app")
        if "routes" not in path.parts and any(name.startswith("app.routes") for name in imports(path))
    ]

    assert users == [Path("app/main.py")]


def test_no_module_is_a_grab_bag() -> None:
    names = {path.stem for package in ("app", "training") for path in modules(package)}

    assert names.isdisjoint({"utils", "util", "common", "helpers", "misc", "core"})


def test_serving_imports_nothing_that_it_does_not_use() -> None:
    program = f"import sys, app.main; print(*[name for name in {MUST_STAY_OUT} if name in sys.modules])"

    result = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert result.stdout.split() == []


def test_no_imports_go_round_in_a_circle() -> None:
    packages = ("app", "training", "benchmarks", "deploy")
    known = {name_of(path): path for package in packages for path in modules(package)}

    waits_for = {name: known.keys() & set(imports(path)) for name, path in known.items()}

    tuple(TopologicalSorter(waits_for).static_order())  # raises CycleError, which names the circle


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
