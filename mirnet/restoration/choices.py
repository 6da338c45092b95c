"""Options of a restoration: one list for the library, the page and the command line.

Importable without torch, so that `--help` and the page start at once.
"""

SECOND_STEPS: dict[str, tuple[str, ...]] = {
    "lowlight": ("denoise",),
    "sr-x2": ("denoise",),
    "sr-x3": ("denoise",),
    "sr-x4": ("denoise",),
}
"""Tasks that the page offers to follow on a task: those that `python -m tests.bench.two_steps`
found better than either alone, with each task's own weights."""

TILINGS = {
    "auto": "Automatic",
    "exact": "None (slower)",
    "fast": "Almost none (fast)",
    "naive": "Not corrected",
}
"""Label of each way to make the tiles of a large photo agree, explained in mirnet/docs/speed.md."""

ENGINES = {
    "auto": "Automatic",
    "fastest": "Fastest, not exact",
    "torch": "PyTorch, the reference",
    "winograd": "Winograd, the same to 1/1000",
    "bf16": "Half precision, not exact",
    "fp16": "Half precision on a GPU, not exact",
    "tf32": "TF32 on a GPU, not exact",
}
"""Label of each engine that computes the network; `mirnet.restoration.engines` implements them."""
