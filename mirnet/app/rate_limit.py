"""Rate limits of requests and uploads, per visitor and in total."""

from dataclasses import dataclass

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter


@dataclass(frozen=True)
class RequestLimits:
    """Limits on amounts within `window_seconds`, and on the size of single requests."""

    body_bytes: int = 2_000_000
    """Largest request other than an upload, in bytes."""
    upload_bytes: int = 2_000_000_000
    """Most bytes one visitor uploads: ten photos of the largest size."""
    requests: int = 900
    """Most requests of one visitor that cause computation: three per second."""
    all_requests: int = 20_000
    """Most such requests of all visitors; this also bounds the number of counted visitors."""
    failed_sign_ins: int = 10
    """Most failed sign-ins from one address; a successful one resets the count."""
    window_seconds: int = 300
    """Length of the sliding window in seconds."""
    min_free_bytes: int = 500_000_000
    """Free disk space in bytes below which uploads of visitors are refused."""

    def words(self) -> str:
        """Describe the limits in a sentence."""
        minutes = self.window_seconds / 60
        return (
            f"Every {minutes:.0f} minutes, a visitor may send {self.upload_bytes / 1e9:g} GB of "
            f"photos and {self.requests} requests."
        )


class RateLimiter:
    """Sliding-window counter of amounts by key; thread-safe.

    Args:
        seconds: Length of the sliding window. Amounts are kept per fixed window; the previous
            one counts in proportion to its overlap with the sliding window.
    """

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._strategy = SlidingWindowCounterRateLimiter(MemoryStorage())

    def add(self, key: str, limit: int, amount: int = 1) -> bool:
        """Count an amount if it stays within the limit; return whether it does.

        Args:
            key: Name of the counter, such as "uploads of 203.0.113.7".
            limit: Largest sum within the window.
        """
        item = RateLimitItemPerSecond(limit, multiples=self._seconds)
        return self._strategy.hit(item, key, cost=amount)

    def is_full(self, key: str, limit: int) -> bool:
        """Whether nothing more can be counted for a key within the limit."""
        item = RateLimitItemPerSecond(limit, multiples=self._seconds)
        return not self._strategy.test(item, key)

    def forget(self, key: str, limit: int) -> None:
        """Reset the counter of a key and a limit to zero."""
        self._strategy.clear(RateLimitItemPerSecond(limit, multiples=self._seconds), key)
