"""Which files of a model were proven, by their SHA-256, so that the way back need not prove again what answered before.

A proof takes torch, whose import takes seconds; to see that a file still has the bytes that were proven takes none.
"""

from collections.abc import Callable, Container
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson
from pydantic import TypeAdapter, ValidationError

from app import __version__
from app.classifier import model_file
from app.regular_files import IrregularFileError, read_regular_file
from app.rollout.model_files import remove

if TYPE_CHECKING:  # it imports torch
    from app.classifier.artifact import Artifact

__all__ = ["Proofs", "Prove"]

_MAX_BYTES = 2**16  # of what is written down of two files

Prove = Callable[[Path, bytes], "Artifact"]  # a path and what was read there; raises ModelFileError


class _Written(NamedTuple):
    service: str  # version of this software that proved them: another one's proof may ask for more
    accuracies: dict[str, float]  # on the test set, by the SHA-256 of the model file


_WRITTEN = TypeAdapter(_Written)


class Proofs:
    """What one file remembers of the proofs of model files."""

    def __init__(self, file: Path, prove: Prove) -> None:
        """Touch nothing yet.

        Args:
            file: that remembers; what is no such file remembers nothing.
            prove: proves what was read of a model file.
        """
        self._file = file
        self._prove = prove
        self._proven: dict[str, float] = {}  # by this process, as they are written down

    def load(self, path: Path) -> "Artifact":
        """Read a model file and prove it, whatever is remembered; raises ModelFileError."""
        return self._load(path, model_file.read(path))

    def accuracy(self, path: Path) -> tuple[str, float]:
        """The version and the test accuracy of a model file, which is proven unless it was; raises ModelFileError."""
        content = model_file.read(path)
        known = self._known().get(sha256(content).hexdigest())
        if known is None:
            known = self._load(path, content).metadata.evaluation.accuracy
        return model_file.version_of(content), known

    def remember(self, digests: Container[object]) -> None:
        """Write down, for the next process, which of these files are proven, and forget all others.

        Where that can't be done nothing is remembered: whoever needs a proof makes it anew.
        """
        kept = {digest: accuracy for digest, accuracy in self._known().items() if digest in digests}
        if kept == self._read():
            return
        with suppress(OSError):
            remove(self._file)  # it may be another user's, or no file
            self._file.write_bytes(orjson.dumps(_Written(__version__, kept)._asdict()))

    def _load(self, path: Path, content: bytes) -> "Artifact":
        loaded = self._prove(path, content)
        self._proven[sha256(content).hexdigest()] = loaded.metadata.evaluation.accuracy
        return loaded

    def _known(self) -> dict[str, float]:
        return self._read() | self._proven

    def _read(self) -> dict[str, float]:
        try:
            written = _WRITTEN.validate_json(read_regular_file(self._file, _MAX_BYTES), strict=True)
        except (IrregularFileError, OSError, ValidationError):
            return {}
        return written.accuracies if written.service == __version__ else {}
