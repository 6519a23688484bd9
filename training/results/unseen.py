"""Which images of a data set a model was not trained on."""

import torch

from app.classifier.artifact import Artifact
from training.data.datasets import Dataset, digests
from training.data.splits import FileSplit, Split
from training.errors import TrainingError

__all__ = ["unseen_images"]


def unseen_images(data: Dataset, model: Artifact) -> Split | FileSplit:
    """The test images of a data set, or all where it brings none, without those that the model was trained on.

    Raises:
        TrainingError: none is left, or nobody knows what the model was trained on.
    """
    if len(data.train) and data.fingerprint() == model.metadata.dataset_fingerprint:
        return data.test  # the very split that the model was fitted to
    if model.trained_on is None:
        if len(data.train):
            return data.test
        raise TrainingError(
            f"{data.name} brings no test images, and this model file does not say which images it was trained on: "
            "--whole measures all of them."
        )
    seen = torch.isin(digests(data.test), model.trained_on)
    if seen.all():
        raise TrainingError(f"The model was trained on all {len(seen)} images of {data.name}; --whole measures them.")
    return data.test.without(seen) if seen.any() else data.test
