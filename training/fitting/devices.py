"""Where the arithmetic runs."""

import os
import platform
import re
import warnings
from pathlib import Path

import torch

from training.errors import DeviceError
from training.torchrun import local_rank

__all__ = ["choose_device", "choose_threads", "describe_device", "why_not_cuda"]

_WIDE = 64  # columns of the product from which a second core is worth waiting for
_DRIVER = Path("/proc/driver/nvidia/version")


def choose_device(choice: str) -> torch.device:
    """The device to train on: `auto` (CUDA where there is some), `cpu`, `cuda` or `cuda:N`.

    Raises:
        DeviceError: there is no such device, or it can't compute.
    """
    named = re.fullmatch(r"auto|cpu|cuda(?::(\d{1,3}))?", choice)
    if named is None:
        raise DeviceError(f"--device {choice}: there are auto, cpu, cuda and cuda:N, where N counts GPUs from 0.")
    reason = None if choice == "cpu" else _why_no_cuda()
    if choice == "cpu" or (choice == "auto" and reason is not None):
        return torch.device("cpu")
    if reason is not None:
        raise DeviceError(f"--device {choice}: torch {torch.__version__} finds no CUDA device here: {reason}.")
    device = torch.device("cuda", _index(choice, named[1]))
    _try(device)
    # The products decide about the gradient's last digits; TF32 would leave ten bits of them.
    torch.set_float32_matmul_precision("highest")
    return device


def why_not_cuda(choice: str, device: torch.device) -> str | None:
    """Why `auto` took the CPU although torch was built for CUDA, in torch's own words."""
    silent = choice != "auto" or device.type == "cuda" or torch.version.cuda is None
    return None if silent else _why_no_cuda()


def _why_no_cuda() -> str | None:
    """The reason, in torch's own words, for which this process can't use CUDA; None where it can."""
    if torch.version.cuda is None:
        return "it was built without CUDA"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            return None
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call]
        except (RuntimeError, AssertionError) as error:
            return _first_sentence(str(error))
    return _first_sentence(str(caught[0].message)) if caught else "it finds no GPU"


def describe_device(device: torch.device) -> dict[str, str]:
    """What a fit on this device owes its speed and its last digits to."""
    if device.type != "cuda":
        return {"device": "cpu", "cpu": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"}
    written = re.search(r"Module\s+([\d.]+)", _DRIVER.read_text()) if _DRIVER.exists() else None
    return {
        "device": str(device),
        "gpu": torch.cuda.get_device_name(device),
        "driver": written[1] if written else "unknown",
        "cuda": str(torch.version.cuda),
        "precision": f"float32, {torch.get_float32_matmul_precision()}",
    }


def choose_threads(columns: int) -> None:
    """Use all cores for a wide problem and one for a narrow one.

    With 10 columns two threads are no faster than one, and many times slower when other processes want the cores too
    (docs/decisions/training-speed.md).
    """
    if columns < _WIDE:
        torch.set_num_threads(1)


def _index(choice: str, number: str | None) -> int:
    """The GPU's number: what was asked for, else the process's own among torchrun's."""
    count, rank = torch.cuda.device_count(), local_rank()
    if number is not None and rank:
        raise DeviceError(f"--device {choice}: torchrun's processes each take a GPU of their own; say --device cuda.")
    if number is None and rank is not None and rank >= count:
        raise DeviceError(f"torchrun started process {rank} here, which has {count} GPUs: lower --nproc-per-node.")
    index = int(number) if number is not None else rank or 0
    if index >= count:
        last = "" if count == 1 else f" to cuda:{count - 1}"
        raise DeviceError(f"--device {choice}: there is no such GPU; this machine has cuda:0{last}.")
    return index


def _try(device: torch.device) -> None:
    """Compute something small: a GPU may be too old for this build of torch, taken by someone else, or broken."""
    try:
        torch.ones(1, device=device).add_(1).item()
    except RuntimeError as error:
        raise DeviceError(f"--device {device} can't compute: {_first_sentence(str(error))}.") from error


def _first_sentence(text: str) -> str:
    """Without the advice and the addresses that follow it."""
    line = text.strip().partition("\n")[0]
    return line.removeprefix("CUDA initialization: ").partition(". ")[0].rstrip(".")
