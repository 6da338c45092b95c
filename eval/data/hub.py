"""Files of a data set on the Hugging Face Hub, for readers: found, fetched, checked, kept.

Whole files go through `hf_hub_download` into the Hub client's own cache; pieces of large files are
asked for by byte range and kept below the cache folder (`$MIRNET_CACHE`), as are the list of a
commit's files and the commit a branch stood at, so that everything fetched once works offline.

The Hub's client would try a dead server for 24 s and wait for a silent one without end. Here the
first answer has a few seconds, and every failure becomes one sentence with a way out.
"""

import contextlib
import hashlib
import io
import json
import queue
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from mirnet.files import write_file
from mirnet.weights.hub import hub_endpoint, hub_name, is_offline
from mirnet.weights.store import cache_folder

from .pairs import BenchmarkUnavailable

ANSWER_SECONDS = 3.5
"""How long the Hub may take to answer a question, names looked up and connection made."""
READ_SECONDS = 10.0
"""How long it may stay silent in the middle of a byte range."""
RESUMES = 2
"""How often a byte range that broke off is taken up again without a new byte in between."""
CHUNK_BYTES = 64 * 2**10
"""Bytes read at once from a byte range."""
MAX_LISTED_FILES = 50_000
"""Data sets with more files are listed incompletely by the Hub (huggingface_hub's own limit)."""
MAX_RANGE_BYTES = 2**31
"""Most bytes asked for, and held in memory, at once."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_T = TypeVar("_T")


class HubFiles:
    """The files of one data set at one commit.

    Args:
        repo: 'org/name'.
        revision: Branch, tag or commit.
        offline: Use only what was fetched before.
    """

    is_local = False
    """Whether reading costs no download."""

    def __init__(self, repo: str, revision: str = "main", offline: bool = False) -> None:
        self.repo = repo
        self.asked = revision
        self.offline = offline or is_offline()
        self._commit = revision if _COMMIT.fullmatch(revision) else None
        self._sizes: dict[str, int] | None = None
        self._checked: set[Path] = set()

    @property
    def label(self) -> str:
        """What to call it in a message."""
        return self.repo

    def revision(self) -> str:
        """The commit, asked of the Hub where a branch or tag was given.

        Raises:
            BenchmarkUnavailable: The data set, the revision or the Hub is not there.
        """
        if self._commit is None:
            note = self._folder() / "refs" / quote(self.asked, safe="")
            if self.offline:
                kept = note.read_text(errors="replace").strip() if note.is_file() else ""
                if not _COMMIT.fullmatch(kept):
                    raise self._not_fetched(f"revision {self.asked!r}")
                self._commit = kept
            else:
                self._ask_names(self.asked)
                _keep(note, str(self._commit).encode())
        return str(self._commit)

    def names(self) -> dict[str, int]:
        """Every file's path in the data set and its size in bytes, sorted; asked for once.

        Raises:
            BenchmarkUnavailable: As for `revision`.
        """
        if self._sizes is None:
            commit = self.revision()
            self._sizes = self._sizes or _kept_json(self._folder() / commit / "files.json")
            if self._sizes is None:
                if self.offline:
                    raise self._not_fetched("the list of its files")
                self._ask_names(commit)
        return self._sizes or {}

    def path(self, name: str) -> Path:
        """Fetch a whole file, once, and check its bytes against the hash the Hub names it by.

        Raises:
            BenchmarkUnavailable: It cannot be fetched, or its bytes are not those of the commit.
        """
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        commit = self.revision()
        found = try_to_load_from_cache(self.repo, name, revision=commit, repo_type="dataset")
        if not isinstance(found, str):
            if self.offline:
                raise self._not_fetched(name)
            self._ask_file(name)
            found = self._told(
                lambda: hf_hub_download(
                    self.repo,
                    name,
                    repo_type="dataset",
                    revision=commit,
                    endpoint=hub_endpoint(),
                    etag_timeout=ANSWER_SECONDS,
                ),
                name,
                under_way=True,
            )
        path = Path(found)
        self._check(path, name)
        return path

    def open(self, name: str) -> "RangeFile":
        """Open a file that is fetched piece by piece, as it is read.

        Raises:
            BenchmarkUnavailable: The data set has no such file; reading it raises the same.
        """
        if name not in self.names():
            raise self._no_file(name)
        key = hashlib.sha256(name.encode()).hexdigest()[:16]
        folder = self._folder() / self.revision() / "ranges" / key

        def fetch(start: int, length: int) -> bytes:
            piece = folder / f"{start}-{length}"
            with contextlib.suppress(OSError):
                content = piece.read_bytes()
                if len(content) == length:
                    return content
            if self.offline:
                raise self._not_fetched(f"this part of {name}")
            content = self._ask_range(name, start, length)
            _keep(piece, content)
            return content

        return RangeFile(fetch, self.names()[name])

    def _folder(self) -> Path:
        return cache_folder() / "benchmarks" / quote(self.repo, safe="")

    def _ask_names(self, revision: str) -> None:
        """Ask, once and without retries, for the commit of a revision and its files' sizes."""
        from huggingface_hub import HfApi

        api = HfApi(endpoint=hub_endpoint())
        found = self._told(
            lambda: within(
                ANSWER_SECONDS,
                lambda: api.dataset_info(
                    self.repo, revision=revision, files_metadata=True, timeout=ANSWER_SECONDS
                ),
            )
        )
        listed = found.siblings or []
        if not _COMMIT.fullmatch(found.sha or ""):
            raise self._unreachable()
        if len(listed) >= MAX_LISTED_FILES:
            raise BenchmarkUnavailable(
                f"{self.repo} has {MAX_LISTED_FILES:,} files or more, which the Hub does not list "
                "at once: download the part you need and give its folder."
            )
        self._commit = str(found.sha)
        self._sizes = {
            file.rfilename: int(file.size or 0)
            for file in sorted(listed, key=lambda file: file.rfilename)
        }
        note = self._folder() / self._commit / "files.json"
        _keep(note, json.dumps(self._sizes).encode())

    def _ask_file(self, name: str) -> None:
        """See that the Hub is there and hands the file out, before its client's long retries."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = self._told(
            lambda: hf_hub_url(
                self.repo,
                name,
                repo_type="dataset",
                revision=self.revision(),
                endpoint=hub_endpoint(),
            )
        )
        self._told(
            lambda: within(
                ANSWER_SECONDS,
                lambda: get_hf_file_metadata(url, timeout=ANSWER_SECONDS, endpoint=hub_endpoint()),
            ),
            name,
        )

    def _ask_range(self, name: str, start: int, length: int) -> bytes:
        import requests
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers

        url = hf_hub_url(
            self.repo, name, repo_type="dataset", revision=self.revision(), endpoint=hub_endpoint()
        )
        content, failures = bytearray(), 0
        while len(content) < length:
            first, before = start + len(content), len(content)
            ask = {
                **build_hf_headers(),
                "Accept-Encoding": "identity",
                "Range": f"bytes={first}-{start + length - 1}",
            }
            try:
                with requests.get(
                    url, headers=ask, stream=True, timeout=(ANSWER_SECONDS, READ_SECONDS)
                ) as answer:
                    self._refuse_status(answer.status_code, name)
                    span = answer.headers.get("Content-Range", "")
                    if answer.status_code != 206 or not span.startswith(f"bytes {first}-"):
                        raise BenchmarkUnavailable(
                            f"{hub_name()} does not hand out parts of {name} in {self.repo}: "
                            "download the whole file in a browser and give its folder instead."
                        )
                    for chunk in answer.iter_content(CHUNK_BYTES):
                        content += chunk
                        if len(content) > length:
                            raise self._broke_off(name)
            except requests.exceptions.RequestException as error:
                if not content and not isinstance(error, requests.exceptions.ChunkedEncodingError):
                    raise self._unreachable() from error
            failures = 0 if len(content) > before else failures + 1
            if failures > RESUMES:
                raise self._broke_off(name)
        return bytes(content)

    def _refuse_status(self, status: int, name: str) -> None:
        if status in (401, 403):
            raise self._gated()
        if status >= 400:
            raise BenchmarkUnavailable(
                f"{hub_name()} answered with error {status} when asked for {name} of {self.repo}: "
                "try again later, or use what was fetched before (offline)."
            )

    def _check(self, path: Path, name: str) -> None:
        """Compare a fetched file with its hash; the Hub's cache names every file by it.

        Large files are named by their SHA-256, small ones by the SHA-1 of a git blob. Caches
        without symbolic links do not tell, and are believed.
        """
        blob = path.resolve()
        if blob in self._checked:
            return
        if _SHA256.fullmatch(blob.name):
            digest = hashlib.sha256()
        elif _COMMIT.fullmatch(blob.name):
            digest = hashlib.sha1(f"blob {blob.stat().st_size}\0".encode(), usedforsecurity=False)
        else:
            return
        with blob.open("rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
        if digest.hexdigest() != blob.name:
            path.unlink()
            blob.unlink(missing_ok=True)
            raise BenchmarkUnavailable(
                f"{name} of {self.repo} arrived damaged (its hash is not the one {hub_name()} "
                "promised) and was removed: try again."
            )
        self._checked.add(blob)

    def _told(self, call: Callable[[], _T], name: str = "", under_way: bool = False) -> _T:
        """Call the Hub's client and put its errors into words.

        Args:
            call: What to do.
            name: The file it is about.
            under_way: Whether the Hub has answered for that file already.
        """
        from huggingface_hub import errors

        try:
            return call()
        except BenchmarkUnavailable:
            raise
        except errors.OfflineModeIsEnabled as error:
            raise self._not_fetched(name or "it") from error
        except errors.GatedRepoError as error:
            raise self._gated() from error
        except errors.RepositoryNotFoundError as error:
            raise BenchmarkUnavailable(
                f"The Hub has no data set {self.repo!r} that you may see: check the name, or run "
                "`hf auth login` if it is private."
            ) from error
        except errors.RevisionNotFoundError as error:
            raise BenchmarkUnavailable(
                f"{self.repo} has no revision {self.asked!r} (any more): look its branches and "
                f"commits up at {self._page()}."
            ) from error
        except errors.LocalEntryNotFoundError as error:
            raise self._broke_off(name) from error
        except errors.EntryNotFoundError as error:
            raise self._no_file(name) from error
        except errors.HFValidationError as error:
            raise BenchmarkUnavailable(
                f"{self.repo!r} is no name of a data set on the Hub: write org/name, or give a "
                "folder that exists."
            ) from error
        except errors.HfHubHTTPError as error:
            self._refuse_status(error.response.status_code, name or "the files")
            raise self._unreachable() from error
        except Exception as error:
            # Which HTTP library the others come from differs between releases of the client.
            if under_way:
                raise self._broke_off(name) from error
            raise self._unreachable() from error

    def _page(self) -> str:
        return f"{hub_endpoint() or 'https://huggingface.co'}/datasets/{self.repo}"

    def _gated(self) -> BenchmarkUnavailable:
        return BenchmarkUnavailable(
            f"{self.repo} is gated: accept its terms at {self._page()}, run `hf auth login` and "
            "try again."
        )

    def _no_file(self, name: str) -> BenchmarkUnavailable:
        return BenchmarkUnavailable(
            f"{self.repo} has no file {name} at revision {self.asked!r}: look at {self._page()}."
        )

    def _unreachable(self) -> BenchmarkUnavailable:
        return BenchmarkUnavailable(
            f"{hub_name()} cannot be reached for {self.repo}: check the connection and try again, "
            "use what was fetched before (offline), or choose a benchmark in the repository."
        )

    def _broke_off(self, name: str) -> BenchmarkUnavailable:
        return BenchmarkUnavailable(
            f"The download of {name} from {self.repo} broke off: check the connection and try "
            "again; what arrived whole is kept."
        )

    def _not_fetched(self, what: str) -> BenchmarkUnavailable:
        return BenchmarkUnavailable(
            f"{self.repo}: {what} was not fetched before and the Hub is not asked (offline): go "
            "online once (unset HF_HUB_OFFLINE), or choose a benchmark in the repository."
        )


class RangeFile(io.RawIOBase):
    """A file of known size whose bytes are fetched as they are read.

    Args:
        fetch: Gives the bytes at (start, length).
        size: Bytes of the file.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self.size_bytes = size
        self._fetch = fetch
        self._at = 0
        self._window = (0, b"")

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether its position can be set: yes."""
        return True

    def tell(self) -> int:
        """The position of the next read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position of the next read, as for every binary file."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size_bytes}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def prefetch(self, start: int, end: int) -> None:
        """Fetch the bytes in [start, end) with one request and serve reads inside from them."""
        start, end = max(start, 0), min(end, self.size_bytes)
        self._window = (start, self._ask(start, end - start))

    def read(self, size: int | None = -1) -> bytes:
        """Read up to `size` bytes, or all that are left."""
        left = max(self.size_bytes - self._at, 0)
        length = left if size is None or size < 0 else min(size, left)
        first, window = self._window
        if first <= self._at and self._at + length <= first + len(window):
            content = window[self._at - first : self._at - first + length]
        else:
            content = self._ask(self._at, length)
        self._at += length
        return content

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer and tell how many bytes."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _ask(self, start: int, length: int) -> bytes:
        if length <= 0:
            return b""
        if length > MAX_RANGE_BYTES:
            raise BenchmarkUnavailable(
                f"The file asks for {length / 1e9:.1f} GB to be read at once, more than the limit "
                f"of {MAX_RANGE_BYTES / 1e9:.1f} GB: it is damaged, or packed in too large pieces."
            )
        return self._fetch(start, length)


def within(seconds: float, call: Callable[[], _T]) -> _T:
    """Give a call so many seconds: name look-up and silence included.

    Raises:
        TimeoutError: It took longer.
        Exception: What the call raises.
    """
    done: queue.Queue[tuple[bool, Any]] = queue.Queue()

    def work() -> None:
        try:
            done.put((True, call()))
        except BaseException as error:
            done.put((False, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        succeeded, value = done.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds} s") from None
    if not succeeded:
        raise value
    return value


def _keep(path: Path, content: bytes) -> None:
    """Write into the cache, whole or not at all; a cache that cannot be written to is done without.

    What could not be kept is fetched again next time.
    """
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content)


def _kept_json(path: Path) -> dict[str, int] | None:
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) else None
