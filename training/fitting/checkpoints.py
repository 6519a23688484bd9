"""What a fit needs to go on after it was interrupted, in one file beside the model.

The shuffles follow from the seed and the epoch's number, so the file holds no random state.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors
from safetensors.torch import save
from torch import Tensor

from app.classifier.artifact import replace_files
from training.errors import CheckpointError
from training.fitting.recipes import Recipe
from training.fitting.scores import EpochScores

__all__ = ["FILE_NAME", "Checkpoint", "Purpose", "load_checkpoint", "purpose_of", "save_checkpoint"]

FILE_NAME = "checkpoint.safetensors"
Purpose = dict[str, object]  # options and data of a fit; only a fit of the same may go on from its checkpoint


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The state after some whole epochs.

    Attributes:
        purpose: the recipe and the data.
        history: one entry per epoch that is done.
        parameters: float32 [1, C, 785].
        velocity: float32 [1, C, 785].
    """

    purpose: Purpose
    history: list[EpochScores]
    parameters: Tensor
    velocity: Tensor


def purpose_of(recipe: Recipe, validation: float, fingerprint: str) -> Purpose:
    """The recipe's options, the share for validation and the data's SHA-256, as JSON has them."""
    options: Purpose = json.loads(json.dumps(asdict(recipe) | {"validation": validation, "data": fingerprint}))
    return options


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    tensors = {"parameters": checkpoint.parameters.cpu(), "velocity": checkpoint.velocity.cpu()}
    history = json.dumps([asdict(scores) for scores in checkpoint.history])
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_files({path: save(tensors, {"purpose": json.dumps(checkpoint.purpose), "history": history})})


def load_checkpoint(path: Path, purpose: Purpose) -> Checkpoint | None:
    """The checkpoint, or None where there is none.

    Raises:
        CheckpointError: it can't be read, or belongs to a fit of another recipe or other data.
    """
    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in ("parameters", "velocity")}
        history = [EpochScores(**scores) for scores in json.loads(metadata["history"])]
        found = dict(json.loads(metadata["purpose"]))
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} can't be read ({error}); delete it to start anew.") from error
    differences = [_difference(name, found, purpose) for name in purpose if found.get(name) != purpose[name]]
    if differences:
        raise CheckpointError(
            f"{path} belongs to another fit: {', '.join(differences)}. Repeat that one's options, or delete the file "
            "to start anew."
        )
    return Checkpoint(found, history, **tensors)


def _difference(name: str, there: Purpose, here: Purpose) -> str:
    if name == "data":
        return "its data were others"
    return f"--{name.replace('_', '-')} was {there.get(name)} there and is {here[name]} here"
