"""A run's numbers as files: CSV, Parquet, Markdown, LaTeX, and metadata for a model card.

No number leaves without what it depends on: run, protocol with version, hash of the weights,
fingerprint of the pictures, revision of the benchmark and date. A run that lacks one of them is
refused. Titles, ids and error messages are text from outside and are escaped for each format.
"""

import io
import json
import math
from typing import TYPE_CHECKING, Any

from eval.analysis.csv_tables import csv_text
from eval.analysis.tables import (
    caution,
    chosen_protocol,
    default_baseline,
    leaderboard,
    scores_frame,
)
from eval.runs.document import Run
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = {
    "csv": ".csv",
    "parquet": ".parquet",
    "markdown": ".md",
    "latex": ".tex",
    "model-index": ".yaml",
}
"""What `export` writes, and the file name suffix of each format."""


def export(
    stored: StoredRun,
    format: str,  # noqa: A002
    baseline: str | None = None,
    protocol: str | None = None,
) -> bytes:
    """Write a run as a file.

    Args:
        stored: The run.
        format: "csv" and "parquet" hold one row for each picture, method and protocol; "markdown"
            and "latex" (booktabs) the leaderboard; "model-index" one YAML document with an entry
            for each method that has weights.
        baseline: Method that the leaderboard pairs others with; `compare.default_baseline` where
            none is given.
        protocol: Of leaderboard and model-index; the run's first by default.

    Returns:
        Content of the file; text is UTF-8.

    Raises:
        InvalidRequest: The format is unknown, the run has no such baseline or protocol, or it lacks
            what its numbers depend on.
    """
    if format not in SUFFIXES:
        raise InvalidRequest(
            f"There is no export as {format!r}: choose one of {', '.join(SUFFIXES)}."
        )
    run = stored.header()
    _require_provenance(run)
    if format == "csv":
        return csv_text(picture_table(stored)).encode()
    if format == "parquet":
        return _parquet(picture_table(stored))
    name = chosen_protocol(run, protocol)
    board = leaderboard(stored, baseline or default_baseline(run), name)
    if format == "model-index":
        return _model_index(run, board, name).encode()
    write = _markdown if format == "markdown" else _latex
    return write(run, board, name).encode()


def picture_table(stored: StoredRun) -> "pd.DataFrame":
    """One row for each picture, method and protocol, with all that the number depends on.

    Rows without a result keep their error and have no scores.

    Raises:
        InvalidRequest: The run is damaged.
    """
    import pandas as pd

    run = stored.header()
    weights = {method.id: method.weights_sha256 for method in run.methods}
    parts = []
    for protocol in run.protocols:
        part = scores_frame(stored, protocol)
        part.insert(2, "protocol", protocol)
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    table["method"] = table.method.astype(str)
    table["weights_sha256"] = table.method.map(weights)
    return table.assign(
        run=run.id,
        date=run.created.isoformat(),
        task=run.task,
        benchmark=run.benchmark.id,
        benchmark_revision=run.benchmark.revision,
        synthetic=run.benchmark.synthetic,
        data_sha256=run.data_sha256,
    )


def provenance(run: Run, protocol: str) -> dict[str, str]:
    """What the numbers of a run depend on, as pairs of words for a caption.

    Args:
        run: Header of the run.
        protocol: Name with version.
    """
    bench = run.benchmark
    kind = ", synthetic degradation" if bench.synthetic else ""
    kind += "" if bench.official else ", not the official pictures"
    return {
        "Run": run.id,
        "Date": f"{run.created:%Y-%m-%d %H:%M} UTC",
        "Status": run.status,
        "Protocol": protocol,
        "Benchmark": f"{bench.title} ({bench.id}){kind}",
        "Pairs": f"{bench.n} of {bench.of}, seed {bench.seed}",
        "Benchmark revision": bench.revision,
        "Data fingerprint": run.data_sha256 or "none yet",
    }


def _require_provenance(run: Run) -> None:
    if run.data_sha256 is None:
        raise InvalidRequest(
            f"Run {run.id} has no data fingerprint yet, and numbers are not written without it: "
            "let the run end, or resume it."
        )
    for method in run.methods:
        if method.kind == "weights" and method.weights_sha256 is None:
            raise InvalidRequest(
                f"Run {run.id} does not say which weights {method.id!r} had, and numbers are not "
                "written without their hash: run it again."
            )


# ---------------------------------------------------------------- one row for each picture


def _parquet(table: "pd.DataFrame") -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


# ---------------------------------------------------------------- leaderboards

_HEADS = (
    "Method",
    "PSNR (dB)",
    "95 % interval",
    "SSIM",
    "Difference (dB)",
    "p",
    "Wins",
    "s/MP",
    "Parameters",
    "Scored",
    "Failed",
    "Identical",
    "Weights SHA-256",
)


def board_cells(board: "pd.DataFrame") -> list[dict[str, str]]:
    """Round and word the rows of `compare.leaderboard` for people.

    Returns:
        For each row the text under each heading; "–" where there is nothing to say. A difference
        whose interval includes zero ends in "tied".
    """
    return [
        dict(
            zip(
                _HEADS,
                (
                    str(row["method"]),
                    _number(row["psnr_db"], 2),
                    _interval(row["psnr_low"], row["psnr_high"], 2),
                    _number(row["ssim"], 4),
                    _difference(row),
                    _p_value(row["p_value"]),
                    _percent(row["win_rate"]),
                    _number(row["s_per_mp"], 2),
                    _count(row["parameters"]),
                    str(row["count"]),
                    str(row["failed"]),
                    str(row["identical"]),
                    row["weights_sha256"] if row["kind"] == "weights" else "no weights",
                ),
                strict=True,
            )
        )
        for row in board.to_dict("records")
    ]


