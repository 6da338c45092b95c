"""HTML of comparisons and checks of stored runs."""

from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from eval.analysis import statistics
from eval.analysis.score_tables import other_metrics
from mirnet.app.kit import html as kit

if TYPE_CHECKING:
    from eval.analysis.run_comparison import RunComparison
    from eval.runs.verify import Finding


def comparison(found: "RunComparison") -> Markup:
    """Changes of every method between two runs, and differences in their configuration."""
    summary = [
        [
            str(row["method"]),
            str(row["pairs"]),
            kit.number(row["change_db"], 3, "+"),
            f"{kit.number(row['low'], 3, '+')} to {kit.number(row['high'], 3, '+')}",
            "< 0.001" if row["p_holm"] < 0.001 else kit.number(row["p_holm"], 3),
            _verdict(row, ""),
            *_other_metrics(row),
            str(row["same_outputs"]),
        ]
        for row in found.summary.to_dict("records")
    ]
    heads = ["Method", "Pairs", "Change (dB)", "95 % interval", "p", "Verdict"]
    heads += [f"{metric.title} change" for metric in other_metrics()] + ["Bit-identical"]
    if summary:
        text = kit.table(heads, summary, f"From the stored run to the second one, {found.protocol}")
        most = found.summary.sort_values("pairs").iloc[-1]
        warning = statistics.caution(int(most.pairs), int(most.scenes))
        text += kit.note(warning, warn=True) if warning else Markup("")
    else:
        text = kit.note("The two runs have no picture and method in common.", warn=True)
    if found.left_out:
        text += kit.note(
            f"{found.left_out} pairs have the same id and other files: they are not compared.",
            warn=True,
        )
    rows = [[row["what"], row["a"], row["b"]] for row in found.differences.to_dict("records")]
    if not rows:
        return text + kit.note("No differences in configuration.")
    heads = ["What", found.a.id, found.b.id]
    return text + kit.table(heads, rows, "Differences in configuration", text_columns=3)


def _other_metrics(row: dict[str, Any]) -> list[str]:
    """Change and verdict of each metric that does not rank."""
    return [
        f"{kit.number(row[f'{metric.stem}_change'], metric.decimals, '+')}, "
        f"{_verdict(row, f'{metric.stem}_')}"
        for metric in other_metrics()
    ]


def _verdict(row: dict[str, Any], stem: str) -> str:
    """Whether a method is better in the second run."""
    if row["pairs"] and row["same_outputs"] >= row["pairs"]:
        return "same"
    return str(row[f"{stem}verdict"]) or kit.DASH


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
