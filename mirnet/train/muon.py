"""Muon: the momentum of a weight matrix is made orthogonal before it is subtracted.

Jordan et al., 2024 (kellerjordan.github.io/posts/muon); the size of an update follows Liu et al.,
"Muon is Scalable for LLM Training", arXiv 2502.16982, section 2.2, so that Adam's learning rates
serve. `torch.optim.Muon` takes matrices only, not the four dimensions of a convolution, and reads
its rate on the CPU, which a captured CUDA graph cannot do.
"""

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


def orthogonalize(matrix: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix of a matrix, approximately.

    Args:
        matrix: Any matrix (rows, columns) of float32.

    Returns:
        A matrix with the same singular vectors and singular values between about 0.7 and 1.2.
    """
    a, b, c = COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


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
            momentum = group["momentum"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                average = state["momentum"].lerp_(weight.grad, 1 - momentum)
                update = orthogonalize(torch.lerp(weight.grad, average, momentum).flatten(1))
                # An orthogonal matrix has entries of 1 / sqrt(longer side) rms, Adam of about 0.2.
                size = 0.2 * max(update.shape) ** 0.5
                weight.sub_(update.view(weight.shape) * (size * group["lr"]))
