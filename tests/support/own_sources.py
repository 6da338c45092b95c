"""Folders as data sets of one's own, and the pairs that are read of them."""

from eval.data.benchmarks import custom_benchmark
from eval.data.reader_factory import open_benchmark

from .pair_files import png, put

ONE = png(16, 16, 1)
PATTERNS = ("noisy/*.png", "clean/*.png")


def reader(source, degraded="degraded", target="target", **options):
    return open_benchmark(
        custom_benchmark(str(source), "denoise", degraded=degraded, target=target, **options)
    )


def pairs(source, *named, **options):
    return [item.id for item in reader(source, *named, **options).items()]


def halves(folder, *names, low="noisy", high="clean"):
    return put(folder, {f"{half}/{name}": ONE for name in names for half in (low, high)})
