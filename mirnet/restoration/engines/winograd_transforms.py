"""Winograd's two transforms, each in one loop over patches (see `native.py`).

PyTorch has no operation that takes patches from a map, or puts them back, and transforms them on
the way: with several operations, most of a convolution's time goes into intermediate maps. Here
the 36 values of a patch never leave the registers. The formulas are those of F(4x4, 3x3) in
`winograd.py`, with repeated sums computed once.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .native import Function, Native, native


class _Transform(Function):
    """The loop over patches and channels that both transforms share."""

    side = 0
    """Side of a patch of the picture, in pixels; patches are 4 apart."""
    integers = (
        "picture",  # a (H, W, G * C) map, channels adjacent
        "row",  # distance from a row to the next
        "pixel",  # distance from a pixel to the next
        "height",
        "width",
        "domain",  # (G, 36, patches, C)
        "group",  # distance from a group to the next
        "place",  # distance from one of the 36 places to the next
        "groups",
        "channels",  # of one group, at least as many as a vector has
        "across",  # patches in a row of the map
        "first",  # number of the map's patch that is the first of the domain
        "count",  # number of patches
    )

    def write(self) -> None:
        """See `Function.write`."""
        b, arguments = self.b, self.arguments
        self.picture, self.domain = self.address("picture"), self.address("domain")
        # Takes the place of pixels beyond the picture: reads give zeros, writes are never read.
        channels = b.mul(arguments["groups"], arguments["channels"])
        self.beyond = b.alloca(self.float32, size=channels)
        self.pixels = b.alloca(self.float32.as_pointer(), size=self.integer(self.side * self.side))
        zero = self.ir.Constant(self.float32, 0.0)
        self.loop(self.integer(0), channels, 1, lambda k: b.store(zero, b.gep(self.beyond, [k])))
        self.loop(*self.share(arguments["count"]), 1, self._patch)

    def _patch(self, patch: Any) -> None:
        """Write the body for one patch, all channels."""
        b, arguments = self.b, self.arguments
        self._find_pixels(b.add(patch, arguments["first"]))
        start = b.mul(patch, arguments["channels"])
        last = b.sub(arguments["channels"], self.integer(self.lanes))

        def group(number: Any) -> None:
            domain = b.gep(self.domain, [b.add(start, b.mul(number, arguments["group"]))])
            before = b.mul(number, arguments["channels"])

            def channels(wanted: Any) -> None:
                # The last vector reaches back over the one before it rather than too far.
                own = b.select(b.icmp_signed("<", wanted, last), wanted, last)
                self.transform(b.gep(domain, [own]), b.add(before, own))

            self.loop(self.integer(0), arguments["channels"], self.lanes, channels)

        self.loop(self.integer(0), arguments["groups"], 1, group)

    def _find_pixels(self, patch: Any) -> None:
        """Store the addresses of a patch's pixels, row by row."""
        b, arguments = self.b, self.arguments
        border = (self.side - 4) // 2
        # Unsigned: what lies before the first row or column counts as far beyond the last.
        corner = [
            b.sub(b.mul(fours, self.integer(4)), self.integer(border))
            for fours in (b.sdiv(patch, arguments["across"]), b.srem(patch, arguments["across"]))
        ]
        rows, columns = (
            [
                (b.mul(at, arguments[step]), b.icmp_unsigned("<", at, arguments[limit]))
                for at in (b.add(first, self.integer(n)) for n in range(self.side))
            ]
            for first, step, limit in zip(
                corner, ("row", "pixel"), ("height", "width"), strict=True
            )
        )
        places = [(b.add(y, x), b.and_(high, wide)) for y, high in rows for x, wide in columns]
        for number, (place, inside) in enumerate(places):
            own = b.select(inside, b.gep(self.picture, [place]), self.beyond)
            b.store(own, b.gep(self.pixels, [self.integer(number)]))

    def pixel(self, number: int) -> Any:
        """Address of a pixel of the patch."""
        return self.b.load(self.b.gep(self.pixels, [self.integer(number)]))

    def place(self, number: int) -> Any:
        """Distance of a place of the domain from its first, in floats."""
        return self.b.mul(self.arguments["place"], self.integer(number))

    def transform(self, domain: Any, channel: Any) -> None:
        """Transform as many channels of a patch as a vector has lanes."""
        raise NotImplementedError


