"""HTML of a stored run: its header, and the notes and tables around its leaderboard."""

from typing import TYPE_CHECKING

from markupsafe import Markup

from eval.analysis.leaderboards import caution, lead
from eval.analysis.published import (
    caveats,
    published_beside,
    published_for,
)
from eval.app.page_files import TEMPLATES
from eval.app.run_status import Snapshot
from eval.methods.method_record import MethodRecord
from eval.reports.board_text import left_out_words, paired_columns
from eval.runs.document import Run
from mirnet.app.kit import html as kit
from mirnet.metrics.protocols import PROTOCOLS
from mirnet.metrics.registry import metrics_in

if TYPE_CHECKING:
    import pandas as pd


def method_label(method: MethodRecord) -> str:
    """Label of a method in a list: the title, and the id that tables and plots use."""
    return method.id if method.title == method.id else f"{method.title} · {method.id}"


def method_titles(run: Run) -> dict[str, str]:
    """Names of a run's methods by id, for people: titles, with the id where two share one."""
    titles = [method.title for method in run.methods]
    return {
        method.id: method.title if titles.count(method.title) == 1 else method_label(method)
        for method in run.methods
    }


def protocol_label(name: str) -> str:
    """Label of a protocol in a list: its name with version, and its title."""
    known = PROTOCOLS.get(name.partition("/")[0])
    return f"{name} · {known.title}" if known else name


def run_head(found: Snapshot) -> Markup:
    """Header of a run in two lines: its name, and everything its scores depend on."""
    return TEMPLATES.render("run_head", found=found, run=found.run, bench=found.run.benchmark)


def board_notes(board: "pd.DataFrame", baseline: str | None) -> Markup:
    """Explanation of the leaderboard's columns.

    Args:
        board: Table from `eval.analysis.leaderboards.leaderboard`.
        baseline: Id of the method that all others are paired with.
    """
    words = (
        "Click a heading to sort, a row to see that method's worst pictures. "
        "Mean over pictures with its 95 % bootstrap interval. Best in bold. "
        "s/MP: seconds per megapixel, the median of repeats; memory: beyond the loaded weights."
    )
    if baseline:
        words += f" {paired_columns(baseline)}"
    ranked = board[board.ranked]  # results of the others leave no picture out
    left_out = left_out_words(int(ranked.failed.sum()), int(ranked.identical.sum()))
    words = " ".join([words, *left_out])
    warning = caution(board)
    leads = lead(board)
    text = kit.note(warning, warn=True) if warning else Markup("")
    return text + (kit.note(leads) if leads else Markup("")) + kit.note(words)


def published_words(run: Run, protocol: str | None) -> Markup:
    """Published numbers beside a run, or why there are none; empty where nobody published any.

    Args:
        run: Header of the run.
        protocol: Protocol of the run's numbers; its first by default.
    """
    beside = published_beside(run, protocol)
    if beside.empty and run.benchmark.is_own and len(published_for(run.benchmark.id)):
        return kit.note(
            f"No published numbers are shown beside these: {run.benchmark.pictures}. They would be "
            "of other pictures, as far as the hashes tell."
        )
    return published_table(beside)


def published_table(beside: "pd.DataFrame") -> Markup:
    """Published numbers with their protocols; unverified ones are grey. Empty if there is none.

    Args:
        beside: Table from `eval.analysis.published.published_beside`.
    """
    if beside.empty:
        return Markup("")
    metrics = metrics_in(beside.columns)
    rows = [
        {
            "method": f"{row['method']}{_year(row['year'])}",
            "verified": row["verified"],
            "numbers": [metric.as_published(row[metric.key]) for metric in metrics],
            "words": [row["setting"], row["protocol"], row["source"]],
            "evidence": row["evidence"],
            "quote": row["quote"],
        }
        for row in beside.to_dict("records")
    ]
    first = beside.iloc[0]
    return TEMPLATES.render(
        "published",
        rows=rows,
        first=first,
        metrics=metrics,
        caveats=caveats(first.dataset),
    )


def _year(year: float | None) -> str:
    return "" if year is None or year != year else f" ({year:.0f})"


def methods_table(run: Run) -> Markup:
    """Settings, weights and packages of every method of a run, without folders of this machine."""
    rows = [
        [
            method.id,
            method.title,
            f"{method.weights_sha256[:16]} …" if method.weights_sha256 else "no weights",
            " · ".join(f"{name} {value}" for name, value in method.settings.items()) or kit.DASH,
            ", ".join(f"{name} {version}" for name, version in method.packages.items()) or kit.DASH,
        ]
        for method in run.without_folders().methods
    ]
    heads = ["Method", "Title", "Weights SHA-256", "Settings", "Packages"]
    return kit.table(heads, rows, "Settings, weights and packages", text_columns=5)
