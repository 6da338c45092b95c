"""Escaped pieces of HTML that all tabs share; numbers are written by `mirnet.number_format`.

Every function returns `Markup`: what was passed as plain text is escaped, what is `Markup` already
is taken as it is. Join pieces with `+` only if both are `Markup`, or with `Markup("").join`.
"""

from pathlib import Path

from markupsafe import Markup

from mirnet.number_format import DASH as DASH
from mirnet.number_format import duration as duration
from mirnet.number_format import file_size as file_size
from mirnet.number_format import number as number

from .assets import Templates

_templates = Templates(Path(__file__).parent / "templates")


# ---------------------------------------------------------------- words


def facts(line: str) -> Markup:
    """A line of facts in small tabular figures."""
    return Markup('<p class="mir-facts">{}</p>').format(line)


def small(words: str) -> Markup:
    """A paragraph in small grey letters."""
    return Markup('<p class="mir-small">{}</p>').format(words)


def heading(words: str) -> Markup:
    """The heading of a part of a tab."""
    return Markup('<h2 class="mir-part">{}</h2>').format(words)


def note(words: str, *, warn: bool = False) -> Markup:
    """A small paragraph; a warning has a bar at its side."""
    return Markup('<p class="mir-note{}">{}</p>').format(" mir-warn" if warn else "", words)


def link(words: str, url: str | None) -> Markup:
    """A link that opens in a new window; only the words if `url` is None."""
    if not url:
        return Markup("{}").format(words)
    page = Markup('<a href="{}" target="_blank" rel="noreferrer">{}</a>')
    return page.format(url, words)


def empty(title: str, *paragraphs: str) -> Markup:
    """Card of a view without content: a title, and paragraphs on what a visitor can do."""
    return _templates.render("empty", title=title, paragraphs=paragraphs)


# ---------------------------------------------------------------- progress and state


def state(words: str, kind: str = "") -> Markup:
    """One sentence about what was done, announced to screen readers.

    Args:
        kind: Style of the sentence: "" for neutral, "done" or "failed".
    """
    return _templates.render("state", words=words, kind=kind)


def progress(words: str, share: float | None = None) -> Markup:
    """A progress bar with its words.

    Args:
        words: Text above the bar: current work, progress and time left.
        share: Completed share, 0 to 1; None while it is unknown, which draws a moving bar.
    """
    percent = None if share is None else round(100 * min(max(share, 0), 1))
    return _templates.render("progress", words=words, percent=percent)


# ---------------------------------------------------------------- tables


def without_empty_columns(
    heads: list[str], rows: list[list[str]]
) -> tuple[list[str], list[list[str]]]:
    """Leave out columns of which every cell is empty or a dash; the first stays.

    >>> without_empty_columns(["Method", "Seconds"], [["a", DASH], ["b", ""]])
    (['Method'], [['a'], ['b']])
    """
    kept = [
        place
        for place in range(len(heads))
        if not place or any(row[place] not in ("", DASH) for row in rows)
    ]
    return [heads[place] for place in kept], [[row[place] for place in kept] for row in rows]


def table(
    heads: list[str],
    rows: list[list[str]],
    caption: str = "",
    text_columns: int = 1,
    label: str = "",
) -> Markup:
    """A table that scrolls sideways where it is wider than the page.

    Args:
        rows: Texts of the cells; the first of each row is its head.
        text_columns: Number of text columns on the left; the others hold numbers, which are
            aligned to the right.
        label: Name for screen readers of a table without a caption; unique on its page.
    """
    return _templates.render(
        "table",
        heads=heads,
        rows=rows,
        caption=caption,
        text_columns=text_columns,
        label=caption or label or heads[0],
    )
