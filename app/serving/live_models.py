"""The models being served: loaded, proven, swapped and dropped as their files come and go.

Each model has a champion, which answers. Beside it a challenger and the previous version may stand by, proven and held
as it is: they answer only who asks for their version.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Literal, NamedTuple, TypeVar

from app.classifier import artifact, model_file
from app.classifier.errors import ModelFileError
from app.serving.errors import NoSuchModelError, NotReadyError
from app.serving.live_model import LiveModel
from app.serving.places import ROLES, UNLOADED, Place, Role

__all__ = ["Change", "LiveModels"]

logger = logging.getLogger(__name__)

_PREFERRED_DEFAULT = "fashion-mnist"

Look = tuple[int, ...]  # what a file looks like from outside; any change of its content changes this too
_NEVER: Look = ()
Key = TypeVar("Key")
Entry = TypeVar("Entry")


class Change(NamedTuple):
    """What became of a model when its file changed."""

    model: str
    outcome: Literal["added", "swapped", "refused", "removed"]
    role: Role = "champion"


class LiveModels:
    """Every model under one folder, by name; and why each of the others could not be loaded.

    Attributes:
        default_name: the model that answers when none is named; chosen once, and never another while this lives.
        refusals: why a model file was refused. A champion that was loaded before goes on being served.
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
        self._held: dict[Place, LiveModel] = {}
        self._versions: dict[str, dict[Role, LiveModel]] = {}  # the same by name and role
        self._models: dict[str, LiveModel] = {}  # the champions among them
        self.refusals: dict[Place, str] = {}
        self.folder_problem: str | None = None
        self.default_name = default or _PREFERRED_DEFAULT
        self._is_default_open = default is None
        self._is_ready = True
        self.any_resizes = False  # unasked, as their training images were
        self._tried: dict[Place, Look] = {}  # the files as they were when they were loaded or refused
        self._seen = self._look() or {}  # the files at the last look
        self._looking = Lock()
        self.refresh()

    def __iter__(self) -> Iterator[LiveModel]:
        return iter(self._models.values())

    @property
    def failures(self) -> dict[str, str]:
        """By the model's name, why the file of its champion was refused."""
        return {place.model: reason for place, reason in self.refusals.items() if place.role == "champion"}

    def get(self, name: str | None = None, version: str | None = None) -> LiveModel:
        """The champion of that name, or of the default model; or whichever of the model's versions is asked for.

        Raises:
            NoSuchModelError: no folder has this name, or this version is not held.
            NotReadyError: its file, or any file, could not be loaded.
        """
        wanted = name or self.default_name
        model = self._models.get(wanted)
        if model is not None:
            return model if version is None or version == model.version else self._of_version(wanted, version)
        if name is None or wanted in self.failures:
            raise NotReadyError(self._why_unready(wanted))
        raise NoSuchModelError(f"There is no model {name[:80]!r}; there is {', '.join(self._models) or 'none'}.")

    def versions(self, name: str) -> dict[Role, LiveModel]:
        """All that is held of a model, the champion first; a file that lies in two places counts in the first."""
        return self._versions.get(name, {})

    def refresh(self, only: str | None = None) -> list[Change]:
        """Look at the files, and serve what has changed; to be called again and again, from any thread.

        A file that its checksum proves whole is served at once. All else counts once two looks in a row find the same,
        so that a file which is still being written, or away between a removal and a copy, is left alone. New
        dictionaries take the place of the old in one step: whoever reads them meanwhile is not disturbed.

        Args:
            only: the model whose files are known to be settled, as whoever asks has just changed them; None: any.
        """
        with self._looking:
            found = self._look()
            if found is None:
                return []
            places = [place for place in found.keys() | self._tried.keys() if only in (None, place.model)]
            places.sort(key=_in_order)
            settled = [place for place in places if only or found.get(place) == self._seen.get(place)]
            if only is None:
                self._seen = found
            changes = [
                self._follow(place, found.get(place), is_settled=place in settled)
                for place in places
                if found.get(place) != self._tried.get(place)
            ]
            self._settle_default()
            return [change for change in changes if change is not None]

    def _of_version(self, name: str, version: str) -> LiveModel:
        held = self.versions(name).values()
        for model in held:
            if model.version == version:
                return model
        raise NoSuchModelError(
            f"Model {name!r} is not held in version {version[:80]!r}; there is "
            f"{', '.join(model.version for model in held)}. Leave the version out for whatever is served."
        )

    def _look(self) -> dict[Place, Look] | None:
        try:
            folders = [folder for folder in self._folder.iterdir() if _is_served(folder)]
        except OSError as error:
            self._set_folder_problem(f"Models folder {self._folder} can't be read: {error.strerror}.")
            return None
        self._set_folder_problem(None)
        places = [Place(folder.name, role) for folder in folders for role in ROLES]
        looks = {place: _look_at(place.file(self._folder)) for place in places}
        return {place: look for place, look in looks.items() if look is not None}

    def _set_folder_problem(self, problem: str | None) -> None:
        if problem is not None and problem != self.folder_problem:
            served = ", ".join(self._models)
            logger.error("%s%s", problem, f" Served as before: {served}." if served else "")
        self.folder_problem = problem

    def _follow(self, place: Place, look: Look | None, *, is_settled: bool) -> Change | None:
        if look is None:
            return self._drop(place) if is_settled else None
        try:
            model = self._prove(place)
        except ModelFileError as error:
            return self._refuse(place, look, error) if is_settled else None
        if not is_settled and not model.is_whole:
            return None
        self._tried[place] = look
        return self._serve(place, model)

    def _serve(self, place: Place, model: LiveModel) -> Change | None:
        self.refusals = _with(self.refusals, place, None)
        held = self._held.get(place)
        if held is not None and held.version == model.version:
            return None
        self._hold(place, model)
        replaced = f", in the place of {held.version}" if held else ""
        logger.info("%s, version %s, loaded from %s%s.", place, model.version, place.file(self._folder), replaced)
        return Change(place.model, "swapped" if held else "added", place.role)

    def _prove(self, place: Place) -> LiveModel:
        path = place.file(self._folder)
        loaded = self._load(place, path)
        accuracy = loaded.metadata.evaluation.accuracy
        if self._min_accuracy is not None and accuracy < self._min_accuracy:
            raise ModelFileError(
                path, f"its test accuracy, {accuracy:.4f}, is below SOFTMAX_MIN_ACCURACY, {self._min_accuracy:.4f}"
            )
        champion = self._models.get(place.model)
        if place.role == "challenger" and champion is not None and loaded.metadata.labels != champion.metadata.labels:
            raise ModelFileError(
                path,
                f"its labels are {', '.join(loaded.metadata.labels)}; the champion's are "
                f"{', '.join(champion.metadata.labels)}, in this order",
            )
        return loaded

    def _load(self, place: Place, path: Path) -> LiveModel:
        """The model of a file; the one that is held, if it is of the same content, as after a promotion."""
        content = model_file.read(path)
        version = model_file.version_of(content)
        for held in self.versions(place.model).values():
            if held.version == version:
                return held
        try:
            return LiveModel(place.model, artifact.prove(path, content))
        except ModelFileError:
            raise
        except Exception as error:  # whatever a file does to its reader, the others are served
            raise ModelFileError(path, f"it can't be loaded ({error!r})") from error

    def _refuse(self, place: Place, look: Look, error: ModelFileError) -> Change | None:
        reason = str(error)
        self._tried[place] = look
        if isinstance(error.__cause__, OSError):  # a share that is away, too many open files: it may pass, so try again
            self._tried[place] = _NEVER
            if self.refusals.get(place) == reason:
                return None
        self.refusals = _with(self.refusals, place, reason)
        if place.role != "champion":
            self._hold(place, None)  # nobody misses it, and what stands by is what lies there
        held = self._held.get(place)
        logger.error("%s%s", reason, f" Version {held.version} goes on being served." if held else "")
        return Change(place.model, "refused", place.role)

    def _drop(self, place: Place) -> Change:
        del self._tried[place]
        self.refusals = _with(self.refusals, place, None)
        self._hold(place, None)
        if place.role == "champion":
            logger.info("Model %s is no longer served: its file was removed.", place.model)
        else:
            logger.info("Model %s has no %s any more.", *place)
        return Change(place.model, "removed", place.role)

    def _hold(self, place: Place, model: LiveModel | None) -> None:
        self._held = _with(self._held, place, model)
        versions: dict[str, dict[Role, LiveModel]] = {}
        for held in sorted(self._held, key=_in_order):
            roles = versions.setdefault(held.model, {})
            if self._held[held].version not in [other.version for other in roles.values()]:
                roles[held.role] = self._held[held]
        self._versions = versions
        self._models = {name: roles["champion"] for name, roles in versions.items() if "champion" in roles}
        if place.role == "champion":
            challenger = place._replace(role="challenger")
            if challenger in self._tried:
                self._tried[challenger] = _NEVER  # whether it has the champion's labels is another question now

    def _settle_default(self) -> None:
        self.any_resizes = any(model.metadata.preparation.resize for model in self._models.values())
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


def _in_order(place: Place) -> tuple[str, int]:
    return place.model, ROLES.index(place.role)


def _is_served(folder: Path) -> bool:
    """Whether it may hold a model. Names that are no text can't be shown, logged or asked for."""
    return not folder.name.startswith(".") and folder.name.isprintable() and _look_at(folder / UNLOADED) is None


def _look_at(path: Path) -> Look | None:
    """None: there is no such file. One that can't be looked at is there: loading it says what is wrong."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return (error.errno or 0,)
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def _with(entries: dict[Key, Entry], key: Key, entry: Entry | None) -> dict[Key, Entry]:
    """A copy with this entry; None: without it."""
    others = {other: found for other, found in entries.items() if other != key}
    return others if entry is None else {**others, key: entry}
