"""`python -m training`, and `softmax-train` of the wheel: the command line, or one sentence on what is missing."""

import importlib
import sys
from pathlib import Path
from typing import NoReturn

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
    except (ImportError, MemoryError) as error:
        *_, reason = ["memory is used up", *str(error).strip().splitlines()]
        _end(f"error: the packages that training needs can't be loaded: {reason}", 2)
    except KeyboardInterrupt:
        _end("interrupted.", 130)


def _end(sentence: str, exit_code: int) -> NoReturn:
    sys.stderr.write(f"{sentence}\n")
    sys.exit(exit_code)


if __name__ == "__main__":
    main()
