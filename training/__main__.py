"""`python -m training`: the command line.

python -m training fit                        # Fashion-MNIST with the defaults, into models/fashion-mnist
python -m training fit --epochs 10 --momentum 0 --weight-decay 0 --schedule constant    # the course's own recipe
"""

import platform
import shlex
import sys
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import torch
import torchvision
import typer

from app.classifier import artifact
from training.card import machine, write_card
from training.datasets import load_dataset
from training.devices import DeviceChoice, choose_device, choose_threads
from training.display import note, print_json, show_epochs
from training.errors import TrainingError
from training.evaluation import evaluate
from training.fit import Fit
from training.recipes import Recipe, Schedule
from training.splits import split_off

_DEFAULT = Recipe()

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def training() -> None:
    """Fit softmax regression to 28×28 grayscale images and save it for serving."""


@app.command()
def fit(
    *,
    dataset: Annotated[str, typer.Option(help="the data set")] = "fashion-mnist",
    data_dir: Annotated[Path, typer.Option(help="where data sets lie and are downloaded to")] = Path("data"),
    out: Annotated[Path | None, typer.Option(help="the model's folder [default: models/<dataset>]")] = None,
    epochs: Annotated[int, typer.Option(help="passes over the training data")] = _DEFAULT.epochs,
    batch_size: Annotated[int, typer.Option(help="images in a minibatch")] = _DEFAULT.batch_size,
    lr: Annotated[float, typer.Option(help="the first learning rate")] = _DEFAULT.lr,
    momentum: Annotated[float, typer.Option(help="of the steps, 0 for plain SGD")] = _DEFAULT.momentum,
    weight_decay: Annotated[float, typer.Option(help="L2 penalty")] = _DEFAULT.weight_decay,
    schedule: Annotated[Schedule, typer.Option(help="of the learning rate")] = _DEFAULT.schedule,
    validation: Annotated[float, typer.Option(help="share of the training data kept for validation")] = 0.05,
    seed: Annotated[int, typer.Option(help="of the initial weights and the shuffles")] = _DEFAULT.seed,
    device: Annotated[DeviceChoice, typer.Option(help="where to train")] = DeviceChoice.AUTO,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object per line")] = False,
) -> None:
    """Train a model, evaluate it on the test set once, and save it."""
    target = choose_device(device)
    recipe = Recipe(epochs, batch_size, lr, momentum, weight_decay, schedule, seed)
    data = load_dataset(dataset, data_dir)
    choose_threads(len(data.labels))
    train, held_out = split_off(data.train, validation)
    run = Fit([recipe], train, held_out, len(data.labels), target)
    start = time.perf_counter()
    history = list(show_epochs(run.epochs(), epochs, as_json=as_json))
    seconds = time.perf_counter() - start
    (model,) = run.models()
    folder = out or Path("models") / data.name
    hyperparameters = asdict(recipe) | {"validation": validation}
    metadata = artifact.Metadata(
        name=folder.resolve().name,
        labels=data.labels,
        dataset=data.name,
        dataset_fingerprint=data.fingerprint(),
        seed=hyperparameters.pop("seed"),
        hyperparameters=hyperparameters,
        library_versions=_versions(),
        created_at=datetime.now(UTC),
        evaluation=evaluate(model, data.test, data.labels),
    )
    version = artifact.save(folder / artifact.FILE_NAME, model, metadata)
    command = shlex.join(["python", "-m", "training", *sys.argv[1:]])
    write_card(folder, metadata, command=command, machine=machine(str(target)), seconds=seconds)
    accuracy = metadata.evaluation.accuracy
    if as_json:
        print_json("saved", {"folder": str(folder), "version": version, "accuracy": accuracy, "seconds": seconds})
        return
    low, high = metadata.evaluation.accuracy_interval
    note(f"{folder}: {len(history)} epochs in {seconds:.1f} s, version {version}.")
    typer.echo(f"test accuracy {accuracy:.4f} (95 % interval {low:.4f} to {high:.4f})")


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
    }


def main() -> None:
    try:
        app()
    except (TrainingError, OSError) as error:
        note(f"error: {error}")
        sys.exit(2)


if __name__ == "__main__":
    main()
