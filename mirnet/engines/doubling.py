"""A map and its coarser neighbour, doubled, added up in one loop over pixels (see `native.py`)."""

from typing import Any

import torch
from torch import Tensor

from .. import layers
from .native import Function, Native, native


class Doubling(Function):
    """`fine * own + upsample(coarse) * others`, written over `fine`."""

    name = "doubling"
    integers = (
        "fine",  # a (2H, 2W, C) map, channels adjacent
        "fine_row",  # from a row to the next
        "fine_pixel",  # from a pixel to the next
        "coarse",  # a (H, W, C) map, channels adjacent
        "coarse_row",
        "coarse_pixel",
        "height",
        "width",
        "channels",
        "own",  # a factor for each channel
        "others",  # the same
    )

    def write(self) -> None:
        """See `Function.write`."""
        self.fine, self.coarse = self.address("fine"), self.address("coarse")
        self.own, self.others = self.address("own"), self.address("others")
        self.loop(*self.share(self.told["height"]), 1, self._row)

    def _row(self, y: Any) -> None:
        rows = self._neighbours(y, "height", "coarse_row")

        def pixel(x: Any) -> None:
            columns = self._neighbours(x, "width", "coarse_pixel")
            nine = [[self.b.add(row, column) for column in columns] for row in rows]
            two = self.integer(2)
            top = self.b.mul(self.b.mul(y, two), self.told["fine_row"])
            left = self.b.mul(self.b.mul(x, two), self.told["fine_pixel"])
            self._channels(nine, self.b.add(top, left))

        self.loop(self.integer(0), self.told["width"], 1, pixel)

    def _neighbours(self, at: Any, limit: str, step: str) -> list[Any]:
        """How far the pixels before, at and after a place are, as far as there are any."""
        b = self.b
        last, none = b.sub(self.told[limit], self.integer(1)), self.integer(0)
        before = b.select(b.icmp_signed(">", at, none), b.sub(at, self.integer(1)), none)
        after = b.select(b.icmp_signed("<", at, last), b.add(at, self.integer(1)), last)
        return [b.mul(one, self.told[step]) for one in (before, at, after)]

    def _channels(self, nine: list[list[Any]], corner: Any) -> None:
        """The four fine pixels of a coarse one; what fills no vector is done in shorter ones."""
        start, longest = self.integer(0), self.lanes
        for lanes in sorted({longest, min(longest, 4), 1}, reverse=True):
            self.lanes = lanes
            whole = self.integer(lanes)
            stop = self.b.mul(self.b.sdiv(self.told["channels"], whole), whole)
            self.loop(start, stop, lanes, lambda channel: self._four(nine, corner, channel))
            start = stop
        self.lanes = longest

    def _four(self, nine: list[list[Any]], corner: Any, channel: Any) -> None:
        b = self.b
        own, others = self.load(self.own, channel), self.load(self.others, channel)
        seen = [
            [self.load(self.coarse, b.add(place, channel)) for place in places] for places in nine
        ]
        for down in (0, 1):
            # A quarter is the neighbour's: the upper one's, the lower one's; then left and right.
            near = [self._quarter(*pair) for pair in zip(seen[1], seen[2 * down], strict=True)]
            for right in (0, 1):
                doubled = self._quarter(near[1], near[2 * right])
                place = b.add(b.add(corner, channel), self._fine_step(down, right))
                fine = self.load(self.fine, place)
                made = self.plus(doubled, others, b.fmul(fine, own))
                self.store(made, self.fine, place)

    def _fine_step(self, down: int, right: int) -> Any:
        row, pixel = self.told["fine_row"], self.told["fine_pixel"]
        return self.b.add(
            self.b.mul(row, self.integer(down)), self.b.mul(pixel, self.integer(right))
        )

    def _quarter(self, value: Any, neighbour: Any) -> Any:
        return self.plus(0.25, neighbour, self.b.fmul(self.number(0.75), value))


def doubling() -> Native | None:
    """The function, compiled for this machine; None where that cannot be."""
    return native(Doubling)


def join(fine: Tensor, own: Tensor | None, coarse: Tensor, others: Tensor | None) -> Tensor:
    """See `layers.join`, which does it where this cannot."""
    compiled = doubling()
    last = torch.channels_last
    if compiled is None or not fine.is_contiguous(memory_format=last):
        return layers.join(fine, own, coarse, others)
    coarse = coarse.contiguous(memory_format=last)
    pictures, channels, height, width = coarse.shape
    own, others = (
        (fine.new_ones(1, channels) if factor is None else factor.flatten(1).contiguous())
        for factor in (own, others)
    )
    for number in range(pictures):
        one, other = fine[number], coarse[number]
        compiled(
            Doubling,
            *(one.data_ptr(), one.stride(1), one.stride(2)),
            *(other.data_ptr(), other.stride(1), other.stride(2), height, width, channels),
            *(factor[number % len(factor)].data_ptr() for factor in (own, others)),
        )
    return fine
