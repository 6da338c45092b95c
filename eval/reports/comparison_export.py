"""A comparison of runs as a file: CSV of every change, LaTeX of means with their changes.

As in `export`, no number leaves without its protocol, hashes and runs, and text from outside is
escaped for the format.
"""

import math
from typing import TYPE_CHECKING

from eval.analysis.csv_tables import csv_text
from eval.analysis.run_comparison import RunComparison
from mirnet.errors import InvalidRequest
from mirnet.metrics.registry import PSNR, Metric, get_metric

from .provenance import provenance, require_provenance

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = {"csv": ".csv", "pictures": ".csv", "latex": ".tex"}
"""Formats, with their file name suffixes."""


def export_comparison(found: RunComparison, format: str, metric: str = PSNR.key) -> bytes:  # noqa: A002
    """Write a comparison as a file.

    Args:
        format: "csv" holds one row for each run, method and metric, "pictures" (CSV too) one for
            each run, method and picture, "latex" (booktabs) runs by methods, with all that the
            numbers depend on in comments above.
        metric: Key of the metric of the LaTeX table.

    Returns:
        Content of the file, UTF-8.

    Raises:
        InvalidRequest: The format is unknown, the runs have no scores of the metric of the LaTeX
            table in common, or a run lacks what its numbers depend on.
    """
    if format not in SUFFIXES:
        raise InvalidRequest(
            f"There is no comparison as {format!r}: choose one of {', '.join(SUFFIXES)}."
        )
    for run in found.runs:
        require_provenance(run)
    if format == "latex":
        return _latex(found, get_metric(metric)).encode()
    table = found.summary if format == "csv" else found.changes
    return csv_text(_with_provenance(found, table)).encode()


def _with_provenance(found: RunComparison, table: "pd.DataFrame") -> "pd.DataFrame":
    """Add what every row depends on; columns that end in "_a" are of the baseline run."""
    runs = {run.id: run for run in found.runs}
    weights = {
        (run.id, method.id): method.weights_sha256 for run in found.runs for method in run.methods
    }
    base = found.baseline
    return table.assign(
        title=[runs[name].name for name in table.run],
        date=[runs[name].created.isoformat() for name in table.run],
        weights_sha256=[weights[key] for key in zip(table.run, table.method, strict=True)],
        baseline_run=base.id,
        baseline_weights_sha256=[weights[base.id, method] for method in table.method],
        protocol=found.protocol,
        benchmark=base.benchmark.id,
        benchmark_revision=base.benchmark.revision,
        data_sha256=[runs[name].data_sha256 for name in table.run],
        baseline_data_sha256=base.data_sha256,
    )


def _latex(found: RunComparison, metric: Metric) -> str:
    import pandas as pd

    table = found.summary[found.summary.metric == metric.key]
    if table.empty:
        raise InvalidRequest(missing_words(found, metric))
    known = {(row["run"], row["method"]): row for row in table.to_dict("records")}
    base = {
        name: metric.number(mean) if math.isfinite(mean) else "--"
        for name, mean in found.baseline_means(metric.key).items()
    }
    methods = [method for method in found.methods if method in base]
    rows = [[found.baseline.name, *(base[method] for method in methods)]]
    for run in found.runs[1:]:
        cells = []
        for method in methods:
            row = known.get((run.id, method))
            has_score = row is not None and math.isfinite(row["change"])
            cells.append(
                f"{metric.number(row['mean_b'])} ({metric.number(row['change'], '+')})"
                if row is not None and has_score
                else "--"
            )
        rows.append([run.name, *cells])
    one_line = [[" ".join(cell.split()) for cell in row] for row in (["Run", *methods], *rows)]
    cells_of = pd.DataFrame(one_line[1:], columns=one_line[0])
    text = cells_of.to_latex(index=False, escape=True, column_format="l" + "r" * len(methods))
    comments = {
        "Score": f"mean {metric.label}, in brackets the change from the first run",
        **{f"Verdict of {row['run']} by {row['method']}": _verdict(row) for row in known.values()},
    }
    lines = [f"% {what}: {value}" for what, value in comments.items()]
    for run in found.runs:
        lines += [
            f"% {what}: {value or 'none'}"
            for what, value in provenance(run, found.protocol).items()
        ]
        lines += [f"% Weights of {one.id}: {one.weights_sha256 or 'none'}" for one in run.methods]
    flat = (" ".join(line.split()) for line in lines)
    return "\n".join(["% needs \\usepackage{booktabs}", *flat]) + f"\n{text}"


def missing_words(found: RunComparison, metric: Metric) -> str:
    """Sentence saying that there is no table by a metric, and which metrics have one."""
    if not found.metrics:
        if not any(line.count for run in found.runs for line in run.summary):
            return (
                "No picture of these runs has a score, as where the ground truth is private (DND): "
                "there is nothing to compare."
            )
        return "The runs have no picture and method in common: choose runs that have."
    keys = ", ".join(one.key for one in found.metrics)
    return f"The runs have no {metric.title} in common: choose one of {keys} as the metric."


def _verdict(row: dict) -> str:
    """Verdict with interval and p of a row of the summary."""
    span = f"[{row['low']:+.4g}, {row['high']:+.4g}]"
    return f"{row['verdict'] or 'none'}, {span}, p (Holm) {row['p_holm']:.3g}"
