"""Escaped pieces of HTML and number formats that all tabs share.

Every function returns `Markup`: what was passed as plain text is escaped, what is `Markup` already
is taken as it is. Join pieces with `+` only if both are `Markup`, or with `Markup("").join`.
"""

from pathlib import Path

from markupsafe import Markup

from .assets import Templates

DASH = "–"
"""Placeholder for a missing number or name."""

_templates = Templates(Path(__file__).parent / "templates")


# ---------------------------------------------------------------- numbers


def number(value: float | None, digits: int, sign: str = "") -> str:
    """A rounded number; a dash for none or NaN.

    Args:
        value: The number.
        digits: Decimals.
        sign: "+" to write the sign of positive numbers too, "," to group thousands.

    >>> number(31.4159, 2), number(2.5, 1, "+"), number(float("nan"), 2), number(float("inf"), 2)
    ('31.42', '+2.5', '–', '∞')
    """
    if value is None or value != value:
        return DASH
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "-∞"
    return f"{value:{sign}.{digits}f}"


def duration(seconds: float) -> str:
    """A duration in words, rounded, at least one second.

    >>> duration(7.6), duration(80), duration(4000)
    ('8 s', '1 min 20 s', '1 h 7 min')
    """
    whole = max(round(seconds), 1)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {round(whole % 3600 / 60)} min"


def file_size(size_bytes: int) -> str:
    """The size of a file in decimal units.

    >>> file_size(700), file_size(34_900), file_size(2_340_000)
    ('1 kB', '34 kB', '2.3 MB')
    """
    if size_bytes >= 1e5:
        return f"{size_bytes / 1e6:.1f} MB"
    return f"{max(size_bytes // 1000, 1)} kB"


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
        words: The sentence.
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


def table(
    heads: list[str], rows: list[list[str]], caption: str = "", text_columns: int = 1
) -> Markup:
    """A table that scrolls sideways where it is wider than the page.

    Args:
        heads: Titles of the columns.
        rows: Texts of the cells; the first of each row is its head.
        caption: Caption above the table.
        text_columns: Number of text columns on the left; the others hold numbers, which are
            aligned to the right.
    """
    return _templates.render(
        "table", heads=heads, rows=rows, caption=caption, text_columns=text_columns
    )
