"""Seconds per epoch, time to 0.84 test accuracy and peak memory: the course's loop, scikit-learn, and ours.

    python -m benchmarks.training                          # the table; needs Fashion-MNIST in data/ and scikit-learn
    python -m benchmarks.training --sweep                  # 16 settings at once against one
    python -m benchmarks.training --images 10000000        # a generated data set, streamed from the disk
    python -m benchmarks.training --device cuda            # the default fit on CUDA, beside the CPU's
    python -m benchmarks.training --command                # all that a user of `python -m training fit` waits for

Course and ours take turns, so that other work on the machine slows both; times are medians over the rounds.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision.datasets import FashionMNIST
from torchvision.transforms import ToTensor

from training.data.catalog import DataOptions, load_dataset
from training.data.datasets import Dataset
from training.data.splits import Split
from training.fitting.devices import choose_device, choose_threads, describe_device
from training.fitting.fit import Fit
from training.fitting.fits import Fits
from training.fitting.recipes import Recipe
from training.fitting.sweep import grid
from training.results.evaluation import evaluate

R = TypeVar("R")
TARGET = 0.84
CPU = torch.device("cpu")
CORES = torch.get_num_threads()


def fashion_mnist(data_dir: Path) -> Dataset:
    return load_dataset(DataOptions("fashion-mnist", data_dir, 0))


def course_epochs(data_dir: Path, count: int) -> list[float]:
    """The course's loop: ToTensor and DataLoader, image by image, and torch.optim.SGD; seconds of each epoch."""
    torch.set_num_threads(CORES)
    data = FashionMNIST(data_dir, transform=ToTensor(), download=True)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        for images, class_ids in DataLoader(data, batch_size=256, shuffle=True):
            optimizer.zero_grad()
            functional.cross_entropy(model(images), class_ids).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        seconds.append(time.perf_counter() - start)
    return seconds


def our_fit(data: Dataset, recipe: Recipe, device: torch.device = CPU) -> Fit:
    torch.set_num_threads(CORES)
    choose_threads(len(data.labels))
    return Fit(recipe, data.train, nothing_of(data), len(data.labels), device)


def our_fits(data: Dataset, recipes: list[Recipe]) -> Fits:
    torch.set_num_threads(CORES)
    choose_threads(len(data.labels) * len(recipes))
    return Fits(recipes, data.train, nothing_of(data), len(data.labels), CPU)


def nothing_of(data: Dataset) -> Split:
    return data.train.only(torch.zeros(len(data.train), dtype=torch.bool))


def our_time_to_target(data_dir: Path) -> float:
    """Seconds of training until the test accuracy reaches TARGET; measuring it is not counted."""
    data = fashion_mnist(data_dir)
    run = our_fit(data, Recipe())
    for _ in run.epochs():
        if evaluate(run.model, data.test, data.labels).accuracy >= TARGET:
            return run.seconds
    return float("inf")


def sklearn_time_to_target(data_dir: Path) -> float:
    """Seconds of the shortest L-BFGS fit, by doubling the iterations, that reaches TARGET on the test images."""
    data = fashion_mnist(data_dir)
    warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped on purpose
    assert isinstance(data.train, Split)  # noqa: S101 - as above
    assert isinstance(data.test, Split)  # noqa: S101
    inputs, test = (part.pixels.numpy().astype(np.float32) / 255 for part in (data.train, data.test))
    for iterations in (10, 20, 40, 80, 160):
        model = LogisticRegression(max_iter=iterations)
        start = time.perf_counter()
        model.fit(inputs, data.train.class_ids.numpy())
        seconds = time.perf_counter() - start
        if model.score(test, data.test.class_ids.numpy()) >= TARGET:
            return seconds
    return float("inf")


def bound(sample_count: int, class_count: int) -> float:
    """Seconds that an epoch needs at least: its bytes at the speed of a copy, its products at that of large ones."""
    torch.set_num_threads(CORES)
    pixels = torch.zeros(sample_count, 784, dtype=torch.uint8)
    square = torch.rand(1024, 1024)
    copy = min(_timed(pixels.clone) for _ in range(5))
    product = min(_timed(lambda: square @ square) for _ in range(10))
    operations = 2 * 2 * sample_count * 784 * class_count
    return max(copy, operations / (2 * 1024**3 / product))


