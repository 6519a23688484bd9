"""The model card: README.md beside the model file, with the YAML header that the Hugging Face Hub reads."""

import platform
from collections.abc import Mapping
from pathlib import Path

from app.classifier.artifact import ClassScores, Metadata

__all__ = ["machine", "write_card"]

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
| cross-entropy | {loss:.4f} nats |
| expected calibration error | {calibration_error:.4f} |

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


def write_card(folder: Path, metadata: Metadata, *, command: str, machine: str, seconds: float) -> None:
    """Write `folder`/README.md.

    Args:
        folder: where the model file lies.
        metadata: the model file's.
        command: what makes this model again.
        machine: the processor that trained it.
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
        classes="\n".join(map(_row, evaluation.classes)),
        fingerprint=metadata.dataset_fingerprint,
        hyperparameters=_listed(metadata.hyperparameters),
        seed=metadata.seed,
        versions=_listed(metadata.library_versions),
        machine=machine,
        seconds=seconds,
        created_at=f"{metadata.created_at:%Y-%m-%d %H:%M} UTC",
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def machine(device: str) -> str:
    return f"{platform.system()} {platform.machine()}, {device}"


def _row(scores: ClassScores) -> str:
    return (
        f"| {scores.label} | {scores.precision:.3f} | {scores.recall:.3f} | {scores.f1:.3f} | {scores.sample_count:,} |"
    )


def _listed(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in fields.items())
