"""Functions written in LLVM's instructions and compiled for this machine's processor.

PyTorch on a CPU writes a new map at every step, and a network's time is spent on memory. Where that
costs most, a few steps are one loop here, with values in vector registers between them: written
with `llvmlite` (the compiler inside Numba), run by the threads that PyTorch has already (GNU's
OpenMP). Where any of that is missing, `native` returns None and PyTorch computes alone.
"""

import ctypes
import functools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


class Function:
    """Writes one compiled function; subclasses state its arguments and its body.

    The function runs on all threads at once, and each does a part of the work: see `share`.

    Args:
        module: LLVM's module to write into.
        lanes: Floats in a vector register of this processor.
    """

    name = ""
    """Name of the compiled function."""
    integers: tuple[str, ...] = ()
    """Names of its integer arguments: addresses, and distances in floats."""
    floats: tuple[str, ...] = ()
    """Names of its float32 arguments."""

    def __init__(self, module: Any, lanes: int):
        from llvmlite import ir

        self.ir, self.module, self.lanes = ir, module, lanes
        self.int64, self.int32, self.float32 = ir.IntType(64), ir.IntType(32), ir.FloatType()
        types = [self.int64] * len(self.integers) + [self.float32] * len(self.floats)
        kind = ir.FunctionType(ir.VoidType(), [ir.LiteralStructType(types).as_pointer()])
        function = ir.Function(module, kind, self.name)
        self.b = ir.IRBuilder(function.append_basic_block())
        self.arguments = {
            name: self.b.load(
                self.b.gep(function.args[0], [self.integer(0), ir.Constant(self.int32, number)])
            )
            for number, name in enumerate(self.integers + self.floats)
        }
        self.write()
        self.b.ret_void()

    @classmethod
    def task(cls) -> type[ctypes.Structure]:
        """The C structure that carries the arguments."""
        fields = [
            *((name, ctypes.c_int64) for name in cls.integers),
            *((name, ctypes.c_float) for name in cls.floats),
        ]
        return type("Task", (ctypes.Structure,), {"_fields_": fields})

    def write(self) -> None:
        """Write the body of the function."""
        raise NotImplementedError

    # Constants and addresses.

    def integer(self, value: int) -> Any:
        """An int64 constant."""
        return self.ir.Constant(self.int64, value)

    def number(self, value: float) -> Any:
        """A vector with a constant in every lane."""
        return self.ir.Constant(self.vector, [self.ir.Constant(self.float32, value)] * self.lanes)

    @property
    def vector(self) -> Any:
        """The type of a vector of floats."""
        return self.ir.VectorType(self.float32, self.lanes)

    def broadcast(self, value: Any) -> Any:
        """A vector with one float value in every lane."""
        none = self.ir.Constant(self.vector, self.ir.Undefined)
        one = self.b.insert_element(none, value, self.ir.Constant(self.int32, 0))
        order = self.ir.Constant(self.ir.VectorType(self.int32, self.lanes), [0] * self.lanes)
        return self.b.shuffle_vector(one, none, order)

    def address(self, name: str) -> Any:
        """An argument as a pointer to floats."""
        return self.b.inttoptr(self.arguments[name], self.float32.as_pointer())

    def load(self, start: Any, offset: Any) -> Any:
        """Load the vector `offset` floats after a pointer."""
        loaded = self.b.load(self._vector_at(start, offset))
        loaded.align = 4
        return loaded

    def store(self, value: Any, start: Any, offset: Any) -> None:
        """Store a vector `offset` floats after a pointer."""
        self.b.store(value, self._vector_at(start, offset)).align = 4

    def _vector_at(self, start: Any, offset: Any) -> Any:
        return self.b.bitcast(self.b.gep(start, [offset]), self.vector.as_pointer())

    # Arithmetic and control flow.

    def plus(self, factor: Any, value: Any, other: Any) -> Any:
        """`factor * value + other`, rounded once where the processor can."""
        if isinstance(factor, int | float):
            factor = self.number(factor)
        flags = ("contract",)
        return self.b.fadd(self.b.fmul(factor, value, flags=flags), other, flags=flags)

    def loop(self, start: Any, stop: Any, step: int, body: Callable[[Any], None]) -> None:
        """`for (number = start; number < stop; number += step) body(number)`."""
        b = self.b
        before = b.block
        head, inside, after = (b.append_basic_block() for _ in range(3))
        b.branch(head)
        b.position_at_end(head)
        number = b.phi(self.int64)
        number.add_incoming(start, before)
        b.cbranch(b.icmp_signed("<", number, stop), inside, after)
        b.position_at_end(inside)
        body(number)
        following = b.add(number, self.integer(step))
        number.add_incoming(following, b.block)
        b.branch(head)
        b.position_at_end(after)

    def share(self, count: Any) -> tuple[Any, Any]:
        """Start and stop of this thread's part of `count` pieces of work."""
        b = self.b
        thread, threads = (self._openmp(f"omp_get_{x}") for x in ("thread_num", "num_threads"))
        start, stop = (
            b.sdiv(b.mul(count, part), threads) for part in (thread, b.add(thread, self.integer(1)))
        )
        return start, stop

    def _openmp(self, name: str) -> Any:
        known = self.module.globals.get(name)
        kind = self.ir.FunctionType(self.int32, [])
        function = known or self.ir.Function(self.module, kind, name)
        return self.b.sext(self.b.call(function, []), self.int64)