def in_its_own_process(task: Callable[..., R], *arguments: object) -> tuple[R, float]:
    """What the task returns, and the peak memory of the process that did nothing else, in MB."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_with_peak, (task, *arguments))


def _with_peak(task: Callable[..., R], *arguments: object) -> tuple[R, float]:
    result = task(*arguments)
    # Not ru_maxrss: a process inherits that from the one that started it.
    [peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return result, int(peak.split()[1]) / 1024


def compare(data_dir: Path, rounds: int) -> None:
    data = fashion_mnist(data_dir)
    run = our_fit(data, Recipe(epochs=5 * rounds))
    ours_epochs, course, ours = run.epochs(), [], []
    for _ in range(rounds):
        course += course_epochs(data_dir, 1)
        choose_threads(10)
        ours += [next(ours_epochs).seconds for _ in range(5)]
    least, epoch, epoch_of_ours = bound(60_000, 10), statistics.median(course), statistics.median(ours)
    _, memory = in_its_own_process(course_epochs, data_dir, 1)
    print("| | s per epoch | times the bound | s to 0.84 | peak MB |\n| --- | --- | --- | --- | --- |")
    print(f"| the course's loop | {epoch:.3f} | {epoch / least:.1f} | – | {memory:.0f} |", flush=True)
    seconds, memory = in_its_own_process(our_time_to_target, data_dir)
    print(f"| ours | {epoch_of_ours:.3f} | {epoch_of_ours / least:.1f} | {seconds:.2f} | {memory:.0f} |", flush=True)
    seconds, memory = in_its_own_process(sklearn_time_to_target, data_dir)
    print(f"| scikit-learn, L-BFGS | – | – | {seconds:.2f} | {memory:.0f} |")
    print(f"\nbound {least:.4f} s; the course's epoch takes {epoch / epoch_of_ours:.1f} times ours")


def compare_sweep(data_dir: Path, rounds: int) -> None:
    data = fashion_mnist(data_dir)
    settings = grid(Recipe(epochs=rounds), [0.03, 0.1, 0.2, 0.4], [0, 1e-5, 1e-4, 1e-3], [0])
    one, sixteen = our_fits(data, settings[:1]), our_fits(data, settings)
    pairs = list(zip(_seconds(one, 10), _seconds(sixteen, 160), strict=True))
    single, many = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
    print(f"one setting {single:.3f} s per epoch, 16 settings {many:.3f} s: {many / single:.1f} times")


def stream(count: int) -> None:
    """One epoch over `count` generated images that are read from the disk."""
    choose_threads(10)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        labels = np.arange(count) % 10
        np.save(Path(folder) / "labels.npy", labels)
        images = np.lib.format.open_memmap(Path(folder) / "images.npy", "w+", np.uint8, (count, 28, 28))
        patterns = np.random.default_rng(0).integers(0, 256, (10_000, 28, 28), np.uint8)
        for first in range(0, count, 10_000):
            images[first : first + 10_000] = patterns[: count - first]
        images.flush()
        del images
        _, memory = in_its_own_process(stream_epoch, Path(folder))
        print(f"peak memory {memory:.0f} MB")


def stream_epoch(folder: Path) -> None:
    choose_threads(10)
    data = load_dataset(DataOptions(f"npy:{folder}", folder, 0.001, stream=True))
    [scores] = Fit(Recipe(epochs=1), data.train, nothing_of(data), 10, CPU).epochs()
    print(f"{len(data.train):,} images in {scores.seconds:.1f} s, {len(data.train) / scores.seconds:,.0f} per second")


def time_on_cuda(data_dir: Path, rounds: int) -> None:
    """The default fit on CUDA: how long, how good, and how far from the CPU's weights."""
    data, device = fashion_mnist(data_dir), choose_device("cuda")
    on_cpu = our_fit(data, Recipe())
    on_cpu.finish()
    seconds = []
    for _ in range(1 + rounds):
        run = our_fit(data, Recipe(), device)
        torch.cuda.synchronize()
        start = time.perf_counter()
        run.finish()
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    steps = Recipe().epochs * Recipe().steps_per_epoch(len(data.train))
    first, median = seconds[0], statistics.median(seconds[1:])
    print(", ".join(f"{name} {value}" for name, value in describe_device(device).items()))
    print(f"20 epochs: first run {first:.3f} s, median of {rounds} more {median:.3f} s")
    print(f"{1e6 * median / steps:.1f} µs a step")
    print(f"on the CPU {on_cpu.seconds:.3f} s")
    for name, one in (("CUDA", run), ("CPU", on_cpu)):
        print(f"test accuracy on {name} {evaluate(one.model, data.test, data.labels).accuracy:.4f}")
    print(f"largest difference of a weight {float((run.model.weight - on_cpu.model.weight).abs().max()):.1e}")


def time_command(data_dir: Path, rounds: int) -> None:
    """Seconds from the start of `python -m training fit` to its end, and of its fit alone."""
    whole, fits = [], []
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "training",
            "fit",
            "--data-dir",
            str(data_dir),
            "--json",
            "--out",
            f"{folder}/m",
        ]
        for _ in range(rounds):
            start = time.perf_counter()
            printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own
            whole.append(time.perf_counter() - start)
            fits.append(json.loads(printed.splitlines()[-1])["seconds"])
    print(f"python -m training fit: {statistics.median(whole):.2f} s, of which the fit {statistics.median(fits):.2f} s")


def _seconds(run: Fits, columns: int) -> Iterator[float]:
    """The seconds of each epoch, trained with the threads that suit its columns."""
    epochs = run.epochs()
    while True:
        torch.set_num_threads(CORES)
        choose_threads(columns)
        scores = next(epochs, None)
        if scores is None:
            return
        yield scores[0].seconds


def _timed(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sweep", action="store_true")
    parser.add_argument("--images", type=int)
    parser.add_argument("--command", action="store_true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    print(f"{platform.machine()}, {CORES} cores, torch {torch.__version__}\n")
    if options.images:
        stream(options.images)
    elif options.sweep:
        compare_sweep(options.data_dir, options.rounds)
    elif options.device == "cuda":
        time_on_cuda(options.data_dir, options.rounds)
    elif options.command:
        time_command(options.data_dir, options.rounds)
    else:
        compare(options.data_dir, options.rounds)
