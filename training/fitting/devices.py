"""Where the arithmetic runs."""

from enum import StrEnum

import torch

from training.errors import DeviceError

__all__ = ["DeviceChoice", "choose_device", "choose_threads"]

_WIDE = 64  # columns of the product from which a second core is worth waiting for


class DeviceChoice(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


def choose_device(choice: DeviceChoice) -> torch.device:
    """The device to train on; `auto` takes CUDA where there is some.

    Raises:
        DeviceError: CUDA was asked for and this machine, or this build of torch, has none.
    """
    available = torch.cuda.is_available()
    if choice is DeviceChoice.CUDA and not available:
        raise DeviceError(f"--device cuda: torch {torch.__version__} finds no CUDA device here; use --device cpu.")
    use_cuda = available and choice is not DeviceChoice.CPU
    return torch.device("cuda" if use_cuda else "cpu")


def choose_threads(columns: int) -> None:
    """Use all cores for a wide problem and one for a narrow one.

    With 10 columns two threads are no faster than one, and many times slower when other processes want the cores too
    (docs/decisions/training-speed.md).
    """
    if columns < _WIDE:
        torch.set_num_threads(1)
