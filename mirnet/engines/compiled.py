"""Winograd's two transforms, compiled for this machine's processor.

PyTorch has no operation that takes patches from a map, or puts them back, and transforms them on
the way: made of several, most of a convolution's time goes into writing and reading what lies
between. Here each is one loop over patches whose 36 values stay in vector registers, written with
LLVM's own instructions (`llvmlite`, the compiler inside Numba) and run by the threads that PyTorch
has already (GNU's OpenMP). Where any of that is missing, `transforms` says so by None, and
`winograd.py` goes on without.

The formulas are those of F(4x4, 3x3) in `winograd.py`, with sums that occur twice taken once.
"""

import contextlib
import ctypes
import functools
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

_FIELDS = (
    "picture",  # address of a (H, W, G * C) float32 map, channels adjacent
    "row",  # floats from a row to the next
    "pixel",  # floats from a pixel to the next
    "height",
    "width",
    "domain",  # address of (G, 36, patches, C) float32
    "group",  # floats from a group to the next
    "place",  # floats from one of the 36 places to the next
    "groups",
    "channels",  # of one group, at least as many as a vector has
    "across",  # patches in a row of the map
    "first",  # patch of the map that is the first of the domain
    "count",  # patches
)


class _Task(ctypes.Structure):
    """What a compiled function is told."""

    _fields_ = [*((name, ctypes.c_int64) for name in _FIELDS), ("slope", ctypes.c_float)]


class Transforms(NamedTuple):
    """Both transforms, compiled."""

    lanes: int
    """Floats in a vector: the fewest channels of a group."""
    run: Callable[[int, ctypes.Structure, int], None]
    """Runs one of the addresses below with a task and a number of threads."""
    into: int
    """Patches of 6x6 pixels, 4 apart, to the domain. Zeros lie around the picture."""
    back: int
    """Places of the domain to 4x4 pixels, as far as they are inside; a leaky ReLU follows."""

    def to_domain(self, picture: Tensor, domain: Tensor, first: int, count: int) -> None:
        """Bring patches of a picture to the domain.

        Args:
            picture: (H, W, G * C) float32, channels adjacent in memory.
            domain: (G, 36, at least `count`, C) float32, contiguous; written.
            first: Number of the first patch, in rows from the top left; a row has ceil(W / 4).
            count: How many.
        """
        self._call(self.into, picture, domain, first, count, 1.0)

    def from_domain(
        self, domain: Tensor, picture: Tensor, first: int, count: int, slope: float
    ) -> None:
        """Bring patches back; what is below zero is multiplied by `slope` on the way.

        Args:
            domain: See `to_domain`.
            picture: (H, W, G * C) float32, channels adjacent in memory; written.
            first: See `to_domain`.
            count: See `to_domain`.
            slope: 1 leaves values as they are.
        """
        self._call(self.back, picture, domain, first, count, slope)

    def _call(
        self, function: int, picture: Tensor, domain: Tensor, first: int, count: int, slope: float
    ) -> None:
        height, width, _ = picture.shape
        groups, _, _, channels = domain.shape
        row, pixel, _ = picture.stride()
        group, place, _, _ = domain.stride()
        addresses = picture.data_ptr(), domain.data_ptr()
        task = _Task(
            *(addresses[0], row, pixel, height, width),
            *(addresses[1], group, place, groups, channels),
            *(-(-width // 4), first, count, slope),
        )
        self.run(function, task, torch.get_num_threads())


@functools.cache
def transforms() -> Transforms | None:
    """The compiled transforms, or None where they cannot be had.

    They need PyTorch's copy of GNU's OpenMP (Linux), `llvmlite`, and the right to make memory
    executable. They are tried once, on numbers, before anybody gets them.
    """
    with contextlib.suppress(ImportError, StopIteration):  # nothing to warn of: not this system
        import llvmlite.binding as llvm  # noqa: F401

        library = next((Path(torch.__file__).parent / "lib").glob("libgomp*"))
        try:
            return _compile(library)
        except Exception as error:  # an engine without them is slower, and as exact
            reason = str(error).partition("\n")[0]
            warnings.warn(f"Winograd's transforms cannot be compiled: {reason}", stacklevel=2)
    return None


def _compile(openmp: Path) -> Transforms:
    from llvmlite import binding as llvm

    threads = ctypes.CDLL(str(openmp))
    for name in ("omp_get_thread_num", "omp_get_num_threads"):
        llvm.add_symbol(name, ctypes.cast(getattr(threads, name), ctypes.c_void_p).value)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    lanes = 16 if features.get("avx512f") else 8 if features.get("avx2") else 4
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=f"{features.flatten()},-prefer-256-bit",
        opt=3,
    )
    module = llvm.parse_assembly(_written(lanes))
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(3))
    builder.getModulePassManager().run(module, builder)
    code = llvm.create_mcjit_compiler(module, machine)
    code.finalize_object()

    parallel = threads.GOMP_parallel
    parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
    parallel.restype = None

    def run(function: int, task: ctypes.Structure, many: int, code: Any = code) -> None:
        parallel(function, ctypes.byref(task), many, 0)  # `code` lives as long as this does

    return Transforms(
        lanes, run, code.get_function_address("into"), code.get_function_address("back")
    )


