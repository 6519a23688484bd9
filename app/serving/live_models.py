"""The models being served: loaded, proven, swapped and dropped as their files come and go."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from app.classifier import artifact
from app.classifier.artifact import Artifact
from app.classifier.errors import ModelFileError
from app.serving.errors import NoSuchModelError, NotReadyError
from app.serving.live_model import LiveModel

__all__ = ["Change", "LiveModels"]

logger = logging.getLogger(__name__)

_PREFERRED_DEFAULT = "fashion-mnist"

Look = tuple[int, ...]  # what a file looks like from outside; any change of its content changes this too
_NEVER: Look = ()
Entry = TypeVar("Entry")


class Change(NamedTuple):
    """What became of a model when its file changed."""

    model: str
    outcome: Literal["added", "swapped", "refused", "removed"]


class LiveModels:
    """Every model under one folder, by name; and why each of the others could not be loaded.

    Attributes:
        default_name: the model that answers when none is named; chosen once, and never another while this lives.
        failures: by name, why a model file was refused. A version of that model which was loaded before goes on being
            served.
        folder_problem: why the folder can't be read; what is loaded goes on being served. None: it can.
    """

    def __init__(self, folder: Path, default: str | None = None, min_accuracy: float | None = None) -> None:
        """Load all that is there. What can't be loaded is logged and kept in `failures`, not raised.

        Args:
            folder: each of its sub-folders with a model file is a model; hidden ones are left out.
            default: the model that answers when none is named; None: fashion-mnist, else the first by name.
            min_accuracy: models of a lower test accuracy are refused; None: none is.
        """
        self._folder = folder
        self._min_accuracy = min_accuracy
        self._models: dict[str, LiveModel] = {}
        self.failures: dict[str, str] = {}
        self.folder_problem: str | None = None
        self.default_name = default or _PREFERRED_DEFAULT
        self._is_default_open = default is None
        self._is_ready = True
        self._tried: dict[str, Look] = {}  # the files as they were when they were loaded or refused
        self._seen = self._look() or {}  # the files at the last look
        self.refresh()

    def __iter__(self) -> Iterator[LiveModel]:
        return iter(self._models.values())

    def get(self, name: str | None = None) -> LiveModel:
        """The model of that name, or the default model.

        Raises:
            NoSuchModelError: no folder has this name.
            NotReadyError: its file, or any file, could not be loaded.
        """
        wanted = name or self.default_name
        model = self._models.get(wanted)
        if model is not None:
            return model
        if name is None or wanted in self.failures:
            raise NotReadyError(self._why_unready(wanted))
        raise NoSuchModelError(f"There is no model {name[:80]!r}; there is {', '.join(self._models) or 'none'}.")

    def refresh(self) -> list[Change]:
        """Look at the files, and serve what has changed; to be called again and again, from any one thread at a time.

        A change counts once two looks in a row find the same, so that a file which is still being written, or away
        between a removal and a copy, is left alone. New dictionaries take the place of the old in one step: whoever
        reads them meanwhile is not disturbed.
        """
        found = self._look()
        if found is None:
            return []
        before, self._seen = self._seen, found
        changed = [name for name in found.keys() | self._tried.keys() if found.get(name) != self._tried.get(name)]
        settled = sorted(name for name in changed if found.get(name) == before.get(name))
        changes = [self._load(name, found[name]) if name in found else self._drop(name) for name in settled]
        self._settle_default()
        return [change for change in changes if change is not None]

    def _look(self) -> dict[str, Look] | None:
        try:
            folders = [folder for folder in self._folder.iterdir() if _is_name(folder.name)]
        except OSError as error:
            self._set_folder_problem(f"Models folder {self._folder} can't be read: {error.strerror}.")
            return None
        self._set_folder_problem(None)
        looks = {folder.name: _look_at(folder / artifact.FILE_NAME) for folder in folders}
        return {name: look for name, look in looks.items() if look is not None}

    def _set_folder_problem(self, problem: str | None) -> None:
        if problem is not None and problem != self.folder_problem:
            served = ", ".join(self._models)
            logger.error("%s%s", problem, f" Served as before: {served}." if served else "")
        self.folder_problem = problem

    def _load(self, name: str, look: Look) -> Change | None:
        path = self._folder / name / artifact.FILE_NAME
        self._tried[name] = look
        try:
            model = LiveModel(name, self._prove(path))
        except ModelFileError as error:
            return self._refuse(name, error)
        except Exception as error:  # noqa: BLE001 - whatever a file does to its reader, the others are served
            return self._refuse(name, ModelFileError(path, f"it can't be loaded ({error!r})"))
        self.failures = _without(self.failures, name)
        served = self._models.get(name)
        if served is not None and served.version == model.version:
            return None
        self._models = dict(sorted({**self._models, name: model}.items()))
        replaced = f", in the place of {served.version}" if served else ""
        logger.info("Model %s, version %s, loaded from %s%s.", name, model.version, path, replaced)
        return Change(name, "swapped" if served else "added")

    def _prove(self, path: Path) -> Artifact:
        loaded = artifact.load(path)
        accuracy = loaded.metadata.evaluation.accuracy
        if self._min_accuracy is not None and accuracy < self._min_accuracy:
            raise ModelFileError(
                path, f"its test accuracy, {accuracy:.4f}, is below SOFTMAX_MIN_ACCURACY, {self._min_accuracy:.4f}"
            )
        return loaded

    def _refuse(self, name: str, error: ModelFileError) -> Change | None:
        reason = str(error)
        if isinstance(error.__cause__, OSError):  # a share that is away, too many open files: it may pass, so try again
            self._tried[name] = _NEVER
            if self.failures.get(name) == reason:
                return None
        self.failures = {**self.failures, name: reason}
        served = self._models.get(name)
        logger.error("%s%s", reason, f" Version {served.version} goes on being served." if served else "")
        return Change(name, "refused")

    def _drop(self, name: str) -> Change:
        del self._tried[name]
        self.failures = _without(self.failures, name)
        self._models = _without(self._models, name)
        logger.info("Model %s is no longer served: its file was removed.", name)
        return Change(name, "removed")

    def _settle_default(self) -> None:
        names = sorted(self._models.keys() | self.failures.keys())
        if self._is_default_open and names:
            self._is_default_open = False
            if _PREFERRED_DEFAULT not in names:
                self.default_name = names[0]
        was_ready, self._is_ready = self._is_ready, self.default_name in self._models
        if was_ready and not self._is_ready:
            logger.error("Not ready: %s", self._why_unready(self.default_name))

    def _why_unready(self, name: str) -> str:
        missing = f"Model file {self._folder / name / artifact.FILE_NAME}: it does not exist."
        return self.failures.get(name) or self.folder_problem or missing


def _is_name(folder: str) -> bool:
    return not folder.startswith(".") and folder.isprintable()  # what is no text can't be shown, logged or asked for


def _look_at(path: Path) -> Look | None:
    """None: there is no such file. One that can't be looked at is there: loading it says what is wrong."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return (error.errno or 0,)
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def _without(entries: dict[str, Entry], name: str) -> dict[str, Entry]:
    return {key: entry for key, entry in entries.items() if key != name}
