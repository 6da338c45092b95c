"""Times of lines that several machines write and later lines replace.

Files are merged by these times, and a machine's clock may be ahead of another's.
"""

import datetime
from collections.abc import Iterable

MAX_AHEAD = datetime.timedelta(days=1)
"""Most that the time of a line may be ahead of this machine's clock; other lines are damaged."""


def now() -> datetime.datetime:
    """This machine's time, UTC."""
    return datetime.datetime.now(datetime.UTC)


def latest_time() -> datetime.datetime:
    """Latest time, UTC, that a line of another machine can have."""
    return now() + MAX_AHEAD


def time_after(earlier: Iterable[datetime.datetime]) -> datetime.datetime:
    """Time, UTC, of a line that replaces earlier ones: now, or just after them."""
    just_after = [time + datetime.timedelta(microseconds=1) for time in earlier]
    return max([now(), *just_after])
