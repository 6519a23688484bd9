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

What a command works with is imported once its options have been read: torch takes seconds, which `--help` and a wrong
option mostly need not.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

from training.data.known import entries
from training.errors import RecipeError, TrainingError
from training.fitting.recipes import ClassWeights, Recipe, Schedule
from training.interruptions import Interruption, held_back, interruptible
from training.terminal import note, show_rows
from training.torchrun import leads, local_rank

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
    with _importing():
        from app.classifier.preparation import Preparation
        from training.data.catalog import DataOptions
        from training.jobs import Job

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
    if not validation:
        raise RecipeError("--validation 0: a sweep ranks by validation accuracy, so it needs some images for that.")
    with _importing():
        from app.classifier.preparation import Preparation
        from training.data.catalog import DataOptions
        from training.sweeps import Sweep

        if save:
            from training.jobs import job_of

    preparation = Preparation(resize=resize, invert=invert, center=center)
    options = DataOptions(dataset, data_dir, test_size, skip_unreadable, preparation=preparation)
    best = Sweep(
        base, rates, decays, seed_numbers, options, validation, device, more_epochs=epochs is None, as_json=as_json
    ).run()
    if save:
        job_of(best, options, validation, device, out, as_json=as_json).run()


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
    if once and every is not None:
        raise RecipeError("--once and --every exclude each other.")
    with _importing():
        from app.classifier.preparation import Preparation
        from training.data.catalog import DataOptions
        from training.learn import command
        from training.learn.learner import Plan

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
    with _importing():
        from training.evaluations import evaluate_saved

    evaluate_saved(model, dataset, data_dir, skip_unreadable=skip_unreadable, whole=whole, as_json=as_json)


@contextmanager
def _importing() -> Iterator[None]:
    """Leave garbage alone meanwhile: what is imported stays, and walks over it would take a second, also at the end.

    Signals wait: packages in C drop exceptions while they import others.

    Raises:
        ImportError: whatever keeps packages from being imported.
    """
    with held_back():
        gc.disable()
        try:
            yield
        except MemoryError as error:
            raise ImportError("memory is used up") from error
        except OSError as error:
            raise ImportError(str(error)) from error
        finally:
            gc.freeze()
            gc.enable()


def _numbers(option: str, text: str, kind: Callable[[str], _Number]) -> list[_Number]:
    try:
        return [kind(number) for number in text.split(",")]
    except ValueError as error:
        raise RecipeError(f"{option} {text} must be numbers separated by commas.") from error


def run(name: str) -> None:
    """Do what the arguments say, as a program of this name; exit with 2 and one sentence where that fails."""
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
    except ModuleNotFoundError:
        raise  # whoever called says what to install
    except TrainingError as error:
        note(f"error: {error}")
        sys.exit(2)
    except Exception as error:
        from training.failures import sentence_of

        sentence = sentence_of(error)
        if sentence is None:
            raise
        note(f"error: {sentence}")
        sys.exit(2)
