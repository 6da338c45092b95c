"""Halving and doubling of feature maps, each in one loop over pixels (see `native.py`).

PyTorch on a CPU spends half of the time for this on padded, doubled and weighted maps that are
written only to be read once.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mirnet.models.blocks import BlurPool

from .fused import Join
from .native import Function, Native, check, native


class _Resizing(Function):
    """The loop over pixels and channels that halving and doubling share."""

    integers: tuple[str, ...] = (
        "fine",  # the larger map, (H, W, C), channels adjacent
        "fine_row",  # distance from a row to the next
        "fine_pixel",  # distance from a pixel to the next
        "fine_height",
        "fine_width",
        "coarse",  # the smaller map, (H / 2, W / 2, C)
        "coarse_row",
        "coarse_pixel",
        "coarse_height",
        "coarse_width",
        "channels",
    )

    def write(self) -> None:
        """See `Function.write`."""
        self.fine, self.coarse = self.address("fine"), self.address("coarse")

        def row(y: Any) -> None:
            rows = self.near(y, "height", "row")
            fine = self.b.mul(self.doubled(y), self.arguments["fine_row"])
            coarse = self.b.mul(y, self.arguments["coarse_row"])

            def pixel(x: Any) -> None:
                columns = self.near(x, "width", "pixel")
                places = [[self.b.add(one, other) for other in columns] for one in rows]
                fine_pixel = self.b.mul(self.doubled(x), self.arguments["fine_pixel"])
                own = self.b.add(coarse, self.b.mul(x, self.arguments["coarse_pixel"]))
                corner = self.b.add(fine, fine_pixel)
                self._channels(lambda channel: self.pixel(places, corner, own, channel))

            self.loop(self.integer(0), self.arguments["coarse_width"], 1, pixel)

        self.loop(*self.share(self.arguments["coarse_height"]), 1, row)

    def _channels(self, body: Callable[[Any], None]) -> None:
        """Write `body` for all channels, with shorter vectors for a remainder."""
        start, longest = self.integer(0), self.lanes
        for lanes in sorted({longest, min(longest, 4), 1}, reverse=True):
            self.lanes = lanes
            whole = self.integer(lanes)
            stop = self.b.mul(self.b.sdiv(self.arguments["channels"], whole), whole)
            self.loop(start, stop, lanes, body)
            start = stop
        self.lanes = longest

    def doubled(self, value: Any) -> Any:
        """Double an integer."""
        return self.b.mul(value, self.integer(2))

    def near(self, at: Any, side: str, step: str) -> list[Any]:
        """Distances of the three rows or columns that belong to a coarse pixel, in floats."""
        raise NotImplementedError

    def pixel(self, places: list[list[Any]], corner: Any, own: Any, channel: Any) -> None:
        """Write the body for one coarse pixel; distances are in floats.

        Args:
            places: Distances of the 3x3 pixels around it.
            corner: Distance of the first of its four fine pixels.
            channel: First channel of the vector.
        """
        raise NotImplementedError


class Halving(_Resizing):
    """`BlurPool`: [1 2 1] x [1 2 1] / 16 at every other pixel, borders reflected."""

    name = "halving"

    def near(self, at: Any, side: str, step: str) -> list[Any]:
        """See `_Resizing.near`."""
        b, one = self.b, self.integer(1)
        middle, end = self.doubled(at), self.arguments[f"fine_{side}"]
        inside = b.icmp_signed(">", middle, self.integer(0))
        before = b.select(inside, b.sub(middle, one), one)
        after = b.add(middle, one)
        after = b.select(b.icmp_signed("<", after, end), after, b.sub(end, self.integer(2)))
        return [b.mul(place, self.arguments[f"fine_{step}"]) for place in (before, middle, after)]

    def pixel(self, places: list[list[Any]], corner: Any, own: Any, channel: Any) -> None:
        """See `_Resizing.pixel`."""
        rows = [
            self._weighted([self.load(self.fine, self.b.add(place, channel)) for place in row])
            for row in places
        ]
        halved = self.b.fmul(self._weighted(rows), self.number(1 / 16))
        self.store(halved, self.coarse, self.b.add(own, channel))

    def _weighted(self, three: list[Any]) -> Any:
        return self.plus(2, three[1], self.b.fadd(three[0], three[2]))


class Doubling(_Resizing):
    """`Join`: `fine * fine_weight + upsample(coarse) * coarse_weight`, written over `fine`."""

    name = "doubling"
    integers = (
        *_Resizing.integers,
        "fine_weight",  # (C,) factors of the fine map
        "coarse_weight",  # (C,) factors of the coarse map
    )

    def near(self, at: Any, side: str, step: str) -> list[Any]:
        """See `_Resizing.near`: the last row is repeated beyond the border."""
        b, none = self.b, self.integer(0)
        last = b.sub(self.arguments[f"coarse_{side}"], self.integer(1))
        before = b.select(b.icmp_signed(">", at, none), b.sub(at, self.integer(1)), none)
        after = b.select(b.icmp_signed("<", at, last), b.add(at, self.integer(1)), last)
        return [b.mul(place, self.arguments[f"coarse_{step}"]) for place in (before, at, after)]

    def pixel(self, places: list[list[Any]], corner: Any, own: Any, channel: Any) -> None:
        """See `_Resizing.pixel`."""
        b = self.b
        factor, other = (
            self.load(self.address(name), channel) for name in ("fine_weight", "coarse_weight")
        )
        seen = [[self.load(self.coarse, b.add(place, channel)) for place in row] for row in places]
        for down in (0, 1):
            # A quarter comes from the neighbour: upper or lower, then left or right.
            near = [self._quarter(*pair) for pair in zip(seen[1], seen[2 * down], strict=True)]
            for right in (0, 1):
                doubled = self._quarter(near[1], near[2 * right])
                steps = b.add(
                    b.mul(self.arguments["fine_row"], self.integer(down)),
                    b.mul(self.arguments["fine_pixel"], self.integer(right)),
                )
                place = b.add(b.add(corner, channel), steps)
                fine = self.load(self.fine, place)
                self.store(self.plus(doubled, other, b.fmul(fine, factor)), self.fine, place)

    def _quarter(self, value: Any, neighbour: Any) -> Any:
        return self.plus(0.25, neighbour, self.b.fmul(self.number(0.75), value))


def resizing() -> Native | None:
    """Both functions, compiled for this machine; None where that is impossible."""
    return native(Halving, Doubling)


def _run(
    compiled: Native, kind: type[_Resizing], fine: Tensor, coarse: Tensor, *more: Tensor
) -> None:
    """Run a function on maps (C, H, W), channels last in memory."""
    values = [
        value
        for one in (fine, coarse)
        for value in (one.data_ptr(), one.stride(1), one.stride(2), *one.shape[1:])
    ]
    compiled(kind, *values, len(fine), *(factor.data_ptr() for factor in more))


class CompiledJoin(Join):
    """`Join` in one loop over pixels; `Join` itself where nothing can be compiled."""

    def forward(
        self,
        fine: Tensor,
        fine_weight: Tensor | None,
        coarse: Tensor,
        coarse_weight: Tensor | None,
    ) -> Tensor:
        """See `Join.forward`.

        Raises:
            ValueError: Shapes, types or layouts do not fit.
        """
        compiled, last = resizing(), torch.channels_last
        if compiled is None or not fine.is_contiguous(memory_format=last):
            return super().forward(fine, fine_weight, coarse, coarse_weight)
        pictures, channels, height, width = coarse.shape
        if fine.shape != (pictures, channels, 2 * height, 2 * width):
            raise ValueError(f"{tuple(coarse.shape)} doubled is not {tuple(fine.shape)}")
        coarse = coarse.contiguous(memory_format=last)
        check(fine, coarse)
        factors = [
            (fine.new_ones(1, fine.shape[1]) if factor is None else factor.flatten(1).contiguous())
            for factor in (fine_weight, coarse_weight)
        ]
        for number, (one, other) in enumerate(zip(fine, coarse, strict=True)):
            _run(compiled, Doubling, one, other, *(f[number % len(f)] for f in factors))
        return fine


class CompiledBlurPool(nn.Module):
    """`BlurPool` in one loop over pixels, for inference.

    Args:
        module: The block to replace; computes if nothing can be compiled.
    """

    def __init__(self, module: BlurPool):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, ceil(H / 2), ceil(W / 2)), channels last in memory."""
        compiled, last = resizing(), torch.channels_last
        pictures, channels, height, width = x.shape
        if compiled is None or min(height, width) < 2:
            return self.module(x)
        x = x.contiguous(memory_format=last)
        check(x)
        half = (height + 1) // 2, (width + 1) // 2
        out = torch.empty(pictures, channels, *half, memory_format=last)
        for one, other in zip(x, out, strict=True):
            _run(compiled, Halving, one, other)
        return out
