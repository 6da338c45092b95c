"""What `python -m tests bench networks` prints: lines, or Markdown tables at the end."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mirnet.errors import InvalidRequest
from mirnet.files import write_file
from tests.bench import memory, photos, speed

COMPACT = (
    *("denoise-compact", "lowlight-compact", "retouch-compact"),
    *("sr-x2-compact", "sr-x3-compact", "sr-x4-compact"),
)
"""Our own networks."""


@dataclass(frozen=True)
class Chosen:
    """What a person chose to measure; None for the default."""

    architectures: list[str] | None = None
    """Networks."""
    sizes: list[str] | None = None
    """As typed."""
    engines: list[str] | None = None
    """Engines."""
    rounds: int = 5
    """How often."""
    quick: bool = False
    """Whether little is enough."""


def read_size(text: str) -> tuple[int, int]:
    """Height and width of a size as people write it.

    Raises:
        InvalidRequest: It is no size.

    >>> read_size("600x400"), read_size("128")
    ((400, 600), (128, 128))
    """
    width, both, height = text.lower().partition("x")
    try:
        size = int(height if both else width), int(width)
    except ValueError:
        size = 0, 0
    if not all(1 <= side <= 4096 for side in size):
        raise InvalidRequest(f"{text!r} is no size: write 256 or 600x400, width first.")
    return size


def read_megapixels(text: str) -> float:
    """A photo's size in megapixels.

    Raises:
        InvalidRequest: It is no such number.
    """
    try:
        size = float(text)
    except ValueError:
        size = 0.0
    if not 0.01 <= size <= 100:
        raise InvalidRequest(f"{text!r} is no size of a photo: write megapixels, such as 12.")
    return size


def engines(chosen: Chosen, markdown: bool, json_file: Path | None) -> Iterator[str]:
    """Engines against the papers' formulas, and each other."""
    sizes = [read_size(text) for text in chosen.sizes or ()]
    machine = speed.machine()
    found: list[speed.Row] = []
    if not markdown:
        yield words_of(machine)
    for row in speed.run(
        chosen.architectures or speed.ARCHITECTURES,
        sizes or (speed.SIZES[:1] if chosen.quick else speed.SIZES),
        chosen.engines,
        chosen.rounds,
    ):
        found.append(row)
        if not markdown:
            yield " · ".join(f"{what} {value}" for what, value in _cells(row, machine).items())
    if markdown:
        yield f"{words_of(machine)}\n"
        yield table([_cells(row, machine) for row in found])
    if json_file is not None:
        _write(json_file, {"machine": machine, "rows": [row.document() for row in found]})


def _cells(row: speed.Row, machine: dict) -> dict[str, str]:
    count = speed.counted(row.architecture, (row.height, row.width)) / 1e9
    share = row.gflops / machine["peak_gflops"]
    return {
        "network": row.architecture,
        "size": f"{row.width} x {row.height}",
        "engine": row.engine,
        "median": f"{row.median_s:.3f} s",
        "range": f"{row.fastest_s:.3f}-{row.slowest_s:.3f}",
        "times as fast": f"{row.ratio_to_literal:.2f}",
        "10^9 multiply-adds": f"{count:.1f}",
        "GFLOP/s": f"{row.gflops:.0f}",
        "of the peak": f"{share:.0%}",
        "largest error": f"{row.max_error:.1e}",
        "memory": "" if row.peak_mb is None else f"{row.peak_mb:.0f} MB",
    }


def scaling(chosen: Chosen, markdown: bool, json_file: Path | None) -> Iterator[str]:
    """Whole photos, by megapixels and threads."""
    _no_document(json_file)
    sizes = [read_megapixels(text) for text in chosen.sizes or ()]
    rows = photos.scaling(
        chosen.architectures or ("denoise-compact", "lowlight-compact"),
        sizes or ((1, 3) if chosen.quick else (1, 3, 12, 24)),
        chosen.engines or photos.engines_here(),
    )
    yield from _shown(rows, markdown)


def peak_memory(chosen: Chosen, markdown: bool, json_file: Path | None) -> Iterator[str]:
    """Memory of whole photos, each restored in a process of its own."""
    _no_document(json_file)
    sizes = [read_megapixels(text) for text in chosen.sizes or ()]
    found = memory.run(
        chosen.architectures or COMPACT,
        sizes or ((1, 3) if chosen.quick else memory.MEGAPIXELS),
        "auto",
    )
    cells = (
        {
            "network": one.weights,
            "photo": f"{one.megapixels:g} MP",
            "before": f"{one.start_mb:.0f} MB",
            "result": f"{one.picture_mb / 2:.0f} MB",
            "at the peak": f"{one.peak_mb:.0f} MB",
            "for a tile": f"{one.beyond_mb:.0f} MB",
            "tiles up to": f"{one.tile_px} px",
            "tiling": one.tiling,
        }
        for one in found
    )
    yield from _shown(cells, markdown)


def overhead(chosen: Chosen, markdown: bool, json_file: Path | None) -> Iterator[str]:
    """What the app's own steps add to a restoration by the library."""
    _no_document(json_file)
    sizes = [read_megapixels(text) for text in chosen.sizes or ()]
    rows = photos.overhead(
        chosen.architectures or ("denoise-compact",),
        sizes or ((1,) if chosen.quick else (1, 3, 12)),
        chosen.rounds,
    )
    yield from _shown(rows, markdown)


Kind = Callable[[Chosen, bool, Path | None], Iterator[str]]
KINDS: dict[str, Kind] = {
    "engines": engines,
    "scaling": scaling,
    "memory": peak_memory,
    "overhead": overhead,
}
"""What can be measured."""


def _shown(rows: Iterator[dict[str, str]], markdown: bool) -> Iterator[str]:
    machine = speed.machine()
    if markdown:
        found = list(rows)
        yield f"{words_of(machine)}\n"
        yield table(found)
        return
    yield words_of(machine)
    for row in rows:
        yield " · ".join(f"{what} {value}" for what, value in row.items())


def words_of(machine: dict) -> str:
    """One line about a machine.

    >>> words_of({"processor": "Z", "threads": 2, "memory_gb": 8.0, "torch": "2.9", "mirnet": "0.1",
    ...     "date": "2026-01-01", "peak_gflops": 60, "peak_bf16_gflops": 9, "system": "Linux"})
    'Z, 2 threads, 8.0 GB, torch 2.9, 2026-01-01; matrix products: 60 GFLOP/s (bfloat16: 9)'
    """
    return (
        f"{machine['processor']}, {machine['threads']} threads, {machine['memory_gb']} GB, "
        f"torch {machine['torch']}, {machine['date']}; matrix products: {machine['peak_gflops']} "
        f"GFLOP/s (bfloat16: {machine['peak_bf16_gflops']})"
    )


def table(rows: Sequence[dict[str, str]]) -> str:
    """Rows of equal columns as a Markdown table.

    >>> print(table([{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]))
    | a | b |
    |---|---|
    | 1 | x |
    | 2 | y |
    """
    if not rows:
        return ""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    written = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([written[0], "|" + "---|" * len(rows[0]), *written[1:]])


def _no_document(json_file: Path | None) -> None:
    if json_file is not None:
        raise InvalidRequest("--json writes the comparison of engines: leave the other kind out.")


def _write(path: Path, document: dict) -> None:
    """Write a document in one step.

    Raises:
        InvalidRequest: The file cannot be written.
    """
    try:
        write_file(path, json.dumps(document, indent=1))
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be written ({error.strerror}).") from error
