"""Finds the quickest engine: each is timed on one tile, once per machine and kind of network.

The answer is kept in `engines.json` in the cache folder, keyed on everything that may change it:
processor, threads, versions and the sizes of the network, not its values. Where the file cannot be
read or written, times are taken again.
"""

import contextlib
import hashlib
import json
import math
import time
from pathlib import Path

import torch

from mirnet.device import processor_version
from mirnet.files import cache_folder, write_file
from mirnet.models.base import RestorationNetwork
from mirnet.version import __version__

from .prepared import prepare_with, probe
from .registry import ENGINES, rivals
from .winograd_transforms import transforms

TILE_STEPS = 24
"""Side of the tile, in steps of the network's grid: 96 pixels for the papers' networks."""
ROUNDS = 3
"""Timed runs of each engine, in turns; the quickest run counts."""
MAX_TIME_SHARE = 0.95
"""An engine is chosen if it needs less than this share of the time of "torch"."""


MIN_AGREEMENT_DB = 50.0
"""Least PSNR in dB to float32, on the timed tile, of an engine with fewer bits that "fastest" may
choose: errors of less than one 8-bit level."""


def quickest(model: RestorationNetwork, device: torch.device, exact: bool = True) -> str:
    """Id of the engine for "auto" or "fastest": read from the file, or timed now.

    Args:
        model: The network, on the device.
        exact: Whether only engines with float32 take part; with False also those with fewer bits
            that agree with float32 to `MIN_AGREEMENT_DB`.
    """
    names = [engine.id for engine in rivals(model, device, exact)]
    if len(names) == 1:
        return names[0]
    key = _key(model, device, names)
    remembered = _read().get(key)
    if isinstance(remembered, dict) and remembered.get("engine") in names:
        return remembered["engine"]
    seconds = _times(model, device, [n for n in names if exact or _agrees(model, n)])
    best = min(seconds, key=lambda name: seconds[name])
    reference = seconds.get("torch", math.inf)
    chosen = best if seconds[best] < MAX_TIME_SHARE * reference else "torch"
    _remember(key, {"engine": chosen, "seconds": seconds})
    return chosen


def _times(model: RestorationNetwork, device: torch.device, names: list[str]) -> dict[str, float]:
    """Time one tile with each engine, in seconds; engines that fail are left out."""
    image = probe(model, TILE_STEPS)
    ready = [prepare_with(name, model) for name in names]
    seconds: dict[str, float] = {}
    for turn in range(ROUNDS + 1):
        for one in {one.engine: one for one in ready}.values():
            began = time.perf_counter()
            with torch.inference_mode():
                one.network(image if one.network.channels_last else image.contiguous())
            _finish(device)
            took = time.perf_counter() - began
            if turn:  # the first run, which prepares buffers, is not timed
                seconds[one.engine] = min(took, seconds.get(one.engine, took))
    return {name: round(value, 5) for name, value in seconds.items()}


def _finish(device: torch.device) -> None:
    """Wait until a GPU has computed what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _agrees(model: RestorationNetwork, name: str) -> bool:
    """Whether an engine's result for the timed tile is near enough to the network's own."""
    if ENGINES[name].exact:
        return True
    image, prepared = probe(model, TILE_STEPS), prepare_with(name, model)
    with torch.inference_mode():
        error = prepared.network(image).clamp(0, 1) - model(image).clamp(0, 1)
    return error.square().mean().item() <= 10 ** (-MIN_AGREEMENT_DB / 10)


def _key(model: RestorationNetwork, device: torch.device, names: list[str]) -> str:
    shapes = [(name, tuple(value.shape)) for name, value in model.named_parameters()]
    versions = __version__, torch.__version__
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    machine = processor_version(), gpu, torch.get_num_threads(), transforms() is not None
    facts = type(model).__name__, shapes, names, versions, machine, TILE_STEPS
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _file() -> Path:
    return cache_folder() / "engines.json"


def _read() -> dict:
    try:
        known = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remember(key: str, found: dict) -> None:
    """Add an answer to the file, replacing the file in one step."""
    path = _file()
    with contextlib.suppress(OSError):  # without the file, times are measured again
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, json.dumps(_read() | {key: found}, indent=1))
