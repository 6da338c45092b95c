"""One optimizer step: forward, loss, backward, update, average; captured as a graph on GPUs.

Nothing here synchronises with the device: losses are summed in a tensor that is read for reports.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor, nn

from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2

from .batches import Batch
from .config import Optimizer
from .loss import distance, shift_difference, with_shifted
from .muon import Muon, is_matrix
from .validation import Conditioned

WARM_STEPS = 3
"""Steps before a capture, during which libraries select algorithms and allocate memory."""
DEVICE_SETTINGS = ("lr", "fused", "capturable", "foreach")
"""Settings of an optimizer that belong to the machine and are not read from a saved state."""


def _sizes(states: list[dict[str, Any]]) -> list[list[int]]:
    """Number of weights in each group of each optimizer."""
    return [[len(group["params"]) for group in state["param_groups"]] for state in states]


def mix(batch: Batch, alpha: float, generator: Generator) -> Batch:
    """MixUp (Zhang et al., ICLR 2018): blend every pair with another one of the batch.

    Args:
        batch: Pairs; thumbnails stay as they are.
        alpha: Both parameters of the Beta distribution of the weights.
    """
    size, device = len(batch.target), generator.device
    # A Beta variable is the share of one of two Gamma variables (Johnk's relation).
    first, second = torch._standard_gamma(
        torch.full((2, size, 1, 1, 1), alpha, device=device), generator=generator
    )
    weight = first / (first + second)
    order = torch.rand(size, generator=generator, device=device).argsort()
    degraded, target, thumbnails = batch
    return Batch(
        torch.lerp(degraded[order], degraded, weight),
        torch.lerp(target[order], target, weight),
        thumbnails,
    )


@torch.no_grad()
def level_phases(last: nn.Conv2d) -> None:
    """Equalise the response to flat features over all positions of a pixel-shuffle block.

    The response to flat features is the sum of a filter over its taps. Each position's excess over
    the mean is subtracted evenly from its taps: the orthogonal projection onto filters that print
    no mesh on flat areas.

    Args:
        last: The convolution before the pixel shuffle, after which there are three channels;
            changed in place.
    """
    weight = last.weight
    sums = weight.sum((2, 3)).view(3, -1, weight.shape[1])  # (colours, places, features)
    excess = (sums - sums.mean(1, keepdim=True)).reshape(weight.shape[0], weight.shape[1], 1, 1)
    weight -= excess / (weight.shape[2] * weight.shape[3])


def optimizers(
    parameters: list[Tensor], recipe: Optimizer, rate: float | Tensor
) -> list[torch.optim.Optimizer]:
    """The optimizers of a recipe: Adam for all weights, or Muon for matrices and Adam for the rest.

    Args:
        parameters: Weights of the network, on its device.
        rate: Learning rate at the start; a tensor where steps are captured.
    """
    muon = recipe.algorithm == "muon"
    matrices = [weight for weight in parameters if muon and is_matrix(weight)]
    others = [weight for weight in parameters if not (muon and is_matrix(weight))]
    adam = torch.optim.Adam(
        others,
        lr=rate,
        weight_decay=recipe.weight_decay,
        fused=True,
        capturable=parameters[0].device.type == "cuda",
    )
    return [adam, Muon(matrices, lr=rate)] if matrices else [adam]


class Stepper:
    """Takes optimizer steps of a model and keeps the average of its weights.

    Args:
        model: A `Conditioned` network on its device, possibly wrapped for several processes.
        network: The network inside.
        averaged: A `Conditioned` copy of `network`; its parameters become the running average.
        recipe: Settings of loss and optimizer.
        captured: Whether to capture the step as a CUDA graph once its batch shapes are known.
    """

    def __init__(
        self,
        model: nn.Module,
        network: MIRNet | MIRNetV2,
        averaged: Conditioned,
        recipe: Optimizer,
        captured: bool = False,
    ):
        self.model = model
        self.network = network
        self.recipe = recipe
        self.parameters: list[Tensor] = list(model.parameters())
        self.averaged_network = averaged.network
        self.averaged: list[Tensor] = list(averaged.parameters())
        device = self.parameters[0].device
        self.device = device
        self.captured = captured and device.type == "cuda"
        rate: float | Tensor = recipe.learning_rate
        if device.type == "cuda":
            rate = torch.tensor(rate, device=device)  # a captured step reads it from there
        self.optimizers = optimizers(self.parameters, recipe, rate)
        self._loss = torch.zeros((), device=device)
        self._losses = 0
        self._graphs: dict[torch.Size, tuple[Callable[[], None], Batch]] = {}
        self._warm: dict[torch.Size, int] = {}

    def level(self) -> None:
        """Level the phases of the network and of its average, if the recipe requires it."""
        if self.recipe.level_phases:
            for network in (self.network, self.averaged_network):
                level_phases(network.conv_out)

    def step(self, batch: Batch, learning_rate: float) -> None:
        """Take one step on a batch of the model's device."""
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                if isinstance(group["lr"], Tensor):
                    group["lr"].fill_(learning_rate)
                else:
                    group["lr"] = learning_rate
        shape = batch.degraded.shape
        if not self.captured:
            self._work(batch)
        elif shape in self._graphs:
            replay, static = self._graphs[shape]
            for mine, given in zip(static, batch, strict=True):
                mine.copy_(given)
            replay()
        else:
            self._warm_up(batch)
        self._losses += 1
        self._follow()

    def optimizer_states(self) -> list[dict[str, Any]]:
        """The moments of each optimizer, for `load_optimizers`."""
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def load_optimizers(self, states: list[dict[str, Any]]) -> None:
        """Load the moments of saved optimizers.

        Args:
            states: Of `optimizer_states`. Those of another algorithm, whose optimizers have other
                weights, are ignored, as is an empty list: the moments then begin anew.
        """
        own = [optimizer.state_dict() for optimizer in self.optimizers]
        if _sizes(states) != _sizes(own):
            return
        for optimizer, state in zip(self.optimizers, states, strict=True):
            groups = [
                {**saved, **{key: own[key] for key in DEVICE_SETTINGS if key in own}}
                for saved, own in zip(
                    state["param_groups"], optimizer.state_dict()["param_groups"], strict=True
                )
            ]
            optimizer.load_state_dict({**state, "param_groups": groups})

    def mean_loss(self) -> float:
        """Mean loss since the last call; waits for the device.

        Raises:
            FloatingPointError: The loss is not finite; the run has diverged.
        """
        mean = float(self._loss) / max(self._losses, 1)
        self._loss.zero_()
        self._losses = 0
        if not mean < float("inf"):
            raise FloatingPointError(
                f"The loss is {mean}: the run has diverged. Go on from its last state with a lower "
                "learning rate."
            )
        return mean

    def _work(self, batch: Batch) -> None:
        recipe = self.recipe
        degraded, target, thumbnails = with_shifted(batch) if recipe.shift_weight else batch
        degraded = degraded.contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"
        ):
            output, exposed = (result.float() for result in self.model(degraded, thumbnails))
        loss = distance((output.clamp(0, 1) if recipe.clamp_output else output) - target, recipe)
        if recipe.curve_weight:
            loss = loss + recipe.curve_weight * distance(exposed - target, recipe)
        if recipe.shift_weight:
            loss = loss + recipe.shift_weight * distance(shift_difference(output), recipe)
        self._forget_gradients()
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, recipe.clip_norm, foreach=True)
        for optimizer in self.optimizers:
            optimizer.step()
        self._loss += loss.detach()

    def _forget_gradients(self) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)

    def _warm_up(self, batch: Batch) -> None:
        """Take the first steps of a shape uncaptured on a side stream, then capture."""
        shape = batch.degraded.shape
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            self._work(batch)
        torch.cuda.current_stream().wait_stream(side)
        self._warm[shape] = self._warm.get(shape, 0) + 1
        if self._warm[shape] < WARM_STEPS:
            return
        static = Batch(*(tensor.clone() for tensor in batch))
        graph = torch.cuda.CUDAGraph()
        self._forget_gradients()
        with torch.cuda.graph(graph):
            self._work(static)
        self._graphs[shape] = graph.replay, static

    @torch.no_grad()
    def _follow(self) -> None:
        """Update the averaged weights, and level phases if the recipe requires it."""
        if self.recipe.level_phases:
            level_phases(self.network.conv_out)
        torch._foreach_lerp_(self.averaged, self.parameters, 1 - self.recipe.ema)
