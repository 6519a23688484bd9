"""The training loop: one for CPU and CUDA, memory and stream, one process and many, a single fit and a sweep."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from app.classifier.softmax import PIXELS, SoftmaxRegression
from training.data.minibatches import minibatches
from training.data.splits import BLOCK, FileSplit, Split
from training.errors import DivergedError
from training.fitting.graphs import CudaGraphs, Eager, Runner
from training.fitting.processes import ALONE, Processes
from training.fitting.recipes import Recipe, shared
from training.fitting.scores import EpochScores, sums
from training.fitting.sgd import COLUMNS, WHITE, Sgd

__all__ = ["Fits", "State"]

State = tuple[Tensor, Tensor]  # parameters and velocity, float32 [K, C, 785] each


class Fits:
    """Fits softmax regression by each of K recipes at once; they share the minibatches and their order.

    Attributes:
        epochs_done: whole epochs.
        images_seen: training images of the epoch under way.
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
        runner: Runner | None = None,
    ) -> None:
        """Put images and parameters on the device.

        Args:
            recipes: K of them, which may differ in learning rate, schedule, weight decay and the seed of the weights.
            train: N images, in memory or in a file.
            validation: images to measure each epoch on; may be none.
            class_count: C.
            device: where to compute.
            processes: that share each minibatch.
            runner: how kernels are launched; None: as graphs, where that is possible.

        Raises:
            RecipeError: the recipes differ in what they have to share.
        """
        # A larger minibatch is all images; its buffers must not be larger than they are.
        common = shared(recipes)
        self._recipe = replace(common, batch_size=min(common.batch_size, max(1, len(train))))
        self._recipes = recipes
        self._processes = processes
        can_record = device.type == "cuda" and processes.count == 1
        self._runner = runner or (CudaGraphs(device) if can_record else Eager(device))
        self._train = minibatches(train, self._recipe.batch_size, self._recipe.order_seed, device)
        self._validation = minibatches(validation, min(BLOCK, max(1, len(validation))), 0, device)
        self._sgd = Sgd(recipes, class_count, device, processes)
        self._sums = torch.zeros(2, len(recipes), dtype=torch.float64, device=device)  # of losses, correct answers
        self._classes = torch.arange(class_count, device=device)[:, None]
        self._weights = _class_weights(self._recipe, train.class_ids, class_count, device)
        self._steps_per_chunk = self._train.chunk.size // self._recipe.batch_size
        self._rates = torch.zeros(self._steps_per_chunk, len(recipes), 1, 1, device=device)
        self._read_at_once = self._train.chunk.size if self._runner.few_kernels else self._recipe.batch_size
        most = max(self._read_at_once, self._validation.chunk.size)
        self._inputs = torch.full((most, COLUMNS), float(WHITE), device=device)
        self._whole_chunk = self._runner.repeated(
            lambda: self._train_chunk(self._train.chunk.pixels, self._train.chunk.class_ids, self._rates)
        )
        self.epochs_done = 0
        self.images_seen = 0

    def epochs(self) -> Iterator[list[EpochScores]]:
        """Train, one epoch each time that the next scores are asked for; one entry per recipe.

        Raises:
            DivergedError: no recipe's loss is finite any longer.
        """
        if self.epochs_done < self._recipe.epochs:
            self._train.shuffle(self.epochs_done + 1)
        for epoch in range(self.epochs_done + 1, self._recipe.epochs + 1):
            start = time.perf_counter()
            self._train_epoch(epoch)
            if epoch < self._recipe.epochs:
                self._train.shuffle(epoch + 1)  # drawn on the CPU while the device still works
            self._processes.sum(self._sums)
            losses, accuracies = (self._sums / len(self._train)).tolist()
            seconds = time.perf_counter() - start
            if not any(map(math.isfinite, losses)):
                raise DivergedError(
                    f"The loss is not finite in epoch {epoch}: {self._recipe.too_high} is too high for these data; "
                    "nothing was saved. Try a tenth of it."
                )
            measured = zip(losses, accuracies, *self._validate(), strict=True)
            self.epochs_done, self.images_seen = epoch, 0
            yield [EpochScores(epoch, seconds, *scores) for scores in measured]

    def models(self) -> list[SoftmaxRegression]:
        return self._sgd.models()

    @property
    def progress(self) -> float:
        """Epochs, counting a part of the one under way."""
        return self.epochs_done + self.images_seen / max(1, len(self._train))

    def state(self) -> State:
        """Copies of parameters and velocity as they are now."""
        return self._sgd.parameters.clone(), self._sgd.velocity.clone()

    def resume(self, epochs_done: int, parameters: Tensor, velocity: Tensor) -> None:
        """Go on after the epochs that fits of the same recipes and data have done."""
        self.epochs_done = epochs_done
        self._sgd.parameters.copy_(parameters)
        self._sgd.velocity.copy_(velocity)

    def _train_epoch(self, epoch: int) -> None:
        """Take all steps of an epoch; on CUDA they may still be under way when this returns."""
        by_recipe = torch.tensor([recipe.rates(epoch, len(self._train)) for recipe in self._recipes])
        rates = by_recipe.t()[:, :, None, None].to(self._rates.device)  # (steps, K, 1, 1)
        with self._runner.running():
            self._sums.zero_()
            chunks = zip(self._train.chunks(), torch.split(rates, self._steps_per_chunk), strict=True)
            for (pixels, class_ids), chunk_rates in chunks:
                own_rates = self._rates[: len(chunk_rates)].copy_(chunk_rates)
                if len(pixels) == self._train.chunk.size:
                    self._whole_chunk()
                else:
                    self._train_chunk(pixels, class_ids, own_rates)
                self.images_seen += len(pixels)

    def _train_chunk(self, pixels: Tensor, class_ids: Tensor, rates: Tensor) -> None:
        """Take the steps of some minibatches: uint8 [n, 784], int64 [n], float32 [steps, K, 1, 1]."""
        minibatch_ids = torch.split(class_ids, self._recipe.batch_size)
        parts = [self._processes.part(ids) for ids in minibatch_ids]
        own, sizes = torch.cat(parts), [len(ids) for ids in parts]
        targets = torch.split((own == self._classes).to(torch.float32), sizes, dim=1)  # one-hot, (C, B) each
        weights = [None] * len(sizes) if self._weights is None else torch.split(self._weights[own], sizes)
        every_logit, every_probability = [], []
        steps = zip(minibatch_ids, self._minibatches(pixels), targets, weights, rates, strict=True)
        for whole, inputs, one_hot, weight, rate in steps:
            logits, probabilities = self._sgd.step(inputs, one_hot, rate, len(whole), weight)
            every_logit.append(logits)
            every_probability.append(probabilities)
        self._sums += sums(torch.cat(every_logit, dim=2), torch.cat(every_probability, dim=2), own)

    def _minibatches(self, pixels: Tensor) -> Iterator[Tensor]:
        """uint8 [n, 784] -> float32 [785, B] for this process's part of each minibatch, valid until the next."""
        for part in torch.split(pixels, self._read_at_once):
            yield from torch.split(self._as_inputs(self._processes.part(part)), self._recipe.batch_size, dim=1)

    def _as_inputs(self, pixels: Tensor) -> Tensor:
        """uint8 [n, 784] -> float32 [785, n], pixels and a constant 255, valid until the next call."""
        inputs = self._inputs[: len(pixels)]  # its last column stays 255
        inputs[:, :PIXELS].copy_(pixels)
        return inputs.t()

    def _validate(self) -> tuple[list[float] | list[None], list[float] | list[None]]:
        """Loss and accuracy on the validation images by recipe."""
        if not len(self._validation):
            nothing = [None] * len(self._recipes)
            return nothing, nothing
        total = torch.zeros_like(self._sums)
        with self._runner.running():
            for pixels, class_ids in self._validation.chunks():
                logits = self._sgd.logits(self._as_inputs(pixels))
                total += sums(logits, torch.softmax(logits, dim=1), class_ids)
        losses, accuracies = (total / len(self._validation)).tolist()
        return losses, accuracies


def _class_weights(recipe: Recipe, class_ids: Tensor, class_count: int, device: torch.device) -> Tensor | None:
    """float32 [C], N / (C · images of the class): each class counts alike, and an image by 1 on average."""
    if recipe.class_weights is None:
        return None
    counts = torch.bincount(class_ids, minlength=class_count)
    return (len(class_ids) / (class_count * counts.clamp(min=1))).to(torch.float32).to(device)
