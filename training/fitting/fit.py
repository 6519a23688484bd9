"""The training loop: one for CPU and CUDA, memory and stream, one process and many, a single fit and a sweep."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from app.classifier.softmax import PIXELS, SoftmaxRegression
from training.data.minibatches import InMemory, Minibatches, minibatches
from training.data.splits import FileSplit, Split
from training.errors import DivergedError
from training.fitting.checkpoints import Checkpoint
from training.fitting.processes import ALONE, Processes
from training.fitting.recipes import Recipe
from training.fitting.scores import EpochScores, sums
from training.fitting.sgd import COLUMNS, Sgd

__all__ = ["Fit"]


class Fit:
    """Fits softmax regression by each of K recipes at once; they share the minibatches and the order of the first.

    Attributes:
        history: one entry per epoch that is done.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        train: Split | FileSplit,
        validation: Split,
        class_count: int,
        device: torch.device,
        *,
        processes: Processes = ALONE,
    ) -> None:
        self._recipes = recipes
        # A larger minibatch is all images; its buffers must not be larger than they are.
        self._recipe = replace(recipes[0], batch_size=min(recipes[0].batch_size, max(1, len(train))))
        self._processes = processes
        self._train = minibatches(train, self._recipe.batch_size, self._recipe.order_seed, device)
        self._validation = minibatches(validation, self._recipe.batch_size, self._recipe.order_seed, device)
        self._sgd = Sgd(recipes, class_count, device, processes)
        self._rates = torch.zeros(self._recipe.steps_per_epoch(len(train)), len(recipes), 1, 1, device=device)
        self._sums = torch.zeros(2, len(recipes), device=device)  # of the losses and of the correct answers
        self._classes = torch.arange(class_count, device=device)[:, None]
        self._buffer = torch.ones(self._recipe.batch_size, COLUMNS, device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self.history: list[EpochScores] = []

    def epochs(self) -> Iterator[EpochScores]:
        """Train, one epoch each time that the next scores are asked for.

        Raises:
            DivergedError: no recipe's loss is finite any longer.
        """
        for epoch in range(len(self.history) + 1, self._recipe.epochs + 1):
            start = time.perf_counter()
            self._train.shuffle(epoch)
            rates = [recipe.rates(epoch, len(self._train)) for recipe in self._recipes]
            self._rates.copy_(torch.tensor(rates).t()[:, :, None, None])
            self._run_epoch()
            self._processes.sum(self._sums)
            loss, accuracy = (self._sums / len(self._train)).tolist()
            seconds = time.perf_counter() - start
            if not any(map(math.isfinite, loss)):
                raise DivergedError(
                    f"The loss is not finite in epoch {epoch}: --lr {self._recipe.lr} is too high for these data; "
                    "nothing was saved. Try a tenth of it."
                )
            scores = EpochScores(epoch, seconds, loss, accuracy, *self._validate())
            self.history.append(scores)
            yield scores

    def finish(self) -> None:
        """Train all epochs that are left."""
        for _ in self.epochs():
            pass

    @property
    def seconds(self) -> float:
        """Of training in all epochs."""
        return sum(scores.seconds for scores in self.history)

    def models(self) -> list[SoftmaxRegression]:
        return self._sgd.models()

    def checkpoint(self, purpose: str) -> Checkpoint:
        return Checkpoint(purpose, self.history, self._sgd.parameters, self._sgd.velocity)

    def resume(self, checkpoint: Checkpoint) -> None:
        """Go on after the epochs that a fit of the same recipes and data has done."""
        self.history = list(checkpoint.history)
        self._sgd.parameters.copy_(checkpoint.parameters)
        self._sgd.velocity.copy_(checkpoint.velocity)

    def _run_epoch(self) -> None:
        """On CUDA an epoch is captured once, as one graph: launching its kernels one by one would take most time."""
        capturable = self._sums.is_cuda and isinstance(self._train, InMemory) and self._processes.count == 1
        if not capturable:
            self._train_once()
        elif self._graph is None:
            self._graph = self._capture()
        else:
            self._graph.replay()

    def _capture(self) -> torch.cuda.CUDAGraph:
        """Train for an epoch while kernels and libraries warm up, then record one without running it."""
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self._train_once()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._train_once()
        return graph

    def _train_once(self) -> None:
        self._sums.zero_()
        rates = iter(self._rates)
        for chunk, targets in self._chunks(self._train):
            parts = [self._processes.part(part) for part in torch.split(targets, self._recipe.batch_size, dim=1)]
            probabilities = [
                self._sgd.step(self._processes.part(self._inputs(pixels)), part, rate, len(pixels))
                for pixels, part, rate in zip(chunk, parts, rates, strict=False)
            ]
            self._sums += sums(torch.cat(probabilities, dim=2), torch.cat(parts, dim=1))

    def _validate(self) -> tuple[list[float] | None, list[float] | None]:
        if not len(self._validation):
            return None, None
        total = torch.zeros_like(self._sums)
        for chunk, targets in self._chunks(self._validation):
            probabilities = [self._sgd.probabilities(self._inputs(pixels)) for pixels in chunk]
            total += sums(torch.cat(probabilities, dim=2), targets)
        loss, accuracy = (total / len(self._validation)).tolist()
        return loss, accuracy

    def _chunks(self, source: Minibatches) -> Iterator[tuple[Sequence[Tensor], Tensor]]:
        """The pixels of some minibatches, uint8 [B, 784] each, and their one-hot targets, float32 [C, n]."""
        for pixels, class_ids in source.chunks():
            yield torch.split(pixels, self._recipe.batch_size), (class_ids == self._classes).to(torch.float32)

    def _inputs(self, pixels: Tensor) -> Tensor:
        """uint8 [B, 784] -> float32 [785, B], valid until the next call.

        One minibatch at a time, so that the products find it in the core's own cache.
        """
        inputs = self._buffer[: len(pixels)]  # its last column stays 1
        inputs[:, :PIXELS].copy_(pixels).div_(255)
        return inputs.t()
