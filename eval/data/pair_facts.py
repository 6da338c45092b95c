"""Facts of a pair beside its pictures: texts and numbers out of metadata tables, columns and names.

They come from outside, and lead to slices of a benchmark ("camera is Nikon") in tables, links and
pages: names and texts are short and of one line, numbers are finite.
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

Fact = str | float
"""One fact: a text of one line, or a finite number."""
MAX_FACTS = 32
"""Largest number of facts of a pair."""
MAX_NAME = 40
"""Longest name of a fact, in characters."""
MAX_TEXT = 120
"""Longest text of a fact, in characters; longer ones are cut."""


def clean_facts(row: Mapping[Any, Any], leave_out: Collection[str] = ()) -> dict[str, Fact]:
    r"""Take the facts out of a row of metadata; lists, objects and empty cells are left out.

    Args:
        row: Cells by name of the column. Texts that are numbers, as a CSV file has them, become
            numbers; truth values become "yes" and "no".
        leave_out: Columns that are no facts, such as those that name the pictures.

    Returns:
        At most `MAX_FACTS` facts by name, in the order of the columns.

    >>> clean_facts({"camera": " Nikon\nD800", "iso": "3200", "flash": False, "tags": ["a"]})
    {'camera': 'Nikon D800', 'iso': 3200.0, 'flash': 'no'}
    """
    found: dict[str, Fact] = {}
    for column, value in row.items():
        name = one_line(column)[:MAX_NAME]
        fact = None if column in leave_out or "=" in name else _fact(value)
        if name and fact is not None and len(found) < MAX_FACTS:
            found[name] = fact
    return found


def _fact(value: Any) -> Fact | None:
    """A cell as a fact; None where it is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:  # a whole number beyond the largest float
            return None
        return number if math.isfinite(number) else None
    if not isinstance(value, str):
        return None
    text = one_line(value)[:MAX_TEXT]
    if re.fullmatch(r"[-+]?\d{1,15}(\.\d{1,15})?", text) and not re.match(r"[-+]?0\d", text):
        return float(text)  # 007 is a name
    return text or None


def one_line(text: Any) -> str:
    """A text in one line, without characters that are not printed."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def facts_of_name(pair: str, pattern: str | None) -> dict[str, Fact]:
    r"""Facts that a pair's id tells.

    Args:
        pattern: Regular expression of ids whose named groups are facts; None where ids tell none.

    >>> facts_of_name("d800_iso6400_1", r"(?P<camera>[^_]+)_iso(?P<iso>\d+)_.*")
    {'camera': 'd800', 'iso': 6400.0}
    """
    match = re.fullmatch(pattern, pair) if pattern else None
    return clean_facts(match.groupdict()) if match else {}
