"""HTML of comparisons and checks of stored runs."""

import math
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from eval.analysis import statistics
from eval.app.page_files import TEMPLATES
from eval.reports.board_text import p_text
from eval.reports.comparison_export import missing_words
from mirnet.app.kit import html as kit
from mirnet.metrics.registry import get_metric
from mirnet.number_format import counted

if TYPE_CHECKING:
    from eval.analysis.run_comparison import RunComparison
    from eval.runs.verify import Finding

CHIPS = {"better": "better", "worse": "worse", "tied": "tie", "too few": "too few", "same": "same"}
"""Chip of each verdict on a run."""


def comparison(found: "RunComparison", metric: str) -> Markup:
    """Table of runs by methods with the change from the baseline run, and what else differs.

    Args:
        found: The comparison.
        metric: Key of the metric of the table.
    """
    if metric not in {one.key for one in found.metrics}:
        text = kit.note(missing_words(found, get_metric(metric)), warn=True)
    else:
        text = _matrix(found, metric)
        warning = statistics.caution(*found.most())
        text += kit.note(warning, warn=True) if warning else Markup("")
    if found.left_out:
        text += kit.note(
            f"Not compared: {counted(found.left_out, 'pair')} with the same id and other files.",
            warn=True,
        )
    rows = [[str(cell) for cell in row] for row in found.differences.to_numpy().tolist()]
    if len(found.summary):
        text += TEMPLATES.render("compare_numbers", table=_numbers(found))
    if not rows:
        return text + kit.note("No differences in configuration.")
    heads = ["What", *(run.id for run in found.runs)]
    return text + kit.table(heads, rows, "Differences in configuration", len(heads))


def _matrix(found: "RunComparison", metric: str) -> Markup:
    """Means of every run and method, and the change from the baseline run with its interval."""
    shown, table = get_metric(metric), found.summary[found.summary.metric == metric]
    known = {(row["run"], row["method"]): row for row in table.to_dict("records")}
    ends = [abs(row[name]) for row in known.values() for name in ("low", "high", "change")]
    most = max((end for end in ends if math.isfinite(end)), default=0.0) or 1.0

    def cell(row: dict[str, Any] | None) -> dict[str, Any] | None:
        if row is None or not math.isfinite(row["change"]):
            return None
        verdict = verdict_of(row)
        spans = math.isfinite(row["low"])
        low, high = (50 + 50 * row[name] / most if spans else 0 for name in ("low", "high"))
        return {
            "mean": shown.number(row["mean_b"]),
            "change": shown.number(row["change"], "+"),
            "span": f"{shown.number(row['low'], '+')} to {shown.number(row['high'], '+')}"
            if spans
            else "",
            "bar": (round(low, 1), round(100 - high, 1)) if spans else None,
            "at": round(50 + 50 * row["change"] / most, 1),
            "chip": CHIPS[verdict],
            "verdict": verdict,
        }

    base = {name: shown.number(mean) for name, mean in found.baseline_means(metric).items()}
    methods = [name for name in found.methods if name in base]
    return TEMPLATES.render(
        "compare",
        metric=shown.label,
        protocol=found.protocol,
        methods=methods,
        tested=len(known),
        pictures={name: known_pairs(table, name) for name in methods},
        baseline=found.baseline,
        base=base,
        rows=[
            (run, [cell(known.get((run.id, method))) for method in methods])
            for run in found.runs[1:]
        ],
    )


def known_pairs(table: Any, method: str) -> int:
    """Number of pictures that the numbers of a method are over."""
    return int(table[table.method == method].pairs.max())


def _numbers(found: "RunComparison") -> Markup:
    """Every change of every metric as a plain table."""
    rows = []
    for row in found.summary.to_dict("records"):
        metric = get_metric(row["metric"])
        digits = metric.decimals + 1
        rows.append(
            [
                row["run"],
                row["method"],
                metric.label,
                str(row["pairs"]),
                kit.number(row["change"], digits, "+"),
                f"{kit.number(row['low'], digits, '+')} to {kit.number(row['high'], digits, '+')}",
                p_text(row["p_holm"]),
                verdict_of(row) or kit.DASH,
                str(row["same_outputs"]),
            ]
        )
    heads = ["Run", "Method", "Score", "Pictures", "Change", "95 % interval", "p (Holm)"]
    caption = f"From the baseline run {found.baseline.id}, {found.protocol}"
    return kit.table([*heads, "Verdict", "Bit-identical"], rows, caption, 3)


def verdict_of(row: dict[str, Any]) -> str:
    """Whether a method is better than in the baseline run; "same" for bit-identical results."""
    if row["pairs"] and row["same_outputs"] >= row["matched"]:
        return "same"
    return str(row["verdict"])


def findings(rows: "list[Finding]", *, complete: bool) -> Markup:
    """Checks of a recomputed sample of a run.

    Args:
        rows: Checks so far.
        complete: Whether all checks are done.
    """
    cells = [[row.pair, row.method, row.what, row.outcome, row.detail] for row in rows]
    wrong = sum(row.outcome == "differs" for row in rows)
    unknown = sum(row.outcome == "cannot be checked" for row in rows)
    if not complete:
        head = kit.progress(f"Recomputing · {len(rows)} checks so far")
    elif wrong:
        head = kit.state(f"{wrong} of {len(rows)} checks differ from what is stored.", "failed")
    elif unknown:
        head = kit.state(f"No check differs; {unknown} of {len(rows)} could not be made.")
    else:
        head = kit.state(f"All {len(rows)} checks agree with what is stored.", "done")
    if not cells:
        return head
    heads = ["Pair", "Method", "What", "Outcome", "Detail"]
    return head + kit.table(heads, cells, "Checks", text_columns=5)
