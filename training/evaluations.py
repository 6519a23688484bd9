"""A saved model, measured on images that it was not trained on."""

from pathlib import Path

from app.classifier import artifact
from training.data.catalog import DataOptions, load_for_testing
from training.display import show_evaluation
from training.names import at_home
from training.results.evaluation import evaluate
from training.results.unseen import unseen_images

__all__ = ["evaluate_saved"]


def evaluate_saved(
    model: Path, dataset: str, data_dir: Path, *, skip_unreadable: bool, whole: bool, as_json: bool
) -> None:
    """Measure a model's file, or the one in its folder, and show what was found.

    Raises:
        ModelFileError: it is no whole model file.
        TrainingError: see its tree.
    """
    place = at_home(model)
    loaded = artifact.load(place / artifact.FILE_NAME if place.is_dir() else place)
    labels = loaded.metadata.labels
    options = DataOptions(dataset, data_dir, None, skip_unreadable, preparation=loaded.metadata.preparation)
    data = load_for_testing(options, labels)
    images = data.test if whole else unseen_images(data, loaded)
    show_evaluation(evaluate(loaded.model, images, labels), len(data.test) - len(images), as_json=as_json)