class ToDomain(_Transform):
    """Transforms patches of 6x6 pixels, 4 apart, to the domain; zeros surround the picture."""

    name = "to_domain"
    side = 6

    def transform(self, domain: Any, channel: Any) -> None:
        """See `_Transform.transform`."""
        columns = [
            self._one([self.load(self.pixel(6 * row + n), channel) for row in range(6)])
            for n in range(6)
        ]
        for row in range(6):
            for n, value in enumerate(self._one([column[row] for column in columns])):
                self.store(value, domain, self.place(6 * row + n))

    def _one(self, d: Sequence[Any]) -> list[Any]:
        """Transform one dimension, 6 values to 6, by the matrix `winograd._INPUT`."""
        b = self.b
        even, odd = self.plus(-4, d[2], d[4]), self.plus(-4, d[1], d[3])
        wide, slant = b.fsub(d[4], d[2]), b.fmul(self.number(2), b.fsub(d[3], d[1]))
        return [
            self.plus(4, d[0], self.plus(-5, d[2], d[4])),
            b.fadd(even, odd),
            b.fsub(even, odd),
            b.fadd(wide, slant),
            b.fsub(wide, slant),
            self.plus(4, d[1], self.plus(-5, d[3], d[5])),
        ]


class FromDomain(_Transform):
    """Transforms the domain to patches of 4x4 pixels inside the picture, then a leaky ReLU."""

    name = "from_domain"
    side = 4
    floats = ("slope",)

    def write(self) -> None:
        """See `Function.write`."""
        self.slope = self.broadcast(self.arguments["slope"])
        super().write()

    def transform(self, domain: Any, channel: Any) -> None:
        """See `_Transform.transform`."""
        b = self.b
        columns = [
            self._one([self.load(domain, self.place(6 * row + n)) for row in range(6)])
            for n in range(6)
        ]
        for row in range(4):
            for n, value in enumerate(self._one([column[row] for column in columns])):
                positive = b.fcmp_ordered(">", value, self.number(0))
                leaked = b.select(positive, value, b.fmul(value, self.slope))
                self.store(leaked, self.pixel(4 * row + n), channel)

    def _one(self, m: Sequence[Any]) -> list[Any]:
        """Transform one dimension, 6 values to 4, by the matrix `winograd._OUTPUT`."""
        b = self.b
        sums, slant = b.fadd(m[1], m[2]), b.fsub(m[1], m[2])
        wide, steep = b.fadd(m[3], m[4]), b.fsub(m[3], m[4])
        return [
            b.fadd(m[0], b.fadd(sums, wide)),
            self.plus(2, steep, slant),
            self.plus(4, wide, sums),
            b.fadd(self.plus(8, steep, slant), m[5]),
        ]


class Transforms:
    """Both transforms, compiled, as functions of tensors.

    Args:
        compiled: `ToDomain` and `FromDomain`.
    """

    def __init__(self, compiled: Native):
        self._compiled = compiled
        self.lanes = compiled.lanes
        """The fewest channels that a group may have."""

    def to_domain(self, picture: Tensor, domain: Tensor, first: int, count: int) -> None:
        """Transform patches of a picture to the domain.

        Args:
            picture: (H, W, G * C) float32, channels adjacent in memory.
            domain: (G, 36, at least `count`, C) float32, contiguous; written.
            first: Number of the first patch, in rows from the top left; a row has ceil(W / 4).
        """
        self._run(ToDomain, picture, domain, first, count)

    def from_domain(
        self, domain: Tensor, picture: Tensor, first: int, count: int, slope: float
    ) -> None:
        """Transform patches back to pixels, and multiply values below zero by `slope`.

        Args:
            picture: (H, W, G * C) float32, channels adjacent in memory; written.
            slope: 1 leaves values as they are.
        """
        self._run(FromDomain, picture, domain, first, count, slope)

    def _run(
        self,
        kind: type[_Transform],
        picture: Tensor,
        domain: Tensor,
        first: int,
        count: int,
        *floats: float,
    ) -> None:
        height, width, _ = picture.shape
        groups, _, _, channels = domain.shape
        self._compiled(
            kind,
            *(picture.data_ptr(), picture.stride(0), picture.stride(1), height, width),
            *(domain.data_ptr(), domain.stride(0), domain.stride(1), groups, channels),
            *(-(-width // 4), first, count),
            *floats,
        )


def transforms() -> Transforms | None:
    """Both transforms, compiled for this machine; None where that is impossible."""
    compiled = native(ToDomain, FromDomain)
    return None if compiled is None else Transforms(compiled)