def _number(value: float, digits: int, sign: str = "") -> str:
    return f"{value:{sign}.{digits}f}" if math.isfinite(value) else "–"


def _interval(low: float, high: float, digits: int, sign: str = "") -> str:
    if not math.isfinite(low):
        return "–"
    return f"{_number(low, digits, sign)} to {_number(high, digits, sign)}"


def _difference(row: dict[str, Any]) -> str:
    if not math.isfinite(row["difference_db"]):
        return "–"
    span = _interval(row["difference_low"], row["difference_high"], 2, "+")
    return f"{row['difference_db']:+.2f} ({span})" + (", tied" if row["tied"] else "")


def _p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else _number(value, 3)


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if math.isfinite(value) else "–"


def _count(value: Any) -> str:
    import pandas as pd

    return "–" if pd.isna(value) else f"{int(value):,}"


def _how_to_read(board: "pd.DataFrame") -> str:
    baseline = board.baseline.iloc[0] if len(board) else None
    if baseline is None:
        words = "No baseline was chosen."
    else:
        words = (
            f"Difference, p (Wilcoxon signed-rank, two-sided) and wins are against {baseline}, "
            "paired by picture; tied: the interval of the difference includes zero."
        )
    return f"{words} {caution(board)}".rstrip()


def _markdown(run: Run, board: "pd.DataFrame", protocol: str) -> str:
    lines = [f"# {_markdown_text(run.name)}", ""]
    lines.append("| " + " | ".join(_HEADS) + " |")
    lines.append("|" + "|".join([" :-- "] + [" --: "] * (len(_HEADS) - 1)) + "|")
    for cells in board_cells(board):
        lines.append("| " + " | ".join(_markdown_text(cells[head]) for head in _HEADS) + " |")
    lines += ["", _markdown_text(_how_to_read(board)), ""]
    lines += [
        f"- {what}: {_markdown_text(value)}" for what, value in provenance(run, protocol).items()
    ]
    return "\n".join(lines) + "\n"


def _markdown_text(text: str) -> str:
    flat = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{letter}" if letter in "\\`*_[]|#~" else letter for letter in flat)


def _latex(run: Run, board: "pd.DataFrame", protocol: str) -> str:
    facts = "; ".join(
        f"{_latex_text(what)}: {_latex_text(value)}"
        for what, value in provenance(run, protocol).items()
    )
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{_latex_text(run.name)}. {_latex_text(_how_to_read(board))} {facts}.}}",
        f"\\begin{{tabular}}{{l{'r' * (len(_HEADS) - 1)}}}",
        "\\toprule",
        " & ".join(map(_latex_text, _HEADS)) + r" \\",
        "\\midrule",
    ]
    lines += [
        " & ".join(_latex_text(cells[head]) for head in _HEADS) + r" \\"
        for cells in board_cells(board)
    ]
    lines += ["\\bottomrule", "\\end{tabular}", "\\end{table}"]
    return "\n".join(lines) + "\n"


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "–": "--",
        **{letter: f"\\{letter}" for letter in "&%$#_"},
    }
)


def _latex_text(text: str) -> str:
    return " ".join(str(text).split()).translate(_LATEX)


# ---------------------------------------------------------------- model cards


def _model_index(run: Run, board: "pd.DataFrame", protocol: str) -> str:
    from huggingface_hub import EvalResult
    from huggingface_hub.repocard_data import eval_results_to_model_index
    from huggingface_hub.utils import yaml_dump

    learned = board[board.kind == "weights"]
    entries: list[dict[str, Any]] = []
    for row in learned.to_dict("records"):
        args = {
            "protocol": protocol,
            "weights_sha256": row["weights_sha256"],
            "data_sha256": run.data_sha256,
            "run": run.id,
            "date": run.created.isoformat(),
            "scored": row["count"],
            "failed": row["failed"],
            "identical": row["identical"],
        }
        bench = run.benchmark
        results = [
            EvalResult(
                task_type="image-to-image",
                task_name=run.task,
                dataset_type=bench.id,
                dataset_name=bench.title,
                dataset_revision=bench.revision,
                dataset_args={
                    "pairs": bench.n,
                    "of": bench.of,
                    "seed": bench.seed,
                    "synthetic": bench.synthetic,
                },
                metric_type=metric,
                metric_name=f"{name}, protocol {protocol}",
                metric_value=round(row[column], digits),
                metric_args=args,
            )
            for metric, name, column, digits in (
                ("psnr", "PSNR in dB", "psnr_db", 4),
                ("ssim", "SSIM", "ssim", 6),
            )
            if math.isfinite(row[column])
        ]
        if results:
            entries += eval_results_to_model_index(str(row["method"]), results)
    if not entries:
        raise InvalidRequest(
            f"Run {run.id} has no scores of a method with weights, and a model card is about "
            "weights: export it as csv, parquet, markdown or latex."
        )
    # Values of numpy and of pydantic become plain ones on the way through JSON.
    return yaml_dump({"model-index": json.loads(json.dumps(entries))})
