"""The command line of `python -m training`.

python -m training datasets                   # what --dataset takes
python -m training fit                        # Fashion-MNIST with the defaults, into models/fashion-mnist, or as the
                                              # challenger of the model that is there
python -m training fit --epochs 10 --lr 0.1 --momentum 0 --weight-decay 0 --schedule constant --validation 0
                                              # that is the course's own recipe
python -m training fit --resume               # go on after an interruption
python -m training sweep --lr 0.03,0.1,0.3 --weight-decay 0,1e-4 --seeds 0,1 --save
python -m training evaluate models/fashion-mnist --dataset fashion-mnist
python -m training learn fashion-mnist --once  # from recorded images and labels to a challenger; --every 1h goes on
torchrun --nproc-per-node 2 -m training fit   # each minibatch split over two processes
"""

import gc
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from app.classifier import artifact
from app.classifier.preparation import Preparation
from training.data.catalog import DataOptions, entries, load_dataset, load_for_testing
from training.data.splits import split_off
from training.display import note, show_evaluation, show_progress, show_ranking, show_rows, show_start
from training.errors import RecipeError, sentence_of
from training.fitting.devices import choose_device, choose_threads, describe_device, why_not_cuda
from training.fitting.fits import Fits
from training.fitting.processes import leads, local_rank
from training.fitting.recipes import ClassWeights, Recipe, Schedule
from training.fitting.sweep import grid, rank
from training.interruptions import Interruption, interruptible
from training.jobs import Job
from training.results.evaluation import evaluate as measure
from training.results.unseen import unseen_images

__all__ = ["run"]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_Number = TypeVar("_Number", int, float)

_DEFAULT = Recipe()
_VALIDATION = 0.05
_TEST_SIZE = 1 / 6  # MNIST's own

