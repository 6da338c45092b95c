"""In-memory caches of results for a visitor's next click, bounded by bytes and by age."""

import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

import cachetools

from mirnet.errors import InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image
from mirnet.images.picture import Picture
from mirnet.images.preview import PREVIEW_PX, shown_size

if TYPE_CHECKING:
    from mirnet.restoration.blending import Blend, Blender
    from mirnet.restoration.result import RestoreResult

MAX_BYTES = 600 * 2**20
"""Memory limit for cached results in bytes: two 16-bit photos of 24 megapixels."""
MAX_PICTURE_BYTES = 200 * 2**20
"""Memory limit for decoded photos in bytes: one 16-bit photo of 24 megapixels and some smaller."""
LARGE_SHARE = 4
"""A value above the limit divided by this is kept apart from the others, so that it evicts only
another large one."""

_T = TypeVar("_T")
_caches: "weakref.WeakSet[LRUCache]" = weakref.WeakSet()


class LRUCache(Generic[_T]):
    """Cache with unguessable keys that evicts the least recently used values; thread-safe.

    Large values share a limit of the same size of their own. The newest value always stays,
    whatever its size. `drop_expired` removes old values from all caches of this process.

    Args:
        max_bytes: Memory limit for all values that are not large, and for all that are.
        size: Function that gives the size of a value in bytes.
        gone: Error message for a visitor whose value was evicted.
    """

    def __init__(self, max_bytes: int, size: Callable[[_T], int], gone: str) -> None:
        self._small, self._large = (
            cachetools.LRUCache[str, _T](
                max_bytes, getsizeof=lambda value: min(size(value), max_bytes)
            )
            for _ in range(2)
        )
        self._put_at: dict[str, float] = {}
        self._is_large = lambda value: size(value) > max_bytes / LARGE_SHARE
        self._gone = gone
        self._lock = threading.Lock()
        _caches.add(self)

    def put(self, value: _T, key: str | None = None) -> str:
        """Keep a value and return its key, by default one that cannot be guessed."""
        key = key or secrets.token_urlsafe(12)
        with self._lock:
            lane = self._large if self._is_large(value) else self._small
            lane[key] = value
            self._put_at[key] = time.monotonic()
        return key

    def get(self, key: str | None) -> _T:
        """Look a value up.

        Raises:
            InvalidRequest: The value was evicted, or the key is unknown.
        """
        with self._lock:
            for lane in (self._small, self._large):
                if key is not None and key in lane:
                    return lane[key]
        raise InvalidRequest(self._gone)

    def drop_older(self, seconds: float) -> int:
        """Remove values that were put longer ago than `seconds`; returns their number."""
        oldest = time.monotonic() - seconds
        removed = 0
        with self._lock:
            for key in [key for key, when in self._put_at.items() if when < oldest]:
                del self._put_at[key]
                for lane in (self._small, self._large):
                    if key in lane:
                        del lane[key]
                        removed += 1
        return removed


def drop_expired(seconds: float) -> int:
    """Remove values older than `seconds` from all caches; returns their number."""
    return sum(cache.drop_older(seconds) for cache in list(_caches))


class KeptResult:
    """A result, and copies of it for a screen that are made when they are first shown.

    Args:
        result: The result with the network's full effect.
        part: Whether it is a part of the photo, to try the settings on.
    """

    def __init__(self, result: "RestoreResult", part: bool = False) -> None:
        self.result, self.part = result, part
        self._lock = threading.Lock()
        self._preview: Blender | None = None
        self._before: bytes | None = None

    @property
    def preview_size(self) -> tuple[int, int]:
        """Width and height in pixels of the pictures that `preview` gives."""
        return shown_size(self.result.picture.width, self.result.picture.height)

    def preview(self, mix: "Blend") -> tuple[bytes, bytes]:
        """Encode input and blend, reduced for a screen, as PNG."""
        with self._lock:
            known = self._preview
            if known is None or (mix.detail and not known.has_texture):
                self._preview = known = self.result.blender.shrunk(PREVIEW_PX, bool(mix.detail))
            if self._before is None:
                self._before = encode_image(known.before, "PNG", fast=True)
        return self._before, encode_image(known.picture(mix), "PNG", fast=True)


class PictureCache(LRUCache[Picture]):
    """Cache of decoded photos, so that preview, parts, restoration and scores decode a file once.

    Args:
        max_pixels: Most pixels accepted in a photo.
        max_bytes: Memory limit in bytes.
    """

    def __init__(self, max_pixels: int, max_bytes: int = MAX_PICTURE_BYTES) -> None:
        super().__init__(max_bytes, _bytes_of, "This photo is no longer kept: add it again.")
        self.max_pixels = max_pixels
        self._decoding: weakref.WeakValueDictionary[str, threading.Lock] = (
            weakref.WeakValueDictionary()
        )
        self._decoding_lock = threading.Lock()

    def read(self, path: str) -> Picture:
        """Decode a file, or take its picture from the cache if the file has not changed.

        Who asks for a file while another decodes it waits for that picture.

        Raises:
            ImageRejected: The photo cannot be read or is too large.
        """
        key = _key_of(path)
        if key is None:
            return read_image(path, max_pixels=self.max_pixels)  # says why not
        with self._decoding_lock:
            decoding = self._decoding.setdefault(key, threading.Lock())
        with decoding:
            try:
                return self.get(key)
            except InvalidRequest:
                picture = read_image(path, max_pixels=self.max_pixels)
                self.put(picture, key)
                return picture

    def find(self, path: str) -> Picture | None:
        """The picture of a file that has not changed, if it is in the cache."""
        try:
            return self.get(_key_of(path))
        except InvalidRequest:
            return None


def _key_of(path: str) -> str | None:
    """Key of a file as it is now; None if there is no such file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return f"{path}:{status.st_mtime_ns}:{status.st_size}"


def _bytes_of(picture: Picture) -> int:
    return picture.pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes)


class ResultCache(LRUCache[KeptResult]):
    """Cache of the newest results, so that another format, view or blend needs no new run."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(
            max_bytes,
            lambda kept: kept.result.nbytes,
            "This result is no longer kept: press Restore again.",
        )
