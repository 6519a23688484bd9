"""Which room imports which: ARCHITECTURE.md draws it; and serving stays light."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.training.conftest import make_split, write_fashion_mnist

REPOSITORY = Path(__file__).parent.parent
DOMAIN = {"app.classifier", "app.serving", "app.records", "app.rollout"}
NO_ROOM = {"app", "app.__version__"}
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


# By room: what of our own it may import, besides itself and the package's own `app`, and which libraries it must not.
ROOMS: dict[str, tuple[set[str], set[str]]] = {
    "app.regular_files": (
        set(),
        {"torch", "PIL", "fastapi", "starlette", "uvicorn", "prometheus_client", "sqlalchemy"},
    ),
    "app.engine": ({"app.regular_files"}, {"torch", "PIL", "prometheus_client", "sqlalchemy"}),
    "app.classifier": ({"app.regular_files"}, {"fastapi", "starlette", "uvicorn", "prometheus_client", "sqlalchemy"}),
    "app.process": (set(), {"torch", "PIL", "fastapi", "sqlalchemy"}),
    "app.serving": ({"app.classifier", "app.process.shared_counters"}, {"fastapi", "starlette", "sqlalchemy"}),
    "app.records": ({"app.classifier", "app.serving"}, {"fastapi", "starlette", "uvicorn"}),
    "app.rollout": (DOMAIN | {"app.regular_files"}, {"fastapi", "starlette", "sqlalchemy"}),
    "app.routes": (DOMAIN | {"app.engine", "app.parts", "app.settings"}, {"sqlalchemy"}),
    "app.open_inference": (DOMAIN | {"app.engine", "app.parts", "app.settings"}, {"sqlalchemy"}),
    "app.settings": ({"app.engine.keys"}, {"torch"}),
    "app.missing_packages": (set(), {"torch", "typer", "uvicorn"}),
    "training": ({"app.classifier", "app.missing_packages"}, {"fastapi", "uvicorn", "sqlalchemy"}),
    "training.learn": (DOMAIN | {"app.settings", "training"}, {"fastapi", "uvicorn", "sqlalchemy"}),
    "deploy": ({"app.main"}, set()),
}


def is_in(name: str, rooms: set[str]) -> bool:
    return any(f"{name}.".startswith(f"{room}.") for room in rooms)


def modules_of(room: str) -> list[Path]:
    folder = REPOSITORY / room.replace(".", "/")
    return modules(str(folder)) if folder.is_dir() else [folder.with_suffix(".py")]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    allowed, libraries = ROOMS[room]

    trespasses = [
        f"{path.relative_to(REPOSITORY)} imports {name}"
        for path in modules_of(room)
        if room == "training.learn" or "learn" not in path.relative_to(REPOSITORY).parts  # a room in a room
        for name in imports(path)
        if (is_in(name, {"app", "training", "deploy"}) and not is_in(name, {room, *allowed}) and name not in NO_ROOM)
        or is_in(name, libraries)
    ]

    assert trespasses == []


def test_every_module_stands_in_a_room_or_at_the_roof() -> None:
    roof = {"__init__", "__main__", "command_line", "errors", "main", "parts", "preloaded"}

    homeless = [
        path.relative_to(REPOSITORY)
        for path in modules("app")
        if path.stem not in roof and not any(path in modules_of(room) for room in [*ROOMS, "app.terminal"])
    ]

    assert homeless == []


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for package in ("app", "training") for path in modules(package)}

    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []  # a wheel would lack them


def test_the_database_is_spoken_to_in_one_room() -> None:
    users = {
        path.relative_to(REPOSITORY).parts[1]
        for path in modules("app")
        if any(is_in(name, {"sqlalchemy"}) for name in imports(path))
    }

    assert users == {"records"}


def test_serving_does_not_know_training() -> None:
    assert [path for path in modules("app") if any(is_in(name, {"training", "deploy"}) for name in imports(path))] == []


def test_no_module_is_a_grab_bag() -> None:
    names = {path.stem for package in ("app", "training") for path in modules(package)}

    assert names.isdisjoint({"utils", "util", "common", "helpers", "misc", "core"})


def test_serving_imports_nothing_that_it_does_not_use() -> None:
    program = f"import sys, app.main; print(*[name for name in {MUST_STAY_OUT} if name in sys.modules])"

    result = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)

    assert result.stdout.split() == []


@pytest.mark.parametrize("arguments", [["--help"], ["fit", "--help"], ["datasets"], ["sweep", "--momentum", "2"]])
def test_training_imports_nothing_that_computes_to_help_or_to_refuse_an_option(arguments: list[str]) -> None:
    computing = ("torch", "numpy", "PIL", "app.classifier.artifact", "matplotlib", "torchvision", "sqlalchemy")

    assert imported_by_training([arguments], computing) == [[]]


@pytest.mark.slow
def test_a_training_command_imports_what_it_uses_and_no_more(tmp_path: Path) -> None:
    data = ["--data-dir", str(write_fashion_mnist(tmp_path, make_split(200), make_split(50, seed=1)))]
    sweep = ["sweep", *data, "--epochs", "1", "--lr", "0.1", "--weight-decay", "0", "--validation", "0.2"]
    evaluate = ["evaluate", str(REPOSITORY / "models" / "fashion-mnist"), *data]
    fit = ["fit", *data, "--epochs", "1", "--out", str(tmp_path / "m")]
    heavy = ("torch", "matplotlib", "torchvision", "sqlalchemy", "torchmetrics", "app.rollout", "training.learn")

    found = imported_by_training([sweep, evaluate, fit], heavy)  # in one process: each import of torch takes seconds

    assert found == [["torch"], ["torch"], ["torch", "matplotlib"]]


def imported_by_training(commands: list[list[str]], names: tuple[str, ...]) -> list[list[str]]:
    """Which of the modules are there after each of the commands, that a user gives one after the other."""
    program = f"""
import runpy, sys
for arguments in {commands}:
    sys.argv = ["training", *arguments]
    try:
        runpy.run_module("training", run_name="__main__")
    except SystemExit as end:
        assert not end.code or "--momentum" in arguments
        print("\\nimported:", *[name for name in {names} if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    lines = [line for line in result.stdout.splitlines() if line.startswith("imported:")]
    return [line.partition(":")[2].split() for line in lines]


def test_no_imports_go_round_in_a_circle() -> None:
    packages = ("app", "training", "benchmarks", "deploy")
    known = {name_of(path): path for package in packages for path in modules(package)}

    waits_for = {name: known.keys() & set(imports(path)) for name, path in known.items()}

    tuple(TopologicalSorter(waits_for).static_order())  # raises CycleError, which names the circle


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
