"""The model card: README.md beside the model file, with the YAML header that the Hugging Face Hub reads."""

import os
import platform
import statistics
from collections.abc import Mapping
from pathlib import Path

import torch

from app.classifier.metadata import ClassScores, Evaluation, Metadata
from training.results.report import PICTURES

__all__ = ["write_card"]

_TEMPLATE = """---
license: mit
library_name: pytorch
pipeline_tag: image-classification
tags:
- softmax-regression
datasets:
- {dataset}
metrics:
- accuracy
model-index:
- name: {name}
  results:
  - task:
      type: image-classification
    dataset:
      type: {dataset}
      name: {dataset}
      split: test
    metrics:
    - type: accuracy
      value: {accuracy:.4f}
---
# {name}

Softmax regression (multinomial logistic regression) on the pixels of 28×28 grayscale images, {class_count} classes.

```
{command}
```

| on the {sample_count:,} test images | |
| --- | --- |
| accuracy | {accuracy:.4f} (95 % interval {low:.4f} to {high:.4f}) |
{seeds}| top-2 accuracy | {top_2_accuracy:.4f} |
| cross-entropy | {loss:.4f} nats |
| expected calibration error | {calibration_error:.4f} |
{guard}
{coverages}{pictures}

| class | precision | recall | F1 | images |
| --- | --- | --- | --- | --- |
{classes}

| how it was made | |
| --- | --- |
| data | {dataset}, SHA-256 of pixels and classes `{fingerprint}` |
| hyperparameters | {hyperparameters} |
| seed | {seed} |
| versions | {versions} |
| machine | {machine} |
| training time | {seconds:.1f} s |
| made | {created_at} |
"""


def write_card(folder: Path, metadata: Metadata, *, command: str, device: str, seconds: float) -> None:
    """Write `folder`/README.md.

    Args:
        folder: where the model file lies.
        metadata: the model file's.
        command: what makes this model again.
        device: what trained it, as torch calls it.
        seconds: how long training took, without loading the data.
    """
    evaluation = metadata.evaluation
    low, high = evaluation.accuracy_interval
    text = _TEMPLATE.format(
        name=metadata.name,
        dataset=metadata.dataset,
        class_count=len(metadata.labels),
        command=command,
        sample_count=evaluation.sample_count,
        accuracy=evaluation.accuracy,
        low=low,
        high=high,
        loss=evaluation.loss,
        calibration_error=evaluation.calibration_error,
        guard=_guard(evaluation),
        coverages=_coverages(evaluation),
        classes="\n".join(map(_row, evaluation.classes)),
        fingerprint=metadata.dataset_fingerprint,
        hyperparameters=_listed(metadata.hyperparameters),
        seed=metadata.seed,
        versions=_listed(metadata.library_versions),
        machine=_machine(device),
        seeds=_over_seeds(metadata.seed_accuracies),
        top_2_accuracy=evaluation.top_2_accuracy,
        pictures="\n\n".join(f"![{text}](report/{name})\n\n{text}." for name, text in PICTURES.items()),
        seconds=seconds,
        created_at=f"{metadata.created_at:%Y-%m-%d %H:%M} UTC",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _machine(device: str) -> str:
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores"


def _over_seeds(accuracies: tuple[float, ...]) -> str:
    if not accuracies:
        return ""
    mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
    return f"| accuracy over {len(accuracies)} seeds | {mean:.4f} ± {deviation:.4f} (standard deviation) |\n"


def _guard(evaluation: Evaluation) -> str:
    if evaluation.flagged_share is None or evaluation.inverted_flagged_share is None:
        return ""
    return (
        f"| images that the input guard flags | {100 * evaluation.flagged_share:.2f} %; "
        f"inverted, {100 * evaluation.inverted_flagged_share:.2f} % |\n"
    )


def _coverages(evaluation: Evaluation) -> str:
    if not evaluation.coverages:
        return ""
    rows = [
        f"| {scores.coverage:g} | {scores.measured_coverage:.4f} | {scores.mean_set_size:.2f} |"
        for scores in evaluation.coverages
    ]
    head = ["| `?coverage=` | sets that hold the truth | mean classes in a set |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows, "", ""])


def _row(scores: ClassScores) -> str:
    return (
        f"| {scores.label} | {scores.precision:.3f} | {scores.recall:.3f} | {scores.f1:.3f} | {scores.sample_count:,} |"
    )


def _listed(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in fields.items())
