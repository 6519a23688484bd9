"""Which files of a model were proven, by their SHA-256, so that the way back need not prove again what answered before.

A proof takes torch, whose import takes seconds; to see that a file still has the bytes that were proven takes none.
"""

from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson
from pydantic import TypeAdapter, ValidationError

from app import __version__
from app.classifier import model_file
from app.regular_files import IrregularFileError, read_regular_file
from app.rollout.model_files import remove, write

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
        self._draft = file.with_suffix(".new")
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

    def remember(self, digests: Iterable[str]) -> None:
        """Write down, for the next process, which of these files are proven, and forget all others.

        Raises:
            OSError: it can't be written; what was remembered stays.
        """
        known = self._known()
        kept = {digest: known[digest] for digest in sorted(digests) if digest in known}
        if kept != self._read():
            self.forget_draft()
            if self._file.is_dir():  # whatever stands there must not close the way back
                remove(self._file)
            write(self._draft, orjson.dumps(_Written(__version__, kept)._asdict()))
            self._draft.replace(self._file)

    def forget_draft(self) -> None:
        """Remove what a process that was stopped had begun to write."""
        remove(self._draft)

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
