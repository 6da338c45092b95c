"""Check and measure a GPU in a few minutes: `python -m tests.gpu`.

First the checks: both networks against the stored reference outputs, every engine against float32,
and exact tiles against the photo in one piece. Then a table of whole restorations, by network,
engine and size of the photo: seconds, memory at its peak, PSNR against float32. The
first row that would begin after `--minutes` ends the table. Where there is no GPU, `--device cpu
--megapixels 0.1` runs all of it on the processor.
"""

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import torch

from mirnet import __version__
from mirnet.device import choose_device, processor_version
from mirnet.errors import MIRNetError
from mirnet.models.base import RestorationNetwork
from mirnet.restoration import engines
from mirnet.restoration.api import restore
from mirnet.restoration.devices import float32_arithmetic, on_device
from mirnet.weights.networks import build_model
from mirnet.weights.official_names import to_our_names
from tests.bench.memory import Peak
from tests.bench.photos import photo
from tests.bench.speed import network
from tests.support.reference_networks import GOLDEN, PARITY, seeded_checkpoint

NETWORKS = ("denoise-compact", "v1", "v2")
"""What is measured by default: one of ours, and the papers' networks with random weights."""
MEGAPIXELS = (1.0, 12.0, 24.0)
"""Sizes of the photos by default."""
MINUTES = 8.0
"""Minutes after which no further row begins."""
MAX_PARITY_ERROR = 1e-4
"""Largest error against the reference outputs, as a share of their standard deviation."""
MIN_EXACT_DB = 74.0
"""Least PSNR in dB of exact tiles against the photo in one piece, as `speed.md` promises."""
CHECKED_PX = 256
"""Longest side of a tile in the check of exact tiles."""


@dataclass(frozen=True)
class Check:
    """One check and its result."""

    name: str
    """What was compared."""
    ok: bool
    """Whether the result is within its bound."""
    found: str
    """The measured value and its bound."""


@dataclass(frozen=True)
class Row:
    """One restoration of the table."""

    network: str
    """See `tests.bench.speed.network`."""
    engine: str
    """Engine that was used, which may be the replacement of one that failed."""
    megapixels: float
    """Size of the photo."""
    tiling: str
    """Number of tiles and tiling."""
    seconds: float
    """Working time of the restoration; the network and its engine were on the device already."""
    peak_gb: float | None
    """Peak memory in 10^9 bytes: on CUDA what PyTorch took of the device, elsewhere what the
    program took beside the photo; None where it is unknown."""
    psnr_db: float | None
    """PSNR against the engine "torch"; None for that engine, infinite for the same pixels."""


def main(arguments: list[str] | None = None) -> int:
    """Run the checks and the table.

    Args:
        arguments: Flags; None for those of the command line.

    Returns:
        0 if all checks passed, 1 if one failed, 2 if there is no such device.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.gpu", description=__doc__)
    parser.add_argument("--device", help="cuda, cuda:1, mps or cpu; the GPU by default")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--megapixels", nargs="+", type=float, default=MEGAPIXELS)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--json", type=Path, help="file for everything that was found")
    chosen = parser.parse_args(arguments)
    ends = time.monotonic() + 60 * chosen.minutes
    try:
        device = choose_device(chosen.device)
        print(heading(device), flush=True)
        checks = []
        for check in run_checks(device, chosen.networks):
            print(f"{'ok  ' if check.ok else 'FAIL'} {check.name}: {check.found}", flush=True)
            checks.append(check)
        print("\n" + _line(_TITLES) + "\n" + _line(["---"] * len(_TITLES)), flush=True)
        rows = []
        for row in measure(device, chosen.networks, chosen.megapixels, ends):
            print(_line(_cells(row)), flush=True)
            rows.append(row)
    except MIRNetError as error:
        print(error, file=sys.stderr)
        return 2
    if chosen.json:
        found = {"on": heading(device), "checks": checks, "rows": rows}
        chosen.json.write_text(json.dumps(found, default=asdict, indent=1))
    return 0 if all(check.ok for check in checks) else 1


def heading(device: torch.device) -> str:
    """Name of the device, versions and date, for the head of a published table."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        name = f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, CUDA"
        name += f" {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}"
    else:
        name = processor_version()
        if device.type != "cpu":
            name = f"{device.type} of {platform.machine()}"
    date = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"{name}; torch {torch.__version__}, mirnet {__version__}, {date}"


# ---------------------------------------------------------------- checks


def run_checks(device: torch.device, networks: Sequence[str]) -> Iterator[Check]:
    """Check parity, engines, exact tiles, and that nothing is copied or prepared twice."""
    for variant in GOLDEN:
        yield check_parity(variant, device)
    for name in networks:
        model = _network(name)
        for engine in engines.available(device):
            yield check_engine(name, model, engine, device)
        yield check_exact_tiles(name, model, device)
        yield check_kept(name, model, device)