def _written(lanes: int) -> str:
    """The program: functions `into` and `back`, which take the address of a `_Task`.

    Args:
        lanes: Floats in a vector.
    """
    from llvmlite import ir

    module = ir.Module()
    for name, side in (("into", 6), ("back", 4)):
        _Function(module, name, side, lanes)
    return str(module)


class _Function:
    """Writes one function: the picture's side of a patch has `side` x `side` pixels."""

    def __init__(self, module: Any, name: str, side: int, lanes: int):
        from llvmlite import ir

        self.ir, self.side, self.lanes = ir, side, lanes
        self.whole, self.float = ir.IntType(64), ir.FloatType()
        self.vector = ir.VectorType(self.float, lanes)
        task = ir.LiteralStructType([self.whole] * len(_FIELDS) + [self.float])
        kind = ir.FunctionType(ir.VoidType(), [task.as_pointer()])
        function = ir.Function(module, kind, name)
        self.b = b = ir.IRBuilder(function.append_basic_block())

        def told(number: int) -> Any:
            place = [self.integer(0), ir.Constant(ir.IntType(32), number)]
            return b.load(b.gep(function.args[0], place))

        self.told = {field: told(number) for number, field in enumerate(_FIELDS)}
        self.slope = self.everywhere(told(len(_FIELDS)))
        floats = self.float.as_pointer()
        self.picture = b.inttoptr(self.told["picture"], floats)
        self.domain = b.inttoptr(self.told["domain"], floats)
        # Stands in for pixels beyond the picture: zeros to read, nothing anybody reads to write.
        channels = b.mul(self.told["groups"], self.told["channels"])
        self.beyond = b.alloca(self.float, size=channels)
        self.pixels = b.alloca(floats, size=self.integer(side * side))
        self.loop(self.integer(0), channels, 1, self.clear)
        thread, threads = (
            self.from_openmp(module, f"omp_get_{x}") for x in ("thread_num", "num_threads")
        )
        start, stop = (
            b.sdiv(b.mul(self.told["count"], share), threads)
            for share in (thread, b.add(thread, self.integer(1)))
        )
        transform = self.into if name == "into" else self.back
        self.loop(start, stop, 1, lambda patch: self.patch(patch, transform))
        b.ret_void()

    def integer(self, value: int) -> Any:
        return self.ir.Constant(self.whole, value)

    def number(self, value: float) -> Any:
        return self.ir.Constant(self.vector, [self.ir.Constant(self.float, value)] * self.lanes)

    def everywhere(self, value: Any) -> Any:
        """A number in every lane."""
        none = self.ir.Constant(self.vector, self.ir.Undefined)
        i32 = self.ir.IntType(32)
        one = self.b.insert_element(none, value, self.ir.Constant(i32, 0))
        order = self.ir.Constant(self.ir.VectorType(i32, self.lanes), [0] * self.lanes)
        return self.b.shuffle_vector(one, none, order)

    def from_openmp(self, module: Any, name: str) -> Any:
        known = module.globals.get(name)
        kind = self.ir.FunctionType(self.ir.IntType(32), [])
        function = known or self.ir.Function(module, kind, name)
        return self.b.sext(self.b.call(function, []), self.whole)

    def loop(self, start: Any, stop: Any, step: int, body: Callable[[Any], None]) -> None:
        """`for (number = start; number < stop; number += step)`."""
        b = self.b
        before = b.block
        head, inside, after = (b.append_basic_block() for _ in range(3))
        b.branch(head)
        b.position_at_end(head)
        number = b.phi(self.whole)
        number.add_incoming(start, before)
        b.cbranch(b.icmp_signed("<", number, stop), inside, after)
        b.position_at_end(inside)
        body(number)
        following = b.add(number, self.integer(step))
        number.add_incoming(following, b.block)
        b.branch(head)
        b.position_at_end(after)

    def clear(self, channel: Any) -> None:
        self.b.store(self.ir.Constant(self.float, 0.0), self.b.gep(self.beyond, [channel]))

    def patch(self, patch: Any, transform: Callable[[Any, Any], None]) -> None:
        """One patch, all channels."""
        b, told = self.b, self.told
        self.find_pixels(b.add(patch, told["first"]))
        start = b.mul(patch, told["channels"])
        last = b.sub(told["channels"], self.integer(self.lanes))

        def group(number: Any) -> None:
            domain = b.gep(self.domain, [b.add(start, b.mul(number, told["group"]))])
            before = b.mul(number, told["channels"])

            def channels(wanted: Any) -> None:
                # The last vector reaches back over the one before it rather than too far.
                own = b.select(b.icmp_signed("<", wanted, last), wanted, last)
                transform(b.gep(domain, [own]), b.add(before, own))

            self.loop(self.integer(0), told["channels"], self.lanes, channels)

        self.loop(self.integer(0), told["groups"], 1, group)

    def find_pixels(self, patch: Any) -> None:
        """Note where the pixels of a patch are, row by row."""
        b, told = self.b, self.told
        border = (self.side - 4) // 2
        # Unsigned: what lies before the first row or column counts as far beyond the last.
        corner = [
            b.sub(b.mul(four, self.integer(4)), self.integer(border))
            for four in (b.sdiv(patch, told["across"]), b.srem(patch, told["across"]))
        ]
        rows, columns = (
            [
                (b.mul(at, told[step]), b.icmp_unsigned("<", at, told[limit]))
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

    def vector_at(self, start: Any, offset: Any) -> Any:
        return self.b.bitcast(self.b.gep(start, [offset]), self.vector.as_pointer())

    def pixel_at(self, number: int, channel: Any) -> Any:
        start = self.b.load(self.b.gep(self.pixels, [self.integer(number)]))
        return self.vector_at(start, channel)

    def place_at(self, domain: Any, number: int) -> Any:
        return self.vector_at(domain, self.b.mul(self.told["place"], self.integer(number)))

    def load(self, pointer: Any) -> Any:
        loaded = self.b.load(pointer)
        loaded.align = 4
        return loaded

    def store(self, value: Any, pointer: Any) -> None:
        self.b.store(value, pointer).align = 4

    def into(self, domain: Any, channel: Any) -> None:
        """6x6 pixels to 36 places."""
        columns = [
            self.to_domain([self.load(self.pixel_at(6 * row + n, channel)) for row in range(6)])
            for n in range(6)
        ]
        for row in range(6):
            for n, value in enumerate(self.to_domain([column[row] for column in columns])):
                self.store(value, self.place_at(domain, 6 * row + n))

    def back(self, domain: Any, channel: Any) -> None:
        """36 places to 4x4 pixels, and the leaky ReLU."""
        b = self.b
        columns = [
            self.from_domain([self.load(self.place_at(domain, 6 * row + n)) for row in range(6)])
            for n in range(6)
        ]
        for row in range(4):
            for n, value in enumerate(self.from_domain([column[row] for column in columns])):
                positive = b.fcmp_ordered(">", value, self.number(0))
                leaked = b.select(positive, value, b.fmul(value, self.slope))
                self.store(leaked, self.pixel_at(4 * row + n, channel))

    def plus(self, factor: float, value: Any, other: Any) -> Any:
        """`factor * value + other`, rounded once where the processor can."""
        b, flags = self.b, ("contract",)
        return b.fadd(b.fmul(self.number(factor), value, flags=flags), other, flags=flags)

    def to_domain(self, d: Sequence[Any]) -> list[Any]:
        """One dimension of the input: 6 values to 6, as the matrix `winograd._INPUT`."""
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

    def from_domain(self, m: Sequence[Any]) -> list[Any]:
        """One dimension of the output: 6 values to 4, as the matrix `winograd._OUTPUT`."""
        b = self.b
        sums, slant = b.fadd(m[1], m[2]), b.fsub(m[1], m[2])
        wide, steep = b.fadd(m[3], m[4]), b.fsub(m[3], m[4])
        return [
            b.fadd(m[0], b.fadd(sums, wide)),
            self.plus(2, steep, slant),
            self.plus(4, wide, sums),
            b.fadd(self.plus(8, steep, slant), m[5]),
        ]
