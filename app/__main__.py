"""`python -m app`, and `softmax-serve` of the wheel: the command line, or one sentence on what is missing."""

import importlib
import sys
from pathlib import Path

from app.missing_packages import advice

__all__ = ["main"]


def main() -> None:
    """Run the command line under the name by which it was called."""
    called = Path(sys.argv[0]).name
    try:
        importlib.import_module("app.command_line").run("python -m app" if called == "__main__.py" else called)
    except ModuleNotFoundError as error:
        sys.exit(advice(error, "serve"))


if __name__ == "__main__":
    main()
