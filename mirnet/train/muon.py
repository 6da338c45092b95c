"""Muon: the momentum of a weight matrix is made orthogonal before it is subtracted.

Jordan et al., 2024 (kellerjordan.github.io/posts/muon); the size of an update follows Liu et al.,
"Muon is Scalable for LLM Training", arXiv 2502.16982, section 2.2, so that Adam's learning rates
serve. `torch.optim.Muon` takes matrices only, not the four dimensions of a convolution, and reads
its rate on the CPU, which a captured CUDA graph cannot do.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Jordan's quintic: five iterations bring singular values near 1 without converging to it."""
ITERATIONS = 5
MIN_SIDE = 8
"""Fewest rows and columns of a weight that is treated as a matrix."""


def is_matrix(weight: Tensor) -> bool:
    """Whether Muon updates a weight: a convolution of several filters with several taps each."""
    return weight.ndim == 4 and min(weight.shape[0], weight[0].numel()) >= MIN_SIDE


def orthogonalize(matrices: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix of each matrix, approximately.

    Args:
        matrices: Matrices (number, rows, columns) of float32.

    Returns:
        Matrices with the same singular vectors and singular values between about 0.7 and 1.2.
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(Optimizer):
    """Muon for the weights of convolutions.

    Args:
        parameters: Weights of at least two dimensions; all but the first count as columns.
        lr: Learning rate; a tensor on a GPU, so that a captured step reads it there.
        momentum: Decay of the averaged gradient; Nesterov's form is used.
    """

    def __init__(
        self, parameters: Iterable[Tensor], lr: float | Tensor = 1e-3, momentum: float = 0.95
    ):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Update all weights that have a gradient; `closure` is not called."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape[weight.shape].append(weight)
            for weights in by_shape.values():
                self._update(weights, group["lr"], group["momentum"])

    def _update(self, weights: list[Tensor], rate: float | Tensor, momentum: float) -> None:
        """Update weights of one shape at once: a GPU takes longer to launch small products."""
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(weight)
        averages = [self.state[weight]["momentum"] for weight in weights]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        nesterov = torch._foreach_lerp(gradients, averages, momentum)
        updates = orthogonalize(torch.stack([update.flatten(1) for update in nesterov]))
        # An orthogonal matrix has entries of 1 / sqrt(longer side) rms, Adam of about 0.2.
        updates = updates * (0.2 * max(updates.shape[1:]) ** 0.5 * rate)
        for weight, update in zip(weights, updates, strict=True):
            weight.sub_(update.reshape(weight.shape))
