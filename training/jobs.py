"""One fit from the data set to the model folder, in one process or in each of many: load, fit, measure, publish."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from app.classifier import artifact
from app.classifier.errors import ModelFileError
from training import display
from training.data.catalog import DataOptions, load_dataset
from training.data.datasets import Dataset, is_text
from training.data.splits import FileSplit, Split, split_off
from training.errors import CheckpointError, TrainingError
from training.fitting.checkpoints import FILE_NAME, Checkpoint, Purpose, load_checkpoint, purpose_of
from training.fitting.devices import choose_device, choose_threads, describe_device, why_not_cuda
from training.fitting.fit import Fit
from training.fitting.keeping import SECONDS, Keeper
from training.fitting.processes import Processes, join
from training.fitting.recipes import Recipe
from training.interruptions import Interruption
from training.names import at_home, in_shell
from training.results.claims import claim
from training.results.evaluation import evaluate
from training.results.measured import Measured
from training.results.model_folder import CHALLENGER, model_name
from training.results.publishing import Origin, publish
from training.terminal import note

__all__ = ["Job", "job_of"]


@dataclass(frozen=True, slots=True)
class _Task:
    """What a job works on, once its data have been read."""

    folder: Path  # where the model goes
    recipe: Recipe
    data: Dataset
    train: Split | FileSplit
    validation: Split
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Job:
    recipe: Recipe
    data: DataOptions
    validation: float  # share of the training data kept for validation
    device: str
    out: Path | None = None  # None: models/<dataset>
    seed_count: int = 1  # how many seeds the mean accuracy is taken over
    more_epochs: bool = False  # than the recipe has, where there are few images
    resume: bool = False
    license: str | None = None
    as_json: bool = False
    command: list[str] = field(default_factory=list)  # the arguments that make the model again, for its card

    def run(self) -> None:
        """Fit, evaluate once, save.

        Raises:
            TrainingError: see its tree; nothing saved is overwritten.
            OSError: the model folder can't be written.
        """
        if self.license is not None and not is_text(self.license):
            raise TrainingError(f"--license {self.license!r} is not UTF-8, as the model's card is.")
        seeds = self._further_seeds()
        device = choose_device(self.device)
        with ExitStack() as held:
            with join(device) as processes:
                task = self._load(processes)
                if processes.leads:
                    held.enter_context(claim(task.folder))
                    self._say_start(task, device)
                fit = None if self._is_finished(task, processes) else self._fit(task, device, processes)
            if fit and processes.leads:
                measured = Measured.of(fit, task.data, task.validation)
                accuracies = [measured.evaluation.accuracy] + [self._accuracy(seed, task, device) for seed in seeds]
                self._publish(task, measured, describe_device(device), accuracies if seeds else [])

    def _load(self, processes: Processes) -> _Task:
        with processes.first_here_goes_first():
            data = load_dataset(self.data)
        choose_threads(len(data.labels))
        train, validation = split_off(data.train, self.validation, data.labels)
        fingerprint = data.fingerprint()
        recipe = self.recipe.settling(len(train)) if self.more_epochs else self.recipe
        folder, purpose = self._folder(data), purpose_of(recipe, self.validation, fingerprint)
        return _Task(folder, recipe, data, train, validation, purpose)

    def _say_start(self, task: _Task, device: torch.device) -> None:
        reason = why_not_cuda(self.device, device)
        display.show_start(describe_device(device), reason, task.data, task.train, as_json=self.as_json)

    def _folder(self, data: Dataset) -> Path:
        """Where the model goes: unless told, it takes no other's place, and challenges the one that is there."""
        folder = at_home(self.out or Path("models") / data.name)
        name = model_name(folder)
        if not name:
            raise TrainingError(f"--out {folder} has no name, which the model would get; choose a folder in it.")
        if not is_text(name):
            raise TrainingError(f"--out {str(folder)!r}: the folder's name is the model's, and it is not UTF-8.")
        return folder / CHALLENGER if self.out is None and (folder / artifact.FILE_NAME).exists() else folder

    def _fit(self, task: _Task, device: torch.device, processes: Processes) -> Fit:
        """Train all epochs; what an interruption leaves is a checkpoint of the last whole one."""
        fit = Fit(task.recipe, task.train, task.validation, len(task.data.labels), device, processes=processes)
        checkpoint = processes.from_leader(self._checkpoint(task, processes))
        if checkpoint:
            fit.resume(checkpoint)
        if not processes.leads:
            fit.finish()
            return fit
        keeper = Keeper(task.folder / FILE_NAME, task.purpose, fit)
        try:
            for _ in display.show_epochs(fit, task.recipe.epochs, as_json=self.as_json):
                keeper.epoch_done()
        except Interruption:
            keeper.save()
            raise
        if fit.seconds >= SECONDS:  # measuring and publishing may yet fail
            keeper.save()
        return fit

    def _checkpoint(self, task: _Task, processes: Processes) -> Checkpoint | None:
        """Where to go on from, if anywhere; only the leader reads it."""
        if not processes.leads or not (self.resume or processes.restarted):
            return None
        try:
            found = load_checkpoint(task.folder / FILE_NAME, task.purpose)
        except CheckpointError:
            if not processes.restarted:
                raise
            return None  # of an earlier fit, which must not stop a restart
        if found is None and self.resume:
            note(f"{task.folder} has no checkpoint: the fit starts with its first epoch.")
        return found

    def _is_finished(self, task: _Task, processes: Processes) -> bool:
        """Whether there is nothing to resume, as the model is there; the leader knows."""
        places = [task.folder, task.folder.parent] if task.folder.name == CHALLENGER else [task.folder]
        found = [place for place in places if self.resume and _is_model_of(place / artifact.FILE_NAME, task.purpose)]
        is_finished = bool(found) and not (task.folder / FILE_NAME).exists()
        if is_finished and processes.leads:
            note(f"{found[0]} is finished: its model was fitted with these options to these data.")
        return processes.from_leader(is_finished)

    def _further_seeds(self) -> range:
        """Raises RecipeError: the last one is out of range."""
        first = self.recipe.seed
        last = replace(self.recipe, seed=first + self.seed_count - 1).seed
        return range(first + 1, last + 1)

    def _accuracy(self, seed: int, task: _Task, device: torch.device) -> float:
        """Of a fit by another seed, on the test images."""
        fit = Fit(replace(task.recipe, seed=seed), task.train, task.validation, len(task.data.labels), device)
        fit.finish()
        return evaluate(fit.model, task.data.test, task.data.labels).accuracy

    def _publish(
        self, task: _Task, measured: Measured, machine: Mapping[str, str], seed_accuracies: Sequence[float]
    ) -> None:
        origin = Origin(
            recipe=task.recipe,
            validation=self.validation,
            fingerprint=str(task.purpose["data"]),
            command=in_shell(["python", "-m", "training", *self.command]),
            machine=machine,
            seed_accuracies=tuple(seed_accuracies),
            license=self.license,
        )
        version = publish(task.folder, measured, task.data, origin)
        (task.folder / FILE_NAME).unlink(missing_ok=True)
        display.show_saved(task.folder, version, measured, as_json=self.as_json)


