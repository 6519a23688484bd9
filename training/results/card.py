"""The model card: README.md beside the model file, with the YAML header that the Hugging Face Hub reads."""

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import yaml

from app.classifier.conformal import least_images
from app.classifier.metadata import Evaluation, Learned, Metadata
from app.classifier.preparation import Preparation
from training.data.datasets import Dataset, LeftOut
from training.data.known import FAMILY
from training.names import in_markdown
from training.results.model_folder import MISTAKES, PICTURES

__all__ = ["FILE_NAME", "MARK", "render_card"]

FILE_NAME = "README.md"
MARK = "softmax-regression"  # a tag that stands in the header of each card

_TEMPLATE = """---
{header}---
# {name}

Softmax regression (multinomial logistic regression) on the pixels of 28×28 grayscale images, {class_count} classes.

{fence}
{command}
{fence}

| on the {sample_count:,} test images | |
| --- | --- |
| accuracy | {accuracy:.4f} (95 % interval {low:.4f} to {high:.4f}) |
{seeds}{top_2}| cross-entropy | {loss:.4f} nats |
| expected calibration error | {calibration_error:.4f} |
{warned}
{coverages}{pictures}

| class | precision | recall | F1 | test images | training images |
| --- | --- | --- | --- | --- | --- |
{classes}

| how it was made | |
| --- | --- |
| data | {dataset}, SHA-256 of pixels and classes `{fingerprint}` |
| pixels | {preparation} |
{left_out}{learned}| hyperparameters | {hyperparameters} |
| seed | {seed} |
| versions | {versions} |
| machine | {machine} |
| training time | {seconds:.1f} s |
| made | {created_at} |

In plain PyTorch, of `pixels`, uint8 [N, 28, 28]:

```python
from safetensors.torch import load_file
tensors = load_file("model.safetensors")
probabilities = torch.softmax(pixels.reshape(-1, 784) / 255 @ tensors["weight"].T + tensors["bias"], dim=1)
```
"""


def render_card(metadata: Metadata, data: Dataset, *, command: str, seconds: float) -> str:
    """The text of the card.

    Args:
        metadata: the model file's.
        data: what the model was fitted to.
        command: what makes this model again.
        seconds: how long training took, without loading the data.
    """
    evaluation = metadata.evaluation
    low, high = evaluation.accuracy_interval
    longest = max(map(len, re.findall("`+", command)), default=0)
    pictures = PICTURES if metadata.dataset in FAMILY else PICTURES | {MISTAKES: "Where it errs most surely"}
    return _TEMPLATE.format(
        header=_header(metadata),
        fence="`" * max(3, longest + 1),
        name=in_markdown(metadata.name),
        dataset=in_markdown(metadata.dataset),
        class_count=len(metadata.labels),
        command=command,
        sample_count=evaluation.sample_count,
        accuracy=evaluation.accuracy,
        low=low,
        high=high,
        loss=evaluation.loss,
        calibration_error=evaluation.calibration_error,
        warned=_warned(evaluation),
        coverages=_coverages(evaluation),
        classes=_classes(evaluation, data),
        fingerprint=metadata.dataset_fingerprint,
        preparation=_prepared(metadata.preparation),
        left_out=_left_out(data.left_out, len(data.train) + len(data.test)),
        learned=_learned(metadata.learned),
        hyperparameters=_listed(metadata.hyperparameters),
        seed=metadata.seed,
        versions=_listed(metadata.library_versions),
        machine=_listed(metadata.machine),
        seeds=_over_seeds(metadata.seed_accuracies),
        top_2="" if evaluation.top_2_accuracy is None else f"| top-2 accuracy | {evaluation.top_2_accuracy:.4f} |\n",
        pictures="\n\n".join(f"![{text}](report/{name})\n\n{text}." for name, text in pictures.items()),
        seconds=seconds,
        created_at=f"{metadata.created_at:%Y-%m-%d %H:%M} UTC",
    )


