"""What `--center mass` does to accuracy: clothes that stand in the middle of their pictures, and clothes that don't.

    python -m benchmarks.centering            # two minutes; Fashion-MNIST in data/

6,000 pictures of 40×40 from Fashion-MNIST's training images, each with its image at most so many pixels from the
middle, each way, are fitted with `--resize` and without or with `--center mass`; a sixth of them is the test.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from PIL import Image

from training.data.datasets import Dataset
from training.data.mnist_family import load_mnist

_SIDE = 40
_OFFSETS = (0, 2, 4, 6)
_CENTERS = ("none", "mass")
_COUNT = 6_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    dataset = load_mnist("fashion-mnist", parser.parse_args().data_dir)
    print("| from the middle, pixels of 40 | `--center none` | `--center mass` |", "| ---: | ---: | ---: |", sep="\n")
    for offset in _OFFSETS:
        with TemporaryDirectory() as folder:
            _write(dataset, offset, Path(folder) / "pictures")
            accuracies = [f"{_accuracy(Path(folder), center):.3f}" for center in _CENTERS]
        print(f"| {offset} | {' | '.join(accuracies)} |", flush=True)


def _write(dataset: Dataset, offset: int, folder: Path) -> None:
    """Write the pictures as files, in a folder for each class."""
    for number in range(len(dataset.labels)):
        (folder / str(number)).mkdir(parents=True)
    offsets = torch.randint(-offset, offset + 1, (_COUNT, 2), generator=torch.Generator().manual_seed(0))
    pixels, class_ids = (torch.cat(blocks)[:_COUNT] for blocks in zip(*dataset.train.blocks(), strict=True))
    drawn = zip(pixels.reshape(-1, 28, 28), class_ids.tolist(), offsets.tolist(), strict=True)
    for number, (image, class_id, (right, down)) in enumerate(drawn):
        picture = Image.new("L", (_SIDE, _SIDE))
        picture.paste(Image.fromarray(image.numpy()), (6 + right, 6 + down))
        picture.save(folder / str(class_id) / f"{number}.png")


def _accuracy(folder: Path, center: str) -> float:
    options = ["--resize", "--center", center, "--device", "cpu", "--json"]
    command = [sys.executable, "-m", "training", "fit", "--dataset", f"folder:{folder / 'pictures'}", *options]
    out = folder / center
    told = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, check=True)  # noqa: S603
    [accuracy] = [event["accuracy"] for event in map(json.loads, told.stdout.splitlines()) if event["event"] == "saved"]
    return float(accuracy)


if __name__ == "__main__":
    main()
