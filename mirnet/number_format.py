"""Numbers as people read them: rounded, with units, the same on pages, in files and terminals."""

DASH = "–"
"""Placeholder for a missing number or name."""


def number(value: float | None, digits: int, sign: str = "") -> str:
    """A rounded number; a dash for none or NaN.

    Args:
        sign: "+" to write the sign of positive numbers too, "," to group thousands.

    >>> number(31.4159, 2), number(2.5, 1, "+"), number(float("nan"), 2), number(float("inf"), 2)
    ('31.42', '+2.5', '–', '∞')
    """
    if value is None or value != value:
        return DASH
    if value in (float("inf"), float("-inf")):
        return "∞" if value > 0 else "-∞"
    return f"{value:{sign}.{digits}f}"


def counted(count: int, thing: str) -> str:
    """A number with the thing that it counts, in the singular or the plural.

    >>> counted(1, "thread"), counted(2, "thread"), counted(1234, "pair")
    ('1 thread', '2 threads', '1,234 pairs')
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


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
