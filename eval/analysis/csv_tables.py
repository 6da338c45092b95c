"""Tables as CSV files that are safe to open in a spreadsheet program."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters by which spreadsheet programs recognise a formula (OWASP, CSV injection)."""


def csv_text(table: "pd.DataFrame") -> str:
    """Write a table as CSV; text that would be taken for a formula gets an apostrophe in front.

    Numbers and truth values are written as they are, negative ones included.
    """
    text = table.select_dtypes(exclude=["number", "bool"]).columns
    safe = table.assign(**{column: table[column].map(_plain_cell) for column in text})
    return safe.to_csv(index=False, lineterminator="\n")


def _plain_cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
