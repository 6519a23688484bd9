"""What a model file says of its model, in words: origin, labels and the whole evaluation."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, model_validator

from app.classifier.preparation import Preparation

__all__ = ["ClassScores", "CoverageScores", "Evaluation", "Learned", "Metadata"]

Share = Annotated[float, Field(ge=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ClassScores(_Record):
    """One class on the test set; a score that would divide by zero is 0."""

    label: str = Field(description="of the class")
    precision: Share = Field(description="of the images with this answer, those of the class")
    recall: Share = Field(description="of the images of the class, those with this answer")
    f1: Share = Field(description="harmonic mean of precision and recall")
    sample_count: int = Field(ge=0, description="images of the class")


class CoverageScores(_Record):
    """The prediction sets on the test set, for one coverage."""

    coverage: Share = Field(description="what was asked for")
    measured_coverage: Share = Field(description="sets that hold the true class / samples")
    mean_set_size: float = Field(ge=1, allow_inf_nan=False, description="labels in a set")


class Evaluation(_Record):
    """What was measured on the test set, once, after training."""

    sample_count: int = Field(gt=0, description="images of the test set")
    accuracy: Share = Field(description="correct answers / samples")
    accuracy_interval: tuple[Share, Share] = Field(description="95 % Wilson interval of the accuracy")
    top_2_accuracy: Share | None = Field(default=None, description="samples whose class is among the two likeliest")
    loss: float = Field(ge=0, allow_inf_nan=False, description="mean cross-entropy, in nats")
    calibration_error: Share = Field(description="expected calibration error over 15 equal bins of confidence")
    confidence_counts: tuple[NonNegativeInt, ...] | None = Field(
        default=None, min_length=15, max_length=15, description="samples by confidence, in 15 equal bins"
    )
    coverages: tuple[CoverageScores, ...] = Field(default=(), description="how well prediction sets hold the truth")
    flagged_share: Share | None = Field(default=None, description="share of the samples that are warned of")
    inverted_flagged_share: Share | None = Field(default=None, description="the same, of the samples inverted")
    classes: tuple[ClassScores, ...] = Field(description="each class, in the order of class_id")
    confusion_matrix: tuple[tuple[NonNegativeInt, ...], ...] = Field(
        description="rows: true class, columns: predicted class"
    )


class Learned(_Record):
    """What a model learned in use, besides its data set: recorded images with the labels that people told."""

    parent: str = Field(description="version that answered when it learned")
    images: NonNegativeInt = Field(description="recorded images that it was trained on")
    repeats: int = Field(ge=1, description="how often an epoch showed each of them")
    replay: Share = Field(description="share of the data set's own images among those of an epoch, at least")
    first: datetime = Field(description="answer to the earliest of them")
    last: datetime = Field(description="answer to the latest of them")
    rows: str = Field(description="SHA-256 over the ids and classes of their answers")
    sources: dict[str, int] = Field(description="images by who told their labels")
    left_out: dict[str, float] = Field(
        description="sources that were left out, and how much more often they were contradicted than the others"
    )
    classes: dict[str, int] = Field(description="images by class")
    window: NonNegativeInt = Field(description="later images that it was measured on, before it was a challenger")
    window_correct: NonNegativeInt = Field(description="of these, those about which it was right")
    parent_window_correct: NonNegativeInt = Field(description="of these, those about which the parent was right")
    original_accuracy: Share = Field(description="on the test set, of the model from which all learning started")


class Metadata(_Record):
    """All that is known of a model besides its numbers."""

    format_version: Literal[1] = Field(default=1, description="of the model file")
    name: str = Field(min_length=1, description="that it was fitted under")
    labels: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        min_length=2, description="in the order of class_id"
    )
    preprocessing: Literal["28x28 grayscale / 255"] = Field(
        default="28x28 grayscale / 255", description="from an image's pixels to the model's inputs"
    )
    preparation: Preparation = Field(default=Preparation(), description="what turns image files into its pixels")
    dataset: str = Field(description="that it was fitted to")
    dataset_fingerprint: str = Field(description="SHA-256 over the training and test pixels and labels")
    hyperparameters: dict[str, Any] = Field(description="of the fit")
    seed: int = Field(description="of the initial weights and the shuffles")
    library_versions: dict[str, str] = Field(description="that it was fitted with")
    machine: dict[str, str] = Field(default={}, description="device, GPU, driver and precision of the fit")
    created_at: datetime = Field(
        description="when the fit ended; where it learned in use, when the last image of it was answered"
    )
    license: str | None = Field(default=None, description="of the model, as its maker said")
    evaluation: Evaluation = Field(description="on the test set")
    seed_accuracies: tuple[Share, ...] = Field(default=(), description="test accuracies of the fit by several seeds")

    learned: Learned | None = Field(default=None, description="in use; null: it knows its data set alone")

    @model_validator(mode="after")
    def _fits_the_labels(self) -> Self:
        count = len(self.labels)
        if len(set(self.labels)) != count:
            raise ValueError("the labels are not unique")
        matrix = self.evaluation.confusion_matrix
        if len(matrix) != count or any(len(row) != count for row in matrix):
            raise ValueError(f"the confusion matrix is not {count}×{count}")
        return self
