"""One fit from the data set to the model folder, in one process or in each of many."""

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import typer

from app.classifier.metadata import Evaluation
from training.data.catalog import DataOptions, load_dataset
from training.data.datasets import is_text
from training.data.splits import split_off
from training.display import note, print_json, show_epochs
from training.errors import TrainingError
from training.fitting.checkpoints import FILE_NAME, load_checkpoint, save_checkpoint
from training.fitting.devices import DeviceChoice, choose_device, choose_threads
from training.fitting.fit import Fit
from training.fitting.processes import Processes, join
from training.fitting.recipes import Recipe
from training.results.evaluation import calibrate, evaluate, pixel_statistics
from training.results.publishing import publish

__all__ = ["Job"]


@dataclass(frozen=True, slots=True)
class Job:
    recipe: Recipe
    data: DataOptions
    validation: float  # share of the training data kept for validation
    device: DeviceChoice
    out: Path | None = None  # None: models/<dataset>
    seed_count: int = 1  # how many seeds the mean accuracy is taken over
    resume: bool = False
    as_json: bool = False
    command: list[str] = field(default_factory=list)  # the arguments that make the model again, for its card

    def run(self) -> None:
        """Fit, evaluate once, save.

        Raises:
            TrainingError: see its tree; nothing saved is overwritten.
            OSError: the model folder can't be written.
        """
        device = choose_device(self.device)
        with join(device) as processes:
            self._run(device, processes)

    def _run(self, device: torch.device, processes: Processes) -> None:
        with processes.first_here_goes_first():
            data = load_dataset(self.data)
        choose_threads(len(data.labels))
        train, held_out = split_off(data.train, self.validation)
        folder = self.out or Path("models") / data.name
        if not is_text(folder.resolve().name):
            raise TrainingError(f"--out {str(folder)!r}: the folder's name is the model's, and it is not UTF-8.")
        fingerprint = data.fingerprint()
        purpose = f"{self.recipe} validation={self.validation} data={fingerprint}"
        run = Fit([self.recipe], train, held_out, len(data.labels), device, processes=processes)
        checkpoint = load_checkpoint(folder / FILE_NAME, purpose) if self.resume or processes.restarted else None
        if checkpoint:
            run.resume(checkpoint)
        if not processes.leads:
            run.finish()
            return
        for _ in show_epochs(run.epochs(), self.recipe.epochs, as_json=self.as_json):
            save_checkpoint(folder / FILE_NAME, run.checkpoint(purpose))
        [model] = run.models()
        conformal, guard = calibrate(model, held_out), pixel_statistics(data.train)
        evaluation = evaluate(model, data.test, data.labels, conformal=conformal, guard=guard)
        others = [replace(self.recipe, seed=self.recipe.seed + more) for more in range(1, self.seed_count)]
        accuracies = [evaluation.accuracy]
        for recipe in others:
            again = Fit([recipe], train, held_out, len(data.labels), device)
            again.finish()
            accuracies.append(evaluate(again.models()[0], data.test, data.labels).accuracy)
        version = publish(
            folder,
            model,
            dataset=data,
            recipe=self.recipe,
            validation=self.validation,
            history=run.history,
            evaluation=evaluation,
            pixel_statistics=guard,
            conformal=conformal,
            seed_accuracies=tuple(accuracies) if others else (),
            fingerprint=fingerprint,
            command=shlex.join(["python", "-m", "training", *self.command]),
            device=str(device),
        )
        (folder / FILE_NAME).unlink(missing_ok=True)
        self._tell(folder, version, evaluation, run.seconds)

    def _tell(self, folder: Path, version: str, evaluation: Evaluation, seconds: float) -> None:
        if self.as_json:
            fields = {"folder": str(folder), "version": version, "accuracy": evaluation.accuracy, "seconds": seconds}
            print_json("saved", fields)
            return
        low, high = evaluation.accuracy_interval
        note(f"{folder}: {self.recipe.epochs} epochs in {seconds:.1f} s, version {version}.")
        typer.echo(f"test accuracy {evaluation.accuracy:.4f} (95 % interval {low:.4f} to {high:.4f})")
