"""Records the runs that ship with the repository: eval/recorded/, read-only on every page.

    python -m tests bench record                 # the mini benchmarks of all tasks, with thumbnails
    python -m tests bench record --data DATA     # and what lies in DATA, numbers only

DATA holds one folder with input/ and target/ for each benchmark of `FOLDERS`. Its pictures may not
be handed on, so their runs keep scores, hashes and settings, and `python -m eval verify` repeats
them where the pictures are.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from eval.data.benchmarks import get_benchmark
from eval.methods.registry import list_methods
from eval.runs.runner import RunConfig, create_run, execute_run
from eval.runs.store import RunStore, StoredRun
from mirnet.tasks import TASKS

FOLDERS = {
    "cc15": "denoise/CC15/dev",
    "lol": "lowlight/LoL/eval15_first7",
    "fivek": "retouch/FiveK/dev",
    "set5-x2": "sr_bicubic/Set5_x2/test",
    "set5-x3": "sr_bicubic/Set5_x3/test",
    "set5-x4": "sr_bicubic/Set5_x4/test",
    "city100-nikon": "sr_real/City100_NikonD5500/dev",
    "city100-iphonex": "sr_real/City100_iPhoneX/dev",
}
"""Folders below DATA by benchmark."""


def record(out: Path, data: Path | None = None, only: str = "") -> Iterator[str]:
    """Record runs, each in place of an earlier one of the same benchmark.

    Args:
        out: Folder of runs.
        data: See the head of this file.
        only: Id of one benchmark; empty for all.

    Yields:
        A line about each run.
    """
    folders: dict[str, Path | None] = {f"mini-{task}": None for task in TASKS}
    if data is not None:
        folders |= {name: data / folder for name, folder in FOLDERS.items()}
    for name, folder in folders.items():
        if only not in ("", name):
            continue
        run = _record_one(out, name, folder)
        for old in RunStore(out).headers():
            if old.benchmark.id == name and old.id != run.id:
                shutil.rmtree(out / old.id)
        yield f"{run.id}  {name}  {run.benchmark.n} pairs, {len(run.methods)} methods"


def _record_one(out: Path, name: str, folder: Path | None):
    benchmark = get_benchmark(name)
    methods = tuple(choice.id for choice in list_methods(benchmark.task) if choice.available)
    config = RunConfig(
        benchmark, methods, title=benchmark.title, folder=folder, offline=True, fresh=True
    )
    with tempfile.TemporaryDirectory() as aside:
        stored = create_run(RunStore(Path(aside)), config)
        for _ in execute_run(stored, offline=True, fresh=True):
            pass
        run = stored.header()
        assert run.status == "done", run.error
        _without_pictures(stored, keep_thumbs=folder is None)
        # The folder's place on this machine is nobody's affair.
        bench = run.benchmark.model_copy(update={"folder": None})
        stored.write_header(run.model_copy(update={"benchmark": bench}))
        out.mkdir(parents=True, exist_ok=True)
        shutil.copytree(
            stored.folder, out / stored.id, ignore=shutil.ignore_patterns(".*", "outputs", "votes")
        )
    return run


def _without_pictures(stored: StoredRun, keep_thumbs: bool) -> None:
    """Keep thumbnails of input, target and our own weights only, or none."""
    run = stored.header()
    ours = {method.id for method in run.methods if method.kind == "weights"}
    kept = set()
    for row in stored.rows() if keep_thumbs else []:
        kept |= {row.degraded_sha256, row.target_sha256}
        kept |= {row.output_sha256} if row.method in ours else set()
    for path in (stored.folder / "thumbs").glob("*.jpg"):
        if path.stem not in kept:
            path.unlink()