class Native:
    """Functions compiled for this machine.

    Args:
        kinds: The functions to compile.
        openmp: The copy of GNU's OpenMP that PyTorch uses.
        lanes: Floats in a vector; None for as many as this processor has.
    """

    def __init__(self, kinds: tuple[type[Function], ...], openmp: Path, lanes: int | None = None):
        from llvmlite import binding as llvm
        from llvmlite import ir

        threads = ctypes.CDLL(str(openmp))
        for name in ("omp_get_thread_num", "omp_get_num_threads"):
            llvm.add_symbol(name, ctypes.cast(getattr(threads, name), ctypes.c_void_p).value)
        self._parallel = threads.GOMP_parallel
        self._parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        self._parallel.restype = None
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = llvm.get_host_cpu_features()
        longest = 16 if features.get("avx512f") else 8 if features.get("avx2") else 4
        self.lanes = longest if lanes is None else lanes
        """Floats in a vector register."""
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(),
            features=f"{features.flatten()},-prefer-256-bit",
            opt=3,
        )
        written = ir.Module()
        for kind in kinds:
            kind(written, self.lanes)
        module = llvm.parse_assembly(str(written))
        module.verify()
        builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(3))
        builder.getModulePassManager().run(module, builder)
        self._code = llvm.create_mcjit_compiler(module, machine)  # must outlive the functions
        self._code.finalize_object()
        self._made = {
            kind: (self._code.get_function_address(kind.name), kind.task()) for kind in kinds
        }

    def __call__(self, kind: type[Function], *values: float) -> None:
        """Run a function on as many threads as PyTorch uses, and wait for it.

        Args:
            values: Integer arguments, then floats. Addresses are not checked.
        """
        address, task = self._made[kind]
        self._parallel(address, ctypes.byref(task(*values)), torch.get_num_threads(), 0)


def check(*maps: torch.Tensor) -> None:
    """Refuse maps that compiled functions would misread, because they see addresses only.

    Raises:
        ValueError: A map is not float32 on the CPU, or its channels are not adjacent in memory.
    """
    for one in maps:
        if one.dtype != torch.float32 or one.device.type != "cpu" or one.stride(1) != 1:
            raise ValueError(f"a map is {one.dtype} on {one.device}, strides {one.stride()}")


def openmp() -> Path | None:
    """PyTorch's copy of GNU's OpenMP, which it has on Linux."""
    return next((Path(torch.__file__).parent / "lib").glob("libgomp*"), None)


@functools.cache
def native(*kinds: type[Function]) -> Native | None:
    """Compile functions, once per process; None where that is impossible.

    It needs Linux, `llvmlite`, and the right to make memory executable.
    """
    library = openmp()
    if library is None:
        return None
    try:
        import llvmlite.binding  # noqa: F401

        return Native(kinds, library)
    except ImportError:  # an optional package
        return None
    except Exception as error:  # an engine without it is slower, and as exact
        reason = str(error).partition("\n")[0]
        warnings.warn(f"No part of an engine can be compiled here: {reason}", stacklevel=2)
        return None
