"""How much may come in, of one visitor and of all together."""

from dataclasses import dataclass

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter


@dataclass(frozen=True)
class Limits:
    """Amounts within `window_seconds`, and sizes of single requests."""

    body_bytes: int = 2_000_000
    """Largest request that is no upload."""
    upload_bytes: int = 2_000_000_000
    """Uploads of one visitor: ten photos of the largest size."""
    requests: int = 900
    """Requests of one visitor that make the program work: three a second."""
    all_requests: int = 20_000
    """Such requests of all visitors together; this also bounds how many visitors are counted."""
    failed_sign_ins: int = 10
    """Attempts to sign in from one address until one succeeds, which clears the count."""
    window_seconds: int = 300
    """How far back is counted."""
    min_free_bytes: int = 500_000_000
    """Disk space that uploads of strangers leave free."""

    def words(self) -> str:
        """Say them in a sentence."""
        minutes = self.window_seconds / 60
        return (
            f"Every {minutes:.0f} minutes, a visitor may send {self.upload_bytes / 1e9:g} GB of "
            f"photos and {self.requests} requests."
        )


class RateLimiter:
    """Adds up what came within the last seconds; safe between threads.

    Args:
        seconds: How far back is counted. Time is cut into windows, and what came in the window
            before counts by the part of it that is still within reach.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._strategy = SlidingWindowCounterRateLimiter(MemoryStorage())

    def add(self, key: str, limit: int, amount: int = 1) -> bool:
        """Count an amount if it stays within the limit; return whether it does.

        Args:
            key: What is counted, such as "uploads of 203.0.113.7".
            limit: Most that may come within the window.
            amount: What comes now.
        """
        item = RateLimitItemPerSecond(limit, multiples=self._seconds)
        return self._strategy.hit(item, key, cost=amount)

    def forget(self, key: str, limit: int) -> None:
        """Start again from nothing with what was counted under a key and a limit."""
        self._strategy.clear(RateLimitItemPerSecond(limit, multiples=self._seconds), key)
