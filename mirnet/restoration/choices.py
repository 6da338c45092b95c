"""Options of a restoration: one list for the library, the page and the command line.

Importable without torch, so that `--help` and the page start at once.
"""

from typing import NamedTuple


class Choice(NamedTuple):
    """One option."""

    id: str
    """Value of the option in Python, in flags and in links."""
    label: str
    """Short display name."""
    help: str
    """Effect of the option, in one line."""


SECOND_STEPS: dict[str, tuple[str, ...]] = {"lowlight": ("denoise",), "sr-x2": ("denoise",)}
"""Tasks that the page offers to follow on a task: those that `python -m tests.bench.two_steps`
found better than either alone, with each task's own weights."""

TILINGS: dict[str, Choice] = {
    choice.id: choice
    for choice in (
        Choice(
            "auto",
            "Automatic",
            "exact where it takes at most 3.5 times as long as naive, for networks behind a "
            "pixel-unshuffle only up to 2 megapixels; else fast, else naive",
        ),
        Choice(
            "exact",
            "None (slower)",
            "as if the whole photo had gone through the network at once, to 80 dB or better",
        ),
        Choice(
            "fast",
            "Almost none (fast)",
            "very nearly so, in one pass: the whole photo is judged from a sample",
        ),
        Choice(
            "naive",
            "Not corrected",
            "every tile on its own, neighbours blended: its colours and strength may vary",
        ),
    )
}
"""Ways to make the tiles of a large photo agree."""

ENGINES: dict[str, Choice] = {
    choice.id: choice
    for choice in (
        Choice("auto", "Automatic", "the quickest exact engine, timed once on each machine"),
        Choice(
            "fastest",
            "Fastest, not exact",
            "the quickest engine that agrees with float32 to 50 dB, timed once on each machine",
        ),
        Choice("torch", "PyTorch, the reference", "PyTorch, float32: the reference"),
        Choice(
            "winograd",
            "Winograd, the same to 1/1000",
            "PyTorch, float32, channels last; wide 3x3 convolutions by Winograd's method",
        ),
        Choice(
            "bf16",
            "Half precision, not exact",
            "PyTorch, bfloat16 inside the network: quicker, not exact",
        ),
        Choice(
            "fp16",
            "Half precision on a GPU, not exact",
            "PyTorch, float16 inside the network, on a GPU: quicker, not exact",
        ),
        Choice(
            "tf32",
            "TF32 on a GPU, not exact",
            "PyTorch, convolutions in TF32, on a GPU by Nvidia: quicker, not exact",
        ),
    )
}
"""Engines that compute the network; `mirnet.restoration.engines` implements them."""