DatasetName = Annotated[str, typer.Option("--dataset", help="see `python -m training datasets`")]
DataDir = Annotated[Path, typer.Option(help="where data sets lie and are downloaded to")]
TestSize = Annotated[float, typer.Option(help="share for the test set, where folder: or npy: bring none")]
SkipUnreadable = Annotated[bool, typer.Option("--skip-unreadable", help="leave out image files that can't be read")]
Out = Annotated[
    Path | None,
    typer.Option(help="the model's folder", show_default="models/<dataset>, or its challenger/ where there is a model"),
]
Epochs = Annotated[
    int | None, typer.Option(help="passes over the training data", show_default="20, or more where images are few")
]
BatchSize = Annotated[int, typer.Option(help="images in a minibatch")]
Momentum = Annotated[float, typer.Option(help="of the steps, 0 for plain SGD")]
ScheduleName = Annotated[Schedule, typer.Option(help="how the learning rate falls")]
Validation = Annotated[float, typer.Option(help="share of the training data kept for validation")]
Weights = Annotated[ClassWeights | None, typer.Option("--class-weights", help="make rare classes count as much")]
Device = Annotated[str, typer.Option(envvar="TRAINING_DEVICE", help="where to train: auto, cpu, cuda or cuda:N")]
Resize = Annotated[bool, typer.Option("--resize", help="fit image files of any size into 28×28")]
Invert = Annotated[bool, typer.Option("--invert", help="turn dark-on-light image files into light-on-dark")]
Center = Annotated[Literal["none", "mass"], typer.Option(help="shift image files' center of mass to the middle")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object per line")]


@app.callback()
def training() -> None:
    """Fit softmax regression to 28×28 grayscale images and save it for serving."""


@app.command()
def datasets() -> None:
    """List the data sets."""
    show_rows(("name", "what it is"), entries())


@app.command()
def fit(
    *,
    dataset: DatasetName = "fashion-mnist",
    data_dir: DataDir = Path("data"),
    out: Out = None,
    epochs: Epochs = None,
    batch_size: BatchSize = _DEFAULT.batch_size,
    lr: Annotated[float, typer.Option(help="the first learning rate")] = _DEFAULT.lr,
    momentum: Momentum = _DEFAULT.momentum,
    weight_decay: Annotated[float, typer.Option(help="L2 penalty")] = _DEFAULT.weight_decay,
    schedule: ScheduleName = _DEFAULT.schedule,
    class_weights: Weights = None,
    validation: Validation = _VALIDATION,
    seed: Annotated[int, typer.Option(help="of the initial weights and the shuffles")] = _DEFAULT.seed,
    shuffle_seed: Annotated[int | None, typer.Option(help="of the shuffles alone")] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="fit with so many seeds, save the first, state mean and deviation")
    ] = 1,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="go on after an interruption")] = False,
    stream: Annotated[bool, typer.Option("--stream", help="read npy: from its file, block by block")] = False,
    test_size: TestSize = _TEST_SIZE,
    skip_unreadable: SkipUnreadable = False,
    resize: Resize = False,
    invert: Invert = False,
    center: Center = "none",
    license_: Annotated[
        str | None, typer.Option("--license", help="of the model, for its card", show_default="none")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a model, evaluate it on the test set once, and save it."""
    recipe = Recipe(
        _DEFAULT.epochs if epochs is None else epochs,
        batch_size,
        lr,
        momentum,
        weight_decay,
        schedule,
        seed,
        shuffle_seed,
        class_weights,
    )
    preparation = Preparation(resize=resize, invert=invert, center=center)
    options = DataOptions(dataset, data_dir, test_size, skip_unreadable, stream, preparation)
    job = Job(
        recipe,
        options,
        validation,
        device,
        out,
        seeds,
        more_epochs=epochs is None,
        resume=resume,
        license=license_,
        as_json=as_json,
        command=sys.argv[1:],
    )
    try:
        job.run()
    except Interruption as one:
        note("interrupted; the same command with --resume goes on after the last whole epoch.")
        raise typer.Exit(one.exit_code) from None


@app.command()
def sweep(
    *,
    dataset: DatasetName = "fashion-mnist",
    data_dir: DataDir = Path("data"),
    out: Out = None,
    epochs: Epochs = None,
    batch_size: BatchSize = _DEFAULT.batch_size,
    lr: Annotated[str, typer.Option(help="learning rates, separated by commas")] = "0.03,0.1,0.2,0.4",
    momentum: Momentum = _DEFAULT.momentum,
    weight_decay: Annotated[str, typer.Option(help="L2 penalties, separated by commas")] = "0,1e-5,1e-4,1e-3",
    schedule: ScheduleName = _DEFAULT.schedule,
    class_weights: Weights = None,
    validation: Validation = _VALIDATION,
    seeds: Annotated[str, typer.Option(help="seeds of the initial weights; the first shuffles for all")] = "0",
    device: Device = "auto",
    test_size: TestSize = _TEST_SIZE,
    skip_unreadable: SkipUnreadable = False,
    resize: Resize = False,
    invert: Invert = False,
    center: Center = "none",
    save: Annotated[bool, typer.Option("--save", help="fit and save the best, as `fit` does")] = False,
    as_json: AsJson = False,
) -> None:
    """Fit all combinations of settings at once and rank them by validation accuracy; the test set is not touched."""
    if not leads():
        return  # of processes that torchrun started; a sweep is one process's work
    base = Recipe(
        _DEFAULT.epochs if epochs is None else epochs,
        batch_size,
        momentum=momentum,
        schedule=schedule,
        class_weights=class_weights,
    )
    rates, decays = (_numbers(option, text, float) for option, text in (("--lr", lr), ("--weight-decay", weight_decay)))
    seed_numbers = _numbers("--seeds", seeds, int)
    grid(base, rates, decays, seed_numbers)  # refuses what is out of range before anything is read
    if not validation:
        raise RecipeError("--validation 0: a sweep ranks by validation accuracy, so it needs some images for that.")
    preparation = Preparation(resize=resize, invert=invert, center=center)
    options = DataOptions(dataset, data_dir, test_size, skip_unreadable, preparation=preparation)
    target = choose_device(device)
    data = load_dataset(options)
    train, held_out = split_off(data.train, validation, data.labels)
    recipes = grid(base.settling(len(train)) if epochs is None else base, rates, decays, seed_numbers)
    show_start(describe_device(target), why_not_cuda(device, target), data, train, as_json=as_json)
    choose_threads(len(data.labels) * len(recipes))
    fits = Fits(recipes, train, held_out, len(data.labels), target)
    ranked = rank(recipes, show_progress(fits.epochs(), recipes[0].epochs), len(held_out))
    show_ranking(ranked, as_json=as_json)
    if save:
        best = Job(ranked[0].recipe, options, validation, device, out, as_json=as_json)
        replace(best, command=_fit_command(best)).run()


@app.command()
def learn(
    name: Annotated[str, typer.Argument(help="of a model that is served and whose images are recorded")],
    *,
    once: Annotated[bool, typer.Option("--once", help="look once: the default")] = False,
    every: Annotated[str | None, typer.Option(help="look again and again: 30m, 1h, 1d")] = None,
    replay: Annotated[
        float,
        typer.Option(min=0.1, max=1, help="recorded images are repeated until the data set's own have this share"),
    ] = 0.9,
    window: Annotated[int, typer.Option(min=50, help="latest labeled images, which measure and never train")] = 500,
    dataset: DatasetName = "fashion-mnist",
    data_dir: DataDir = Path("data"),
    test_size: TestSize = _TEST_SIZE,
    skip_unreadable: SkipUnreadable = False,
    models_dir: Annotated[Path | None, typer.Option(help="folder of the models", show_default="models")] = None,
    seed: Annotated[int, typer.Option(help="of the initial weights and the shuffles")] = _DEFAULT.seed,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Learn from recorded images and labels, and challenge the model that answers with what was learned.

    It is fitted anew, to its data set and to these images, as it was the first time; the latest of them only measure.
    It challenges if it is better on these, and as good on the test set. What stands is promoted by the evidence, or
    taken back, where SOFTMAX_PROMOTE=auto; else it is said.
    """
    if not leads():
        return  # of processes that torchrun started; learning is one process's work
    # They bring the database, which no other command needs.
    from training.learn import command  # noqa: PLC0415
    from training.learn.learner import Plan  # noqa: PLC0415

    if once and every is not None:
        raise RecipeError("--once and --every exclude each other.")
    settings = command.settings(models_dir)

    def data(preparation: Preparation) -> DataOptions:
        return DataOptions(dataset, data_dir, test_size, skip_unreadable, preparation=preparation)

    plan = Plan(name, data, replay, window, seed, device, decides=settings.promote == "auto")
    try:
        command.learn(plan, settings, None if every is None else command.seconds_of(every), as_json=as_json)
    except Interruption as one:
        note("interrupted; what had not been said to be done was left as it was.")
        raise typer.Exit(one.exit_code) from None


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="a model's folder or file")],
    *,
    dataset: DatasetName = "fashion-mnist",
    data_dir: DataDir = Path("data"),
    skip_unreadable: SkipUnreadable = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="measure all images, also where the model may have been trained on them")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure a saved model on the images of a data set that it was not trained on.

    Where a data set brings test images, those are taken. The model file knows the images that it was trained on, and
    they are left out.
    """
    if not leads():
        return  # of processes that torchrun started; one speaks
    model = model.expanduser()
    loaded = artifact.load(model / artifact.FILE_NAME if model.is_dir() else model)
    labels, preparation = loaded.metadata.labels, loaded.metadata.preparation
    options = DataOptions(dataset, data_dir, None, skip_unreadable, preparation=preparation)
    data = load_for_testing(options, labels)
    unseen = data.test if whole else unseen_images(data, loaded)
    show_evaluation(measure(loaded.model, unseen, labels), len(data.test) - len(unseen), as_json=as_json)


def _numbers(option: str, text: str, kind: Callable[[str], _Number]) -> list[_Number]:
    try:
        return [kind(number) for number in text.split(",")]
    except ValueError as error:
        raise RecipeError(f"{option} {text} must be numbers separated by commas.") from error


def _fit_command(job: Job) -> list[str]:
    """The command line that makes the best of a sweep again."""
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


def run(name: str) -> None:
    """Do what the arguments say, as a program of this name; exit with 2 and one sentence where that fails."""
    gc.freeze()  # no later collection walks what has been imported, nor does the one at the end
    gc.enable()
    sys.stdout = sys.stdout or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - closed by the caller
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that can't show a name shows something in its place
    try:
        # One of several processes may wait for another, and no exception would come before that has answered.
        with interruptible(by_ctrl_c_alone=local_rank() is not None):
            app(prog_name=name)
    except Interruption as one:
        note("interrupted.")
        sys.exit(one.exit_code)
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        note(f"error: {sentence}")
        sys.exit(2)
