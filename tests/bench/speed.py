"""Time every engine against the papers' formulas, side by side in one run.

Contestants take turns, round after round, so that what else the machine does hits all of them
alike; a ratio is the median of the ratios within a round.
"""

import copy
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mirnet import __version__
from mirnet.device import processor_version
from mirnet.errors import InvalidRequest
from mirnet.models import reference as literal
from mirnet.models.complexity import multiply_adds
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.restoration.engines import ENGINES, available
from mirnet.restoration.runner import laid_out
from tests.bench.memory import Peak

ARCHITECTURES = ("v1", "v2", "denoise-compact", "lowlight-compact")
"""What is measured by default: the papers' networks with random weights, two of ours as shipped."""
SIZES = ((128, 128), (256, 256), (400, 600))
"""Heights and widths measured by default."""
LITERAL = "literal"
"""The contestant that computes what the papers' formulas say, step by step, in PyTorch."""
MAX_CASE_SECONDS = 180.0
"""No further round begins after this, once there are two."""


@dataclass(frozen=True)
class Row:
    """One contestant in one case."""

    architecture: str
    """One of `ARCHITECTURES`, or an id of the catalogue."""
    engine: str
    """`LITERAL`, or a key of `mirnet.restoration.engines.ENGINES`."""
    height: int
    """Of the picture."""
    width: int
    """The same."""
    median_s: float
    """Median time of a picture, in seconds."""
    ratio_to_literal: float
    """How many times as fast as `LITERAL` it is."""
    max_error: float
    """Largest difference from `LITERAL`, as a share of full scale."""
    peak_mb: float | None
    """Memory needed at the peak of a picture, in 10^6 bytes; None where the system does not say."""
    fastest_s: float
    """Shortest time."""
    slowest_s: float
    """Longest time."""
    gflops: float
    """10^9 additions and multiplications a second, counted as the reference network needs them."""

    def document(self) -> dict[str, Any]:
        """What `--json` holds of it."""
        names = ("architecture", "engine", "height", "width", "median_s", "ratio_to_literal")
        return {name: getattr(self, name) for name in (*names, "max_error", "peak_mb")}


def network(architecture: str) -> nn.Module:
    """What is measured: random weights of unit gain for the papers' networks, else the catalogue's.

    Raises:
        InvalidRequest: There is no such architecture or weights.
    """
    if architecture in ("v1", "v2"):
        with torch.random.fork_rng([]):
            torch.manual_seed(5)
            model = MIRNet() if architecture == "v1" else MIRNetV2()
            for value in model.parameters():
                if value.dim() > 1:
                    nn.init.normal_(value, std=1 / value[0].numel() ** 0.5)
        model.conv_out.weight.data *= 0.1
        return model.eval().requires_grad_(False)
    from mirnet.weights.load import load

    return load(architecture).model


def run(
    architectures: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    engines: Sequence[str] | None,
    rounds: int,
) -> Iterator[Row]:
    """Measure case after case.

    Args:
        architectures: See `network`.
        sizes: Heights and widths.
        engines: Ids of engines; None for all that run here and may gain.
        rounds: How often each contestant runs, after a first run that is not timed.

    Yields:
        A row for each contestant, the literal one first.

    Raises:
        InvalidRequest: An engine does not exist or run here.
    """
    here = available(torch.device("cpu"))
    unknown = [name for name in engines or () if name not in here]
    if unknown:
        raise InvalidRequest(
            f"There is no engine {unknown[0]!r} here: choose from {', '.join(here)}."
        )
    for architecture in architectures:
        model = network(architecture)
        chosen = [
            name
            for name in (here if engines is None else engines)
            if engines is not None or ENGINES[name].gains(model)
        ]
        for height, width in sizes:
            yield from _case(architecture, model, (height, width), chosen, rounds)


def _case(
    architecture: str, model: nn.Module, size: tuple[int, int], engines: list[str], rounds: int
) -> Iterator[Row]:
    """One picture size of one network."""
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    contestants: dict[str, Callable[[], Tensor]] = {
        LITERAL: lambda: literal.restore(model, image.contiguous())
    }
    for name in engines:
        used = ENGINES[name].prepare(model)  # unchecked: the error is among the results
        laid = laid_out(image, used)
        contestants[name] = partial(used, laid)
    errors: dict[str, float] = {}
    peaks: dict[str, float | None] = {}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    with torch.inference_mode():
        reference = contestants[LITERAL]()
        for name, compute in contestants.items():
            with Peak() as peak:
                output = compute()
            peaks[name] = peak.megabytes
            errors[name] = (output - reference).abs().max().item()
        began = time.perf_counter()
        for turn in range(rounds):
            if turn > 1 and time.perf_counter() - began > MAX_CASE_SECONDS:
                break
            for name, compute in contestants.items():
                start = time.perf_counter()
                compute()
                seconds[name].append(time.perf_counter() - start)
    operations = 2 * counted(architecture, size)
    for name, times in seconds.items():
        ratios = [one / other for one, other in zip(seconds[LITERAL], times, strict=True)]
        median = statistics.median(times)
        yield Row(
            *(architecture, name, *size),
            median_s=round(median, 5),
            ratio_to_literal=round(statistics.median(ratios), 3),
            max_error=errors[name],
            peak_mb=peaks[name],
            fastest_s=round(min(times), 5),
            slowest_s=round(max(times), 5),
            gflops=operations / median / 1e9,
        )


def counted(architecture: str, size: tuple[int, int]) -> int:
    """Multiply-adds of the reference network for one picture."""
    model: Any = network(architecture)
    step, margin = model.multiple, model.margin
    height, width = (-(-side // step) * step + 2 * margin for side in size)
    model = copy.deepcopy(model).to("meta")
    planes = model.conv_in.in_channels // model.unshuffle**2
    return multiply_adds(lambda x: model.residual(torch.cat([x] * 2, 1)[:, :planes]), height, width)


def machine() -> dict[str, Any]:
    """What was measured on, and its limit: the speed of a large matrix product."""
    import psutil

    return {
        "processor": processor_version(),
        "threads": torch.get_num_threads(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.system(),
        "torch": torch.__version__,
        "mirnet": __version__,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "peak_gflops": round(peak_gflops(torch.float32)),
        "peak_bf16_gflops": round(peak_gflops(torch.bfloat16)),
    }


def peak_gflops(dtype: torch.dtype, side: int = 1536) -> float:
    """10^9 operations a second of a matrix product, the best of five."""
    one = torch.rand(side, side, generator=torch.Generator().manual_seed(0)).to(dtype)
    best = 0.0
    for _ in range(5):
        began = time.perf_counter()
        one @ one
        best = max(best, 2 * side**3 / (time.perf_counter() - began) / 1e9)
    return best
