"""Cache of recorded network passes, bounded by memory."""

import threading

from mirnet.errors import InvalidRequest
from mirnet.inside.trace import Trace, trace
from mirnet.weights import load as weights

from ..kit.widgets import translate_errors
from ..photo_reader import PhotoReader
from ..result_cache import LRUCache

MAX_BYTES = 256 * 2**20
"""Memory limit for cached passes in bytes: about thirty of the authors' networks."""


class TraceCache(LRUCache[Trace]):
    """Runs passes and keeps the newest.

    Args:
        reader: Reads the photos.
        max_bytes: Memory limit for cached passes; the newest always stays.
    """

    def __init__(self, reader: PhotoReader, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(
            max_bytes,
            lambda found: found.nbytes,
            "This look is no longer kept: press Look inside again.",
        )
        self.reader = reader
        self._examples: dict[tuple[str, str], str] = {}
        self._examples_lock = threading.Lock()

    def run(self, path: str | None, task_id: str, weights_id: str) -> Trace:
        """Run a photo through a network; the pass is kept only if `put` is called.

        Raises:
            MIRNetError: See `mirnet.inside.trace.trace`.
        """
        photo = None if path is None else self.reader.read(path)
        return trace(photo, task_id, weights.load(weights_id))

    def of_example(self, path: str, task_id: str, weights_id: str) -> str:
        """The key of an example's pass, which runs only if it is not in the cache.

        Raises:
            MIRNetError: See `mirnet.inside.trace.trace`.
        """
        with self._examples_lock:  # visitors who come together wait for one pass
            try:
                key = self._examples[path, weights_id]
                self.get(key)
            except (KeyError, InvalidRequest):
                key = self.put(self.run(path, task_id, weights_id))
                self._examples[path, weights_id] = key
        return key

    def shown(self, key: str | None) -> Trace:
        """Look a pass up for an event of the page.

        Raises:
            gr.Error: The pass was evicted.
        """
        with translate_errors():
            return self.get(key)
