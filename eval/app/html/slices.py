"""HTML of the Slices view: where one method loses to another."""

import math
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from eval.analysis.slices import Slice, fact_title
from eval.app.page_files import TEMPLATES
from eval.app.view_state import ViewState
from eval.reports.board_text import p_text
from mirnet.metrics.registry import get_metric

if TYPE_CHECKING:
    import pandas as pd

CHIPS = {"better": "better", "worse": "loses", "tied": "tie", "too few": "too few"}
"""Chip of each verdict on the first method."""


def slices_table(found: "pd.DataFrame", state: ViewState, a: str, b: str) -> Markup:
    """A row for each slice, where the first method loses most first; each leads to its pictures.

    Args:
        found: Result of `eval.analysis.slices.compared_slices`.
        state: State of the view, with both methods.
        a: Title of the first method.
        b: Title of the second method.
    """
    metric = get_metric(state.metric)
    ends = [end for name in ("low", "high", "difference") for end in found[name]]
    most = max((abs(end) for end in ends if math.isfinite(end)), default=0.0) or 1.0

    def place(value: float) -> float:
        return round(50 + 50 * value / most, 1)

    def shown(row: dict[str, Any]) -> dict[str, Any]:
        low, high = row["low"], row["high"]
        known = math.isfinite(low)
        link = state.model_copy(
            update={"view": "pictures", "which": "loss", "slices": (row["slice"],), "pair": None}
        )
        return {
            "fact": fact_title(row["fact"]),
            "label": row["label"],
            "link": f"?{link.query()}",
            "pairs": row["pairs"],
            "scenes": row["scenes"],
            "a": metric.number(row["a"]),
            "b": metric.number(row["b"]),
            "difference": metric.number(row["difference"], "+"),
            "value": row["difference"],
            "span": f"{metric.number(low, '+')} to {metric.number(high, '+')}" if known else "",
            "bar": (place(low), 100 - place(high)) if known else None,
            "at": place(row["difference"]),
            "p": p_text(row["p_holm"]),
            "chip": CHIPS.get(row["verdict"], ""),
            "loses": row["verdict"] == "worse",
        }

    rows = [shown(row) for row in found.to_dict("records")]
    return TEMPLATES.render("slices", rows=rows, a=a, b=b, metric=metric.label)


def slice_choices(slices: list[Slice]) -> list[tuple[str, str]]:
    """Slices as (title, name), with the number of their pictures."""
    return [(f"{one.title} ({len(one.pairs)})", one.name) for one in slices]
