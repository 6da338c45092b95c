"""A verified run as files of the Hub's community evaluations, and as a table row of papers.

A benchmark on the Hub lists its tasks in `eval.yaml`; a model names its scores in
`.eval_results/NAME.yaml` (hub-docs, eval_results.yaml), beside the older `model-index` of its card.
The Hub shows them for data sets that it has registered as benchmarks. Others build on such numbers,
so they are only written from runs whose rows were recomputed and came out the same.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eval.analysis.leaderboards import leaderboard
from eval.analysis.score_tables import default_baseline
from eval.data.benchmarks import Benchmark, benchmark_of_record, get_benchmark
from eval.data.pairs import BenchmarkUnavailable
from eval.runs.document import Run
from eval.runs.store import StoredRun
from eval.runs.verify import Finding
from mirnet.errors import InvalidRequest
from mirnet.metrics.protocols import get_protocol, shown_metrics
from mirnet.metrics.registry import Metric, metrics_in

from .markdown import markdown_text
from .provenance import require_provenance

if TYPE_CHECKING:
    import pandas as pd

FRAMEWORK = "mirnet-studio"
"""`evaluation_framework` of eval.yaml."""


def eval_results(stored: StoredRun, findings: Sequence[Finding]) -> dict[str, str]:
    """Write the files of a verified run.

    Args:
        stored: A run over all pairs of a benchmark on the Hub.
        findings: Result of `eval.runs.verify.verify` for this run.

    Returns:
        Content by path: `METHOD/.eval_results/BENCHMARK.yaml` for each method with weights,
        `eval.yaml` for the data set, and `table.md`.

    Raises:
        InvalidRequest: A finding is not "same", or there is none; the run is incomplete, not of a
            data set on the Hub, or has no scores of a method with weights.
    """
    run = stored.header()
    require_provenance(run)
    _require_verified(run, findings)
    benchmark = _benchmark(run)
    if benchmark.source.repo is None or run.benchmark.folder:
        raise InvalidRequest(
            f"{run.benchmark.title} was not read from the Hub, where community evaluations belong "
            "to a data set: upload it with `python -m eval pack`, then run it from there."
        )
    if run.benchmark.n < run.benchmark.of or run.status != "done":
        raise InvalidRequest(
            f"Run {run.id} has {run.benchmark.n} of {run.benchmark.of} pairs and is {run.status}: "
            "a benchmark's score is over all of them."
        )
    base = default_baseline(run)
    boards = {name: leaderboard(stored, base, name) for name in run.protocols}
    checked = len({finding.pair for finding in findings})
    files = {"eval.yaml": _dump(_tasks(run, benchmark)), "table.md": _table(run, boards)}
    for method in run.methods:
        if method.weights_sha256 is not None:
            entries = _entries(run, benchmark.source.repo, method.id, boards, checked)
            if entries:
                name = f"{_part(method.id)}/.eval_results/{_part(benchmark.id)}.yaml"
                files[_unused(name, files)] = _dump(entries)
    if len(files) == 2:
        raise InvalidRequest(f"Run {run.id} has no complete scores of a method with weights.")
    return files


def _part(name: str) -> str:
    """A name from outside as one part of a path, which leads nowhere else.

    >>> _part("../a/b:c"), _part("ours"), _part("..")
    ('-a-b-c', 'ours', 'unnamed')
    """
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip(".")[:100] or "unnamed"


def _unused(path: str, files: dict[str, str]) -> str:
    """A path that no file has: where two names become one, the second gets a number."""
    folder, _, rest = path.partition("/")
    number = 2
    while path in files:
        path, number = f"{folder}-{number}/{rest}", number + 1
    return path


def _require_verified(run: Run, findings: Sequence[Finding]) -> None:
    wrong = next((finding for finding in findings if finding.outcome != "same"), None)
    if wrong is not None or not findings:
        what = (
            f"{wrong.what} of {wrong.method} on {wrong.pair}: {wrong.outcome} ({wrong.detail})"
            if wrong
            else "nothing was checked"
        )
        raise InvalidRequest(f"Run {run.id} was not reproduced, so it is not published: {what}.")


def _benchmark(run: Run) -> Benchmark:
    recorded = run.benchmark
    try:
        if recorded.source:
            return benchmark_of_record(recorded.source)
        return get_benchmark(recorded.id)
    except BenchmarkUnavailable as error:
        raise InvalidRequest(str(error)) from error


def _task_id(protocol: str, metric: Metric) -> str:
    """Id of a task: protocol, version and metric.

    >>> _task_id("rgb-8bit/1", get_metric("psnr_db"))
    'rgb-8bit-1-psnr'
    """
    return f"{protocol.replace('/', '-')}-{metric.stem}"


def _tasks(run: Run, benchmark: Benchmark) -> dict[str, Any]:
    meanings = (get_protocol(name.partition("/")[0]).meaning for name in run.protocols)
    source = benchmark.source
    return {
        "name": benchmark.title,
        "description": " ".join(
            f"{name}: {meaning}" for name, meaning in zip(run.protocols, meanings, strict=True)
        ),
        "evaluation_framework": FRAMEWORK,
        "tasks": [
            {
                "id": _task_id(name, metric),
                "config": source.config or "default",
                "split": source.split or "test",
            }
            for name in run.protocols
            for metric in shown_metrics(name)
        ],
    }


def _entries(
    run: Run, repo: str, method: str, boards: "dict[str, pd.DataFrame]", checked: int
) -> list[dict[str, Any]]:
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    weights = next(info.weights_sha256 for info in run.methods if info.id == method)
    entries = []
    for name, board in boards.items():
        row = board[board.method == method].iloc[0]
        if row.failed or row["count"] != run.benchmark.n:
            continue
        notes = (
            f"protocol {name}; {run.benchmark.n} pictures, {checked} recomputed; weights sha256 "
            f"{weights}; data {run.data_sha256}; run {run.id}"
        )
        entries += [
            EvalResultEntry(
                dataset_id=repo,
                task_id=_task_id(name, metric),
                value=round(float(row[metric.key]), metric.decimals + 2),
                dataset_revision=run.benchmark.revision,
                date=run.created.isoformat(),
                notes=notes,
            )
            for metric in metrics_in(board.columns)
            if math.isfinite(row[metric.key])
        ]
    return eval_result_entries_to_yaml(entries)


def _table(run: Run, boards: "dict[str, pd.DataFrame]") -> str:
    """Rows as tables of papers have them: model, scores, code; one table a protocol."""
    task = markdown_text(f"{run.task} on {run.benchmark.title}")
    lines = [f"Task: {task}; {run.benchmark.n} pictures; run {run.id}, {run.created:%Y}."]
    for name, board in boards.items():
        heads = [
            "Model",
            *(metric.label for metric in metrics_in(board.columns)),
            "Weights (sha256)",
        ]
        lines += ["", f"Protocol {name}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for row in board[board.weights_sha256.notna()].to_dict("records"):
            scores = [metric.number(row[metric.key]) for metric in metrics_in(board.columns)]
            hashed = markdown_text(str(row["weights_sha256"])[:12])
            cells = [markdown_text(row["title"]), *scores, hashed]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _dump(content: Any) -> str:
    from huggingface_hub.utils import yaml_dump

    # Values of numpy become plain ones on the way through JSON.
    return str(yaml_dump(json.loads(json.dumps(content))))
