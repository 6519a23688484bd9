"""What to do where a package that a command needs is not installed."""

import sys
from pathlib import Path

__all__ = ["advice"]

_FOLDER = Path(__file__).parent.parent


def advice(error: ModuleNotFoundError, target: str, extra: str = "") -> str:
    """Return one sentence for whoever called `python -m app` or `python -m training`.

    Args:
        error: of the import; one of our own modules is no package to install, and the error is raised again.
        target: of make, which installs what is missing into a clone's environment.
        extra: of the wheel, such as `[train]`.
    """
    missing = str(error.name).partition(".")[0]
    if missing in {"app", "training"}:
        raise error
    what = f"{missing} is not installed in {sys.executable}"
    if not (_FOLDER / "Makefile").exists():
        return f"{what}: `{sys.executable} -m pip install 'softmax-serving{extra}'` installs it."
    return (
        f"{what}: run `make {target}` in {_FOLDER}, which installs it into .venv, and then take `.venv/bin/python` "
        "for `python`, as `. .venv/bin/activate` does for this shell."
    )
