"""Tables of the Evaluate page: sort value, text and emphasis of each cell."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eval.analysis.score_tables import RANKING
from eval.runs.document import Run
from mirnet.app.kit import html as kit
from mirnet.metrics.registry import METRICS, OPTIONAL, get_metric
from mirnet.tasks import TASKS, get_task

if TYPE_CHECKING:
    import pandas as pd

HISTORY = [
    "Title", "Status", "When (UTC)", "Task", "Pairs", "Methods", f"Best ({RANKING.unit})",
    "Best method",
    "Protocol", "Run",
]  # fmt: skip
"""Column titles of the history."""
MAX_CHANGES = 500
"""Most changes of single pictures that a table shows; files hold all."""
_RIGHT = "text-align: right; font-variant-numeric: tabular-nums;"


def _cells(data: list[list[Any]], shown: list[list[str]], bold: set[tuple[int, int]]) -> Any:
    """Cells sorted by value and displayed as text, with numbers aligned to the right."""
    styling = [
        [
            ("" if column == 0 or isinstance(value, str) else _RIGHT)
            + ("font-weight: 700;" if (line, column) in bold else "")
            for column, value in enumerate(row)
        ]
        for line, row in enumerate(data)
    ]
    return {"display_value": shown, "styling": styling}


def _plain(value: Any) -> float | None:
    import pandas as pd

    if pd.isna(value):
        return None
    number = float(value)
    return number if abs(number) != float("inf") else None


def pairs_value(
    scores: "pd.DataFrame", pairs: list[str], metric: str, titles: Mapping[str, str]
) -> dict[str, Any]:
    """Table of scores with one row per picture and one column per method.

    Args:
        scores: Scores of a run under a protocol.
        pairs: Ids of the pictures, in the order of the rows.
        metric: Key of the score.
        titles: Names of the methods by id.
    """
    shown_metric = get_metric(metric)
    digits, best_of = shown_metric.decimals, max if shown_metric.higher_is_better else min
    names = list(scores.method.cat.categories)
    part = scores[scores.pair.isin(set(pairs))]
    wide = part.pivot_table(
        index="pair", columns="method", values=metric, observed=False, dropna=False
    ).reindex(index=pairs, columns=names)
    data: list[list[Any]] = [
        [pair, *map(_plain, row)] for pair, row in zip(pairs, wide.to_numpy(), strict=True)
    ]
    shown = [[row[0], *(kit.number(value, digits) for value in row[1:])] for row in data]
    bold = {
        (line, place)
        for line, row in enumerate(data)
        for place, value in enumerate(row[1:], 1)
        if value is not None and value == best_of(v for v in row[1:] if v is not None)
    }
    return {
        "data": data,
        "headers": ["Picture", *(titles[name] for name in names)],
        "metadata": _cells(data, shown, bold),
    }


def changes_value(changes: "pd.DataFrame") -> dict[str, Any]:
    """Table of the largest changes, with one row per picture, method and run."""
    data, shown = [], []
    columns = _change_columns(changes)
    for row in changes.head(MAX_CHANGES).to_dict("records"):
        plain = [_plain(row[name]) for name in columns]
        texts = [kit.number(row[name], digits, sign) for name, (_, digits, sign) in columns.items()]
        same = "same" if row["same_output"] else "differs"
        names = [row["pair"], row["method"], row["run"]]
        data.append([*names, *plain, same])
        shown.append([*names, *texts, same])
    heads = ["Picture", "Method", "Run", *(head for head, *_ in columns.values()), "Output"]
    return {"data": data, "headers": heads, "metadata": _cells(data, shown, set())}


def _change_columns(changes: "pd.DataFrame") -> dict[str, tuple[str, int, str]]:
    """Heading, decimals and sign of each column: both scores that rank, and all changes."""
    unit, stem, digits = RANKING.unit, RANKING.stem, RANKING.decimals
    columns = {
        f"{stem}_a": (f"Baseline run ({unit})", digits, ""),
        f"{stem}_b": (f"Run ({unit})", digits, ""),
        f"{stem}_change": (f"Change ({unit})", digits + 1, "+"),
    }
    for metric in (METRICS | OPTIONAL).values():
        name = f"{metric.stem}_change"
        if name in changes.columns:
            columns.setdefault(name, (f"Change {metric.label}", metric.decimals, "+"))
    return columns


def history_row(run: Run, state: str) -> list[Any]:
    """One run as a row of `HISTORY`."""
    known = {line.method: line.scores.get(RANKING.key, math.nan) for line in run.summary}
    known = {method: mean for method, mean in known.items() if not math.isnan(mean)}
    best = max(known, key=lambda method: known[method], default=None)
    return [
        run.name,
        state,
        f"{run.created:%Y-%m-%d %H:%M}",
        get_task(run.task).title if run.task in TASKS else run.task,
        run.benchmark.n,
        len(run.methods),
        known[best] if best else None,
        best or kit.DASH,
        run.protocol,
        run.id,
    ]


def history_value(rows: list[list[Any]]) -> dict[str, Any]:
    """Rows of `history_row` as a table."""
    best = HISTORY.index(f"Best ({RANKING.unit})")
    shown = [
        [
            kit.number(cell, RANKING.decimals) if place == best else str(cell)
            for place, cell in enumerate(row)
        ]
        for row in rows
    ]
    return {"data": rows, "headers": HISTORY, "metadata": _cells(rows, shown, set())}
