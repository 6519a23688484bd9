"""K softmax regressions trained side by side, by minibatch SGD with a hand-written gradient.

A model's weight and bias are one matrix [C, 785]: every input carries a constant behind its 784 pixels, which the bias
multiplies. The K matrices lie below each other, so that one product gives the logits of all K, and one more gives all K
gradients. A single fit is K = 1.

Inputs are 255 times those of the model: pixels stay 0 to 255, and the constant is 255. Both products divide what they
find by 255, which is a hundredth of the numbers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from app.classifier.softmax import PIXELS, SoftmaxRegression
from training.fitting.processes import ALONE, Processes
from training.fitting.recipes import Recipe, shared
from training.seeds import random_stream

__all__ = ["COLUMNS", "WHITE", "Sgd"]

COLUMNS = PIXELS + 1
WHITE = 255  # of a pixel that the model sees as 1
_INITIAL_DEVIATION = 0.01  # of the weights, as in "Dive into Deep Learning", section 4.4


class Sgd:
    """The state of K runs and the one step that advances them all.

    Attributes:
        parameters: float32 [K, C, 785], the weights and, in the last column, the biases.
        velocity: float32 [K, C, 785], the momentum buffer.
    """

    def __init__(
        self, recipes: Sequence[Recipe], class_count: int, device: torch.device, processes: Processes = ALONE
    ) -> None:
        """`recipes` may differ in learning rate, weight decay and seed."""
        shape = (len(recipes), class_count, COLUMNS)
        self.parameters = torch.zeros(shape, device=device)
        self.velocity = torch.zeros(shape, device=device)
        self._rows, self._velocity_rows = self.parameters.flatten(0, 1), self.velocity.flatten(0, 1)  # [K·C, 785]
        self._nothing = torch.zeros((), device=device)
        self._processes = processes
        # The sum over all processes is to have the old velocity once.
        self._kept = shared(recipes).momentum if processes.leads else 0.0
        self._weight_decay = torch.tensor([recipe.weight_decay for recipe in recipes], device=device)[:, None, None]
        for run, recipe in zip(self.parameters, recipes, strict=True):
            generator = random_stream(recipe.seed, 0, torch.device("cpu"))
            run[:, :PIXELS] = torch.randn(class_count, PIXELS, generator=generator) * _INITIAL_DEVIATION

    def logits(self, inputs: Tensor) -> Tensor:
        """float32 [785, B], as for `step` -> float32 [K, C, B]."""
        products = torch.addmm(self._nothing, self._rows, inputs, beta=0, alpha=1 / WHITE)
        return products.view(*self.parameters.shape[:2], -1)

    def step(
        self, inputs: Tensor, targets: Tensor, rate: Tensor, batch_size: int, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Take one step down the mean cross-entropy of a minibatch, of which this process holds a part.

        The gradient by the logits is softmax(o) - y ("Dive into Deep Learning", equation 4.1.9); momentum and weight
        decay act as in `torch.optim.SGD`.

        Args:
            inputs: float32 [785, B], one column per image of the part: pixels, 0 to 255, and 255.
            targets: float32 [C, B], one-hot.
            rate: float32 [K, 1, 1], the learning rates.
            batch_size: of the whole minibatch, over all processes.
            weights: float32 [B], by which each image's loss counts; None: all count alike.

        Returns:
            The logits and the probabilities before the step, float32 [K, C, B] each.
        """
        logits = self.logits(inputs)
        probabilities = torch.softmax(logits, dim=1)
        errors = probabilities - targets
        if weights is not None:
            errors *= weights
        mean = 1 / (WHITE * batch_size)
        self._velocity_rows.addmm_(errors.flatten(0, 1), inputs.t(), beta=self._kept, alpha=mean)
        self._processes.sum(self.velocity)
        self.velocity.addcmul_(self.parameters, self._weight_decay)
        self.parameters.addcmul_(self.velocity, rate, value=-1)
        return logits, probabilities

    def models(self) -> list[SoftmaxRegression]:
        """The K models as they are now, on the CPU."""
        return [
            SoftmaxRegression(run[:, :PIXELS].contiguous(), run[:, PIXELS].clone()) for run in self.parameters.cpu()
        ]
