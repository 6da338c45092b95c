"""Commands that check a stored run, and that make it again."""

import shlex

from eval.data.benchmarks import OWN_DATA, benchmark_of_record
from eval.methods.method_record import WEIGHTS_FILE, MethodRecord
from eval.runs.document import Run
from mirnet.errors import MIRNetError
from mirnet.tasks import get_task

PLACEHOLDERS = {
    "imported": "folder:RESULTS",
    "onnx": "onnx:FILE",
    "weights-file": "weights:FILE",
}
"""Placeholder for the files of a method in a command, by its kind."""


def repeat_commands(run: Run) -> dict[str, str]:
    """Commands for a shell, by what they do; words in capitals stand for the reader's own files."""
    bench = run.benchmark
    is_own = bench.id.startswith(OWN_DATA)
    parts = ["python", "-m", "eval", "run", "--benchmark", "YOUR_DATA" if is_own else bench.id]
    if is_own:
        parts += ["--task", run.task, *_own_options(run)]
    parts += ["--methods", ",".join(_named(method) for method in run.methods)]
    if bench.n < bench.of:
        parts += ["--n", str(bench.n), "--seed", str(bench.seed)]
    if run.repeats > 1:
        parts += ["--repeats", str(run.repeats)]
    for protocol in run.protocols:
        parts += ["--protocol", protocol.partition("/")[0]]
    if bench.folder is not None and not is_own:
        parts += ["--folder", "YOUR_FILES"]
    return {
        "Recompute a sample of this run and compare": f"python -m eval verify {run.id}",
        "Measure the same again": shlex.join(parts),
    }


def _named(method: MethodRecord) -> str:
    """A method as the command line takes it."""
    kind = "weights-file" if WEIGHTS_FILE in method.settings else method.kind
    return f"{method.id}={PLACEHOLDERS[kind]}" if kind in PLACEHOLDERS else method.id


def _own_options(run: Run) -> list[str]:
    """Options that say how the pairs of a data set of one's own are found and scored.

    Those that have their defaults are left out; a record of another version has none.
    """
    try:
        own = benchmark_of_record(run.benchmark.source)
        natural = get_task(run.task).scale
    except MIRNetError:
        return []
    source = own.source
    options = {
        "--degraded": source.degraded if source.degraded != "degraded" else None,
        "--target": source.target if source.target != "target" else None,
        "--revision": run.benchmark.revision if source.repo else None,
        "--config": source.config,
        "--split": source.split,
        "--scale": str(own.scale) if own.scale != natural else None,
        "--scenes": own.scenes,
    }
    found = [part for name, value in options.items() if value for part in (name, value)]
    return [*found, *(["--same-size"] if own.same_size else [])]
