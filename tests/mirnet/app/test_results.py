"""What stays in memory for the next click."""

from types import SimpleNamespace

import pytest

from mirnet.app.results import LRUCache, ResultCache
from mirnet.errors import InvalidRequest


def test_the_newest_results_stay_within_their_memory():
    cache = ResultCache(max_bytes=130_000)
    results = [SimpleNamespace(nbytes=60_000) for _ in range(3)]
    keys = [cache.put(result) for result in results]
    assert cache.get(keys[1]) is results[1]
    assert cache.get(keys[2]) is results[2]
    for gone in (keys[0], None, "guess"):
        with pytest.raises(InvalidRequest, match="press Restore again"):
            cache.get(gone)


def test_one_that_was_looked_at_stays_longer():
    cache = LRUCache(max_bytes=2, size=lambda value: 1, gone="Gone.")
    first, second = cache.put("first"), cache.put("second")
    cache.get(first)
    cache.put("third")
    assert cache.get(first) == "first"
    with pytest.raises(InvalidRequest, match="Gone"):
        cache.get(second)


def test_the_newest_stays_however_large_it_is():
    cache = ResultCache(max_bytes=1)
    small, huge = SimpleNamespace(nbytes=1), SimpleNamespace(nbytes=100)
    key = cache.put(small)
    assert cache.get(cache.put(huge)) is huge
    with pytest.raises(InvalidRequest):
        cache.get(key)