def _header(metadata: Metadata) -> str:
    header: dict[str, Any] = {"license": metadata.license} if metadata.license else {}
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"type": metadata.dataset, "name": metadata.dataset, "split": "test"},
        "metrics": [{"type": "accuracy", "value": round(metadata.evaluation.accuracy, 4)}],
    }
    header |= {
        "library_name": "pytorch",
        "pipeline_tag": "image-classification",
        "tags": [MARK],
        "datasets": [metadata.dataset],
        "metrics": ["accuracy"],
        "model-index": [{"name": metadata.name, "results": [result]}],
    }
    text: str = yaml.safe_dump(header, sort_keys=False, allow_unicode=True)
    return text


def _over_seeds(accuracies: tuple[float, ...]) -> str:
    if not accuracies:
        return ""
    mean, deviation = statistics.mean(accuracies), statistics.stdev(accuracies)
    return f"| accuracy over {len(accuracies)} seeds | {mean:.4f} ± {deviation:.4f} (standard deviation) |\n"


def _warned(evaluation: Evaluation) -> str:
    if evaluation.flagged_share is None or evaluation.inverted_flagged_share is None:
        return ""
    return (
        f"| images that are warned of | {100 * evaluation.flagged_share:.2f} %; "
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
    return "\n".join([*head, *rows, "", *_empty_promises(evaluation), ""])


def _empty_promises(evaluation: Evaluation) -> list[str]:
    """What to know of sets that always have all classes: they say nothing."""
    all_classes = len(evaluation.classes)
    needed = [
        f"{scores.coverage:g} takes at least {least_images(scores.coverage)}"
        for scores in evaluation.coverages
        if scores.mean_set_size == all_classes
    ]
    return (
        [f"A set of all {all_classes} classes says nothing. Validation images: {', '.join(needed)}.", ""]
        if needed
        else []
    )


def _classes(evaluation: Evaluation, data: Dataset) -> str:
    trained = torch.bincount(data.train.class_ids, minlength=len(data.labels)).tolist()
    return "\n".join(
        f"| {in_markdown(scores.label)} | {scores.precision:.3f} | {scores.recall:.3f} | {scores.f1:.3f} "
        f"| {scores.sample_count:,} | {count:,} |"
        for scores, count in zip(evaluation.classes, trained, strict=True)
    )


def _prepared(preparation: Preparation) -> str:
    steps = ["inverted"] * preparation.invert + ["fitted into 28×28"] * preparation.resize
    steps += ["shifted to their center of mass"] * (preparation.center == "mass")
    return ", ".join(["28×28 grayscale / 255", *steps])


def _left_out(left_out: Sequence[LeftOut], used: int) -> str:
    if not left_out:
        return ""
    count = sum(one.count for one in left_out)
    reasons = ", ".join(f"{one.count} of {in_markdown(one.label)}: {one.reason}" for one in left_out)
    return f"| files left out | {count:,} of {count + used:,} ({reasons}) |\n"


def _learned(learned: Learned | None) -> str:
    if learned is None:
        return ""
    times = "once" if learned.repeats == 1 else f"{learned.repeats} times"
    lines = {
        "learned in use": f"{learned.images:,} recorded images, {learned.first:%Y-%m-%d %H:%M} to "
        f"{learned.last:%Y-%m-%d %H:%M} UTC, each {times} an epoch, after version {learned.parent}",
        "told by": _listed(learned.sources),
        "sources left out": ", ".join(
            f"{in_markdown(source)}, contradicted {100 * excess:.1f} points more often than the others"
            for source, excess in learned.left_out.items()
        ),
        "images by class": _listed(learned.classes),
        "rows": f"SHA-256 of ids and classes `{learned.rows}`",
        "on the window": f"of {learned.window:,} later images it was right about {learned.window_correct:,}, version "
        f"{learned.parent} about {learned.parent_window_correct:,}",
    }
    return "".join(f"| {name} | {text} |\n" for name, text in lines.items() if text)


def _listed(fields: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {in_markdown(str(value))}" for key, value in fields.items())
