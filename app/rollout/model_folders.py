"""The folders of all models under one, and the decisions that another process began there and could not end."""

import logging
from pathlib import Path

from app.rollout.errors import BusyError, RolloutError
from app.rollout.model_folder import Keep, ModelFolder
from app.rollout.proofs import Prove
from app.serving.errors import NoSuchModelError

__all__ = ["ModelFolders"]

logger = logging.getLogger(__name__)


class ModelFolders:
    """Each of a folder's sub-folders is a model's."""

    def __init__(self, path: Path, keep: Keep, prove: Prove, min_accuracy: float | None = None) -> None:
        """Touch nothing yet.

        Args:
            path: of the models.
            keep: as of a ModelFolder.
            prove: as of a ModelFolder.
            min_accuracy: models of a lower test accuracy are not let in; None: all are.
        """
        self._path = path
        self._keep = keep
        self._prove = prove
        self._min_accuracy = min_accuracy

    def of(self, name: str) -> ModelFolder:
        """A model's folder; raises NoSuchModelError where there is none of this name."""
        path = self._path / name
        if name.startswith(".") or Path(name).name != (name or None) or not path.is_dir():
            raise NoSuchModelError(f"There is no model {name[:80]!r}.")
        return self._at(path)

    def finish_all(self) -> None:
        """Finish what other processes began and could not end; what can't be finished is logged."""
        try:
            paths = sorted(path for path in self._path.iterdir() if path.is_dir())
        except OSError:
            return  # whoever loads the models says why
        for path in paths:
            try:
                self._at(path).finish()
            except BusyError:
                pass  # another process is at it
            except (RolloutError, OSError) as error:
                logger.error("Model %s: an interrupted change of its files can't be finished. %s", path.name, error)

    def _at(self, path: Path) -> ModelFolder:
        return ModelFolder(path, self._keep, self._prove, self._min_accuracy)
