"""Commands that check a stored run, and that make it again."""

import shlex

from eval.data.benchmarks import OWN_DATA
from eval.runs.document import Run

PLACEHOLDERS = {"imported": "folder:RESULTS", "onnx": "onnx:FILE"}
"""What stands for the files of a method in a command, by its kind."""


def repeat_commands(run: Run) -> dict[str, str]:
    """Commands for a shell, by what they do; words in capitals stand for files of the reader's own.

    Args:
        run: Header of the run.
    """
    bench = run.benchmark
    is_own = bench.id.startswith(OWN_DATA)
    parts = ["python", "-m", "eval", "run", "--benchmark", "YOUR_DATA" if is_own else bench.id]
    if is_own:
        parts += ["--task", run.task]
    methods = [
        f"{method.id}={PLACEHOLDERS[method.kind]}" if method.kind in PLACEHOLDERS else method.id
        for method in run.methods
    ]
    parts += ["--methods", ",".join(methods)]
    if bench.n < bench.of:
        parts += ["--n", str(bench.n), "--seed", str(bench.seed)]
    for protocol in run.protocols:
        parts += ["--protocol", protocol.partition("/")[0]]
    if bench.folder is not None and not is_own:
        parts += ["--folder", "YOUR_FILES"]
    return {
        "Recompute a sample of this run and compare": f"python -m eval verify {run.id}",
        "Measure the same again": shlex.join(parts),
    }