def check_parity(variant: str, device: torch.device) -> Check:
    """Compare a seeded network on the device with its stored reference outputs."""
    model = on_device(build_model(to_our_names(seeded_checkpoint(variant), variant)), device)
    outputs, errors = np.load(PARITY / "golden.npz"), []
    for case in GOLDEN[variant]["cases"]:
        generator = torch.Generator().manual_seed(case["seed"])
        image = torch.rand(1, 3, case["height"], case["width"], generator=generator)
        with torch.inference_mode(), float32_arithmetic():
            made = model(image.to(device)).cpu().numpy()
        expected = outputs[case["key"]]
        errors.append(float(np.abs(made - expected).max() / expected.std()))
    worst = max(errors)
    found = f"{worst:.1e} of the outputs' deviation, at most {MAX_PARITY_ERROR:.0e}"
    return Check(f"parity of {variant}", worst <= MAX_PARITY_ERROR, found)


def check_engine(name: str, model: RestorationNetwork, engine: str, device: torch.device) -> Check:
    """Check that an engine is used, which means that it agreed with the network itself."""
    with float32_arithmetic():
        prepared = engines.prepare(engine, on_device(model, device), device)
    found = prepared.note or "agrees with the network"
    return Check(f"engine {engine} for {name}", prepared.engine == engine, found)


def check_exact_tiles(name: str, model: RestorationNetwork, device: torch.device) -> Check:
    """Compare exact tiles with the photo in one piece."""
    pixels = photo(0.3).astype(np.float32) / 255
    whole, tiled = (
        restore(pixels, weights=model, device=device, same_size=True, tile_px=px, tiling="exact")
        for px in (2048, CHECKED_PX)
    )
    found = psnr_db(whole.result().picture.pixels, tiled.result().picture.pixels)
    ok = found >= MIN_EXACT_DB and tiled.result().tiles > 1
    return Check(f"exact tiles of {name}", ok, f"{found:.1f} dB, at least {MIN_EXACT_DB:g}")


def check_kept(name: str, model: RestorationNetwork, device: torch.device) -> Check:
    """Check that a second photo finds the network on the device and its engine prepared."""
    first, second = (
        engines.prepare("torch", on_device(model, device), device).network for _ in range(2)
    )
    place = next(first.parameters()).device.type
    ok = first is second and place == device.type
    return Check(f"{name} stays prepared", ok, f"on {place}, {'' if ok else 'not '}kept")


# ---------------------------------------------------------------- table

_TITLES = ("network", "engine", "photo", "tiles", "seconds", "MP/s", "peak memory", "to float32")


def measure(
    device: torch.device, networks: Sequence[str], megapixels: Sequence[float], ends: float
) -> Iterator[Row]:
    """Restore photos of several sizes with every engine of the device.

    Args:
        device: Device that computes.
        networks: See `tests.bench.speed.network`.
        megapixels: Sizes of the photos.
        ends: Time of `time.monotonic` after which no row begins.
    """
    for name in networks:
        model = _network(name)
        for size in megapixels:
            pixels, reference = photo(size).astype(np.float32) / 255, None
            for engine in engines.available(device):
                if time.monotonic() > ends:
                    return
                _warm_up(model, device, engine)
                restored, row = _measured(name, model, engine, size, pixels, device)
                if reference is None:
                    reference = restored
                else:
                    row = Row(**{**asdict(row), "psnr_db": psnr_db(reference, restored)})
                yield row


def _warm_up(model: RestorationNetwork, device: torch.device, engine: str) -> None:
    restore(photo(0.05), weights=model, device=device, same_size=True, engine=engine).result()


def _measured(
    name: str,
    model: RestorationNetwork,
    engine: str,
    size: float,
    pixels: np.ndarray,
    device: torch.device,
) -> tuple[np.ndarray, Row]:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    work = restore(
        pixels, weights=model, device=device, same_size=True, engine=engine, max_pixels=10**9
    )
    with Peak() as resident:
        made = work.result()
    peak = resident.megabytes / 1e3 if resident.megabytes is not None else None
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device) / 1e9
    tiling = f"{made.tiles} {made.tiling}"
    row = Row(name, made.engine, size, tiling, made.seconds, peak, None)
    return made.picture.pixels, row


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    """PSNR in dB of two arrays in [0, 1]; infinite where they are equal."""
    error = float(np.square(one.astype(np.float64) - other).mean())
    return -10 * math.log10(error) if error else math.inf


def _network(name: str) -> RestorationNetwork:
    return cast(RestorationNetwork, network(name))


def _cells(row: Row) -> list[str]:
    return [
        row.network,
        row.engine,
        f"{row.megapixels:g} MP",
        row.tiling,
        f"{row.seconds:.2f} s",
        f"{row.megapixels / row.seconds:.2f}",
        "unknown" if row.peak_gb is None else f"{row.peak_gb:.1f} GB",
        "the reference" if row.psnr_db is None else f"{row.psnr_db:.1f} dB",
    ]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
