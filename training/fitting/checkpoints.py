"""What a fit needs to go on after it was interrupted, in one file beside the model.

The shuffles follow from the seed and the epoch's number, so the file holds no random state.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import safetensors
from safetensors.torch import save
from torch import Tensor

from app.classifier.artifact import replace_file
from training.errors import CheckpointError
from training.fitting.scores import EpochScores

__all__ = ["FILE_NAME", "Checkpoint", "load_checkpoint", "save_checkpoint"]

FILE_NAME = "checkpoint.safetensors"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The state after some whole epochs.

    Attributes:
        purpose: the recipe and the data; only a fit of the same may go on from here.
        history: one entry per epoch that is done.
        parameters: float32 [K, C, 785].
        velocity: float32 [K, C, 785].
    """

    purpose: str
    history: list[EpochScores]
    parameters: Tensor
    velocity: Tensor


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    tensors = {"parameters": checkpoint.parameters.cpu(), "velocity": checkpoint.velocity.cpu()}
    history = json.dumps([asdict(scores) for scores in checkpoint.history])
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, save(tensors, {"purpose": checkpoint.purpose, "history": history}))


def load_checkpoint(path: Path, purpose: str) -> Checkpoint | None:
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
        found = metadata["purpose"]
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} can't be read ({error}); delete it to start anew.") from error
    if found != purpose:
        raise CheckpointError(
            f"{path} belongs to a fit with other options or data; repeat that one's, or delete the file to start anew."
        )
    return Checkpoint(purpose, history, **tensors)
