"""The model file as bytes: where it lies, how it is read, and its version. What it says and its proof: `artifact`.

It stands apart because whoever moves model files does without torch, whose import takes seconds.
"""

from hashlib import sha256
from pathlib import Path

from app.classifier.errors import ModelFileError
from app.regular_files import IrregularFileError, read_regular_file

__all__ = ["FILE_NAME", "read", "version_of"]

FILE_NAME = "model.safetensors"
_MAX_BYTES = 64 * 2**20  # 20,000 classes; a larger file is not one of ours


def read(path: Path) -> bytes:
    """The bytes of a model file, unproven.

    Raises:
        ModelFileError: it is missing, unreadable, no regular file, or too large for a model.
    """
    try:
        return read_regular_file(path, _MAX_BYTES)
    except IrregularFileError as error:
        raise ModelFileError(path, f"{error}, so not a softmax-serving model") from error
    except FileNotFoundError as error:
        raise ModelFileError(path, "it does not exist") from error
    except OSError as error:
        raise ModelFileError(path, f"it can't be read ({error.strerror})") from error


def version_of(content: bytes) -> str:
    """The version of the model in a file of this content."""
    return sha256(content).hexdigest()[:12]
