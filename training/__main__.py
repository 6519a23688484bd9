"""`python -m training`, and `softmax-train` of the wheel: the command line, or one sentence on what is missing."""

import importlib
import sys
from pathlib import Path

from app.missing_packages import advice

__all__ = ["main"]


def main() -> None:
    """Run the command line under the name by which it was called."""
    called = Path(sys.argv[0]).name
    try:
        importlib.import_module("training.command_line").run(
            "python -m training" if called == "__main__.py" else called
        )
    except ModuleNotFoundError as error:
        sys.exit(advice(error, "train", "[train]"))


if __name__ == "__main__":
    main()