def job_of(
    recipe: Recipe, data: DataOptions, validation: float, device: str, out: Path | None, *, as_json: bool
) -> Job:
    """The job of fitting one recipe, as the best of a sweep."""
    job = Job(recipe, data, validation, device, out, as_json=as_json)
    return replace(job, command=_command(job))


def _command(job: Job) -> list[str]:
    """The command line that does a job."""
    given = asdict(job.recipe) | {"dataset": job.data.name, "data_dir": job.data.folder, "validation": job.validation}
    given |= {"test_size": job.data.test_size} if ":" in job.data.name else {}
    given |= {"out": job.out} if job.out else {}
    preparation = job.data.preparation
    given |= {"center": preparation.center} if preparation.center != "none" else {}
    flags = {
        "--skip-unreadable": job.data.skip_unreadable,
        "--resize": preparation.resize,
        "--invert": preparation.invert,
    }
    options = [
        part
        for name, value in given.items()
        if value is not None
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
    return ["fit", *options, *(flag for flag, is_set in flags.items() if is_set)]


def _is_model_of(path: Path, purpose: Purpose) -> bool:
    """Whether a model file was made by a fit of these options to these data."""
    try:
        found = artifact.load(path).metadata
    except ModelFileError:
        return False
    made_by = found.hyperparameters | {"seed": found.seed, "data": found.dataset_fingerprint}
    return made_by == {name: value for name, value in purpose.items() if value is not None}
