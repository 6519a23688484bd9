"""Generated images, in the file formats that training reads, and the command line run as a user runs it."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
import torch
from torch import Tensor

from training.command_line import run as run_command
from training.data.splits import Split

torch.set_num_threads(1)  # as the command line does for narrow problems


def make_split(count: int, class_count: int = 10, seed: int = 0) -> Split:
    """Images that can be learnt but not perfectly: one noisy pattern per class, the classes equally frequent."""
    patterns = torch.randint(0, 120, (class_count, 784), generator=torch.Generator().manual_seed(7))
    generator = torch.Generator().manual_seed(seed)
    class_ids = torch.arange(count) % class_count
    noise = torch.randint(0, 136, (count, 784), generator=generator)
    noise[torch.rand(count, generator=generator) < 0.1] += 119  # some images drown
    return Split((patterns[class_ids] + noise).clamp(max=255).to(torch.uint8), class_ids)


def write_idx(path: Path, tensor: Tensor) -> None:
    """The format of MNIST's files: a magic number, the sizes, the bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = b"".join(size.to_bytes(4, "big") for size in tensor.shape)
    path.write_bytes(bytes([0, 0, 8, tensor.ndim]) + sizes + tensor.to(torch.uint8).numpy().tobytes())


def write_fashion_mnist(folder: Path, train: Split, test: Split) -> Path:
    """Generated images where torchvision looks for Fashion-MNIST."""
    for prefix, split in (("train", train), ("t10k", test)):
        raw = folder / "FashionMNIST" / "raw"
        write_idx(raw / f"{prefix}-images-idx3-ubyte", split.pixels.view(-1, 28, 28))
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", split.class_ids)
    return folder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with a small generated `fashion-mnist`."""
    return write_fashion_mnist(tmp_path / "data", make_split(1000), make_split(200, seed=1))


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    exit_code: int
    stdout: str
    stderr: str


class CommandLine(Protocol):
    def __call__(self, *arguments: str | Path) -> Outcome: ...


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """`python -m training …` in this process: importing torch anew for each command would take most of the time."""

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["training", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            run_command("python -m training")
        captured = capsys.readouterr()
        return Outcome(int(exit_.value.code or 0), captured.out, captured.err)

    return run
