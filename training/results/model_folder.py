"""What a model folder has beside the model file, and whose name it is."""

from pathlib import Path

__all__ = ["CHALLENGER", "MISTAKES", "PICTURES", "WRITER", "model_name"]

CHALLENGER = "challenger"  # folder in a model's folder, of the one that is to prove itself
PICTURES = {
    "learning-curves.png": "Loss and accuracy by epoch",
    "confusion-matrix.png": "True classes (rows) and what they were taken for (columns)",
    "weights.png": "Each class's weights: blue pixels speak for it, orange ones against",
    "reliability.png": "Accuracy by confidence; on the diagonal the model is as right as it is sure",
}
MISTAKES = "mistakes.png"  # shows the data set's own images, so it stays out of the repository
WRITER = "softmax-serving"  # stands in each picture as the software that made it


def model_name(folder: Path) -> str:
    """The folder's name; a challenger has that of the model it challenges."""
    place = folder.resolve()
    return place.parent.name if place.name == CHALLENGER else place.name
