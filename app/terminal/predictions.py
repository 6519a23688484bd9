"""`python -m app predict FILE…` and `explain FILE…`: the same answers as over HTTP, without a server.

Settings are the service's: its models, their default and least accuracy, and the most pixels of an image.

A file that can't be classified is named on standard error, the others are answered, and the exit code is 2.
"""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from app.classifier.errors import ImageError, WrongSizeError
from app.classifier.picture import draw
from app.serving.answers import BorderReport, Classification, ExplanationReport
from app.serving.errors import ServingError
from app.serving.explanation_report import report
from app.serving.live_model import LiveModel
from app.serving.live_models import LiveModels
from app.settings import Settings, complaints

__all__ = ["cli"]

cli = typer.Typer()

_UNREADABLE = 2  # exit code
_ENDLESS = 100_000  # columns of a line: a terminal wraps what is too long for it, and a name that is copied stays whole

Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="image files")]
ModelName = Annotated[str | None, typer.Option("--model", help="name of the model", show_default="the default model")]
ModelsFolder = Annotated[Path | None, typer.Option("--models-dir", help="folder of the models", show_default="models")]
_AS_TRAINED = "as the training images were"
Resize = Annotated[
    bool | None,
    typer.Option("--resize/--no-resize", help="fit an image of any size into 28×28", show_default=_AS_TRAINED),
]
Invert = Annotated[
    bool | None,
    typer.Option("--invert/--no-invert", help="turn dark-on-light into light-on-dark", show_default=_AS_TRAINED),
]
AsJson = Annotated[bool, typer.Option("--json", help="one JSON object a line and file, as over HTTP")]
Top = Annotated[int, typer.Option("--top", min=1, help="how many classes a file are shown")]
Against = Annotated[str | None, typer.Option("--against", help="label to hold the answer against")]
Picture = Annotated[Path | None, typer.Option("--picture", help="folder for NAME.explanation.png of each NAME.png")]


@cli.command()
def predict(
    files: Files,
    model: ModelName = None,
    models_dir: ModelsFolder = None,
    *,
    resize: Resize = None,
    invert: Invert = None,
    as_json: AsJson = False,
    top: Top = 3,
) -> None:
    """Show the likeliest classes of each image."""
    settings = _settings(models_dir)
    loaded = _load(settings, model)
    table = _table("file", "label", "probability")
    images = _Images(files, settings, loaded, resize=resize, invert=invert)
    otherwise = "--no-invert" if loaded.metadata.preparation.invert else "--invert"
    hints = {"inverted": f" Say {otherwise} if it is."} if invert is None else {}
    for file, image in images:
        prediction = loaded.predict(image)
        if as_json:
            _print_json(file, prediction)
        else:
            _add_rows(table, file, prediction, top)
            for warning in prediction.get("warnings", ()):
                typer.echo(f"{file}: {warning['detail']}{hints.get(warning['code'], '')}", err=True)
    images.finish(None if as_json else table)


@cli.command()
def explain(
    files: Files,
    model: ModelName = None,
    models_dir: ModelsFolder = None,
    against: Against = None,
    picture: Picture = None,
    *,
    resize: Resize = None,
    invert: Invert = None,
    as_json: AsJson = False,
) -> None:
    """Show why each image is answered as it is, and how little would change the answer."""
    names = [file.stem for file in files]
    if picture is not None and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise typer.BadParameter(f"Several files are called {twice!r}, and so would their pictures be.")
    settings = _settings(models_dir)
    loaded = _load(settings, model, against)
    table = _table("file", "label", "logit", "= bias", "+ pixels", "next label", "L2 away", "L∞ away")
    images = _Images(files, settings, loaded, resize=resize, invert=invert)
    for file, image in images:
        explanation = loaded.explain(image, against)
        found = report(loaded.predict(image), explanation)
        if picture is not None:
            picture.mkdir(parents=True, exist_ok=True)
            (picture / f"{file.stem}.explanation.png").write_bytes(draw(explanation, image, loaded.metadata.labels))
        if as_json:
            _print_json(file, found)
        else:
            table.add_row(str(file), *_reasons(found))
    images.finish(None if as_json else table)


class _Images:
    """The images of the files, as `read_pixels` returns them; those that can't be read are named and left out."""

    def __init__(
        self, files: list[Path], settings: Settings, model: LiveModel, *, resize: bool | None, invert: bool | None
    ) -> None:
        self._files = files
        self._preparation = model.metadata.preparation
        self._max_pixels = min(settings.max_image_pixels, settings.max_batch_pixels)
        self._resize = resize
        self._invert = invert
        self._unreadable = 0

    def __iter__(self) -> Iterator[tuple[Path, bytes]]:
        for file in self._files:
            try:
                image = self._read(file)
            except OSError as error:
                self._complain(f"{file} can't be read: {error.strerror}.")
            except WrongSizeError as error:
                self._complain(f"{error} Ask for --resize.")
            except ImageError as error:
                self._complain(str(error))
            else:
                yield file, image

    def finish(self, table: Table | None) -> None:
        """Print the table, and end with the exit code that the files deserve."""
        if table is not None and table.row_count:
            Console(markup=False, highlight=False, width=_ENDLESS).print(table)
        if self._unreadable:
            raise typer.Exit(_UNREADABLE)

    def _read(self, file: Path) -> bytes:
        return self._preparation.read(
            file.read_bytes(),
            str(file),
            resize=self._resize,
            invert=self._invert,
            max_pixels=self._max_pixels,
        )

    def _complain(self, message: str) -> None:
        self._unreadable += 1
        typer.echo(message, err=True)


def _settings(models_dir: Path | None) -> Settings:
    try:
        return Settings() if models_dir is None else Settings(models_dir=models_dir)
    except ValidationError as error:
        typer.echo("\n".join(complaints(error)), err=True)
        raise typer.Exit(_UNREADABLE) from error


def _load(settings: Settings, name: str | None, against: str | None = None) -> LiveModel:
    logging.getLogger("app").addHandler(logging.NullHandler())  # the error says it, too
    try:
        model = LiveModels(settings.models_dir, settings.default_model, settings.min_accuracy).get(name)
        if against is not None:
            model.check_label(against)
    except ServingError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(_UNREADABLE) from error
    return model


def _table(*headers: str) -> Table:
    table = Table(box=None)
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def _print_json(file: Path, answer: Classification | ExplanationReport) -> None:
    name = os.fsencode(file).decode("utf-8", "replace")
    sys.stdout.buffer.write(orjson.dumps({"file": name, **answer}) + b"\n")


def _add_rows(table: Table, file: Path, prediction: Classification, top: int) -> None:
    likeliest = sorted(prediction["probabilities"].items(), key=lambda entry: -entry[1])[:top]
    for rank, (label, probability) in enumerate(likeliest):
        table.add_row(str(file) if rank == 0 else "", label, f"{probability:.4f}")


def _reasons(found: ExplanationReport) -> tuple[str, ...]:
    winner = next(entry for entry in found["classes"] if entry["label"] == found["label"])
    figures = (winner["logit"], winner["bias"], winner["contribution"])
    border = found["border"]
    return (
        found["label"],
        *(f"{figure:.3f}" for figure in figures),
        found["rival"],
        _distance(border["l2"]),
        _distance(border["linf"]),
    )


def _distance(border: BorderReport | None) -> str:
    return "out of reach" if border is None else f"{border['distance']:.4f}"
