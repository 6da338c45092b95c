"""Files of a data set on the Hugging Face Hub, for readers: found, fetched, checked, kept.

Whole files go through `hf_hub_download` into the Hub client's own cache; pieces of large files are
asked for by byte range and kept below the cache folder (`$MIRNET_CACHE`), as are the list of a
commit's files and the commit a branch stood at, so that everything fetched once works offline.

`HfFileSystem` is not used for the pieces: it keeps no ranges on disk, so nothing works offline, and
it tries a dead server for 24 s. Here the first answer has a few seconds, and every failure becomes
one sentence with a way out (`hub_errors`).
"""

import contextlib
import hashlib
import json
import re
from pathlib import Path
from urllib.parse import quote

from mirnet.download import Answer, BrokenOff, receive
from mirnet.files import cache_folder, write_file
from mirnet.hub import hub_endpoint, hub_name, is_offline

from .hub_errors import HubErrors
from .pairs import BenchmarkUnavailable
from .range_file import RangeFile, call_within

ANSWER_SECONDS = 3.5
"""Timeout of a request to the Hub, name look-up and connection included."""
READ_SECONDS = 10.0
"""Timeout of silence in the middle of a byte range."""
MAX_LISTED_FILES = 50_000
"""Data sets with more files are listed incompletely by the Hub (huggingface_hub's own limit)."""

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class HubFiles:
    """The files of one data set at one commit.

    Args:
        repo: Data set as 'org/name'.
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
        self.errors = HubErrors(repo, revision)

    @property
    def label(self) -> str:
        """Name of the data set in messages."""
        return self.repo

    def revision(self) -> str:
        """Commit hash, requested from the Hub where a branch or tag was given.

        Raises:
            BenchmarkUnavailable: The data set, the revision or the Hub is not there.
        """
        if self._commit is None:
            note = self._folder() / "refs" / quote(self.asked, safe="")
            if self.offline:
                kept = note.read_text(errors="replace").strip() if note.is_file() else ""
                if not _COMMIT.fullmatch(kept):
                    raise self.errors.not_fetched(f"revision {self.asked!r}")
                self._commit = kept
            else:
                self._ask_names(self.asked)
                _keep(note, str(self._commit).encode())
        return str(self._commit)

    def names(self) -> dict[str, int]:
        """List every file's path and size in bytes, sorted; requested from the Hub once.

        Raises:
            BenchmarkUnavailable: As for `revision`.
        """
        if self._sizes is None:
            commit = self.revision()
            self._sizes = self._sizes or _kept_json(self._folder() / commit / "files.json")
            if self._sizes is None:
                if self.offline:
                    raise self.errors.not_fetched("the list of its files")
                self._ask_names(commit)
        return self._sizes or {}

    def path(self, name: str) -> Path:
        """Fetch a whole file, once, and check its bytes against the hash the Hub names it by.

        Raises:
            BenchmarkUnavailable: The file cannot be fetched, or its bytes are not the commit's.
        """
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        commit = self.revision()
        found = try_to_load_from_cache(self.repo, name, revision=commit, repo_type="dataset")
        if not isinstance(found, str):
            if self.offline:
                raise self.errors.not_fetched(name)
            self._ask_file(name)
            with self.errors.translated(name, under_way=True):
                found = hf_hub_download(
                    self.repo,
                    name,
                    repo_type="dataset",
                    revision=commit,
                    endpoint=hub_endpoint(),
                    etag_timeout=ANSWER_SECONDS,
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
            raise self.errors.no_file(name)
        key = hashlib.sha256(name.encode()).hexdigest()[:16]
        folder = self._folder() / self.revision() / "ranges" / key

        def fetch(start: int, length: int) -> bytes:
            piece = folder / f"{start}-{length}"
            with contextlib.suppress(OSError):
                content = piece.read_bytes()
                if len(content) == length:
                    return content
            if self.offline:
                raise self.errors.not_fetched(f"this part of {name}")
            content = self._ask_range(name, start, length)
            _keep(piece, content)
            return content

        return RangeFile(fetch, self.names()[name])

    def _folder(self) -> Path:
        return cache_folder() / "benchmarks" / quote(self.repo, safe="")

    def _ask_names(self, revision: str) -> None:
        """Request, once and without retries, the commit of a revision and its files' sizes."""
        from huggingface_hub import HfApi

        api = HfApi(endpoint=hub_endpoint())
        with self.errors.translated():
            found = call_within(
                ANSWER_SECONDS,
                lambda: api.dataset_info(
                    self.repo, revision=revision, files_metadata=True, timeout=ANSWER_SECONDS
                ),
            )
        listed = found.siblings or []
        if not _COMMIT.fullmatch(found.sha or ""):
            raise self.errors.unreachable()
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
        """Request the file's metadata once, which fails fast where the client would retry."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        commit, endpoint = self.revision(), hub_endpoint()
        with self.errors.translated(name):
            url = hf_hub_url(
                self.repo, name, repo_type="dataset", revision=commit, endpoint=endpoint
            )
            call_within(
                ANSWER_SECONDS,
                lambda: get_hf_file_metadata(url, timeout=ANSWER_SECONDS, endpoint=endpoint),
            )

    def _ask_range(self, name: str, start: int, length: int) -> bytes:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers

        url = hf_hub_url(
            self.repo, name, repo_type="dataset", revision=self.revision(), endpoint=hub_endpoint()
        )
        content = bytearray()

        def check(answer: Answer) -> None:
            self.errors.refuse_status(answer.response.status_code, name)
            if answer.response.status_code != 206 or answer.position != start + len(content):
                raise BenchmarkUnavailable(
                    f"{hub_name()} does not hand out parts of {name} in {self.repo}: "
                    "download the whole file in a browser and give its folder instead."
                )

        chunks = receive(
            url,
            timeout=(ANSWER_SECONDS, READ_SECONDS),
            start=start,
            end=start + length,
            headers=build_hf_headers(),
            check=check,
        )
        try:
            with contextlib.closing(chunks):
                for chunk in chunks:
                    content += chunk.content
                    if len(content) > length:
                        raise self.errors.broke_off(name)
        except BrokenOff as error:
            if not content:
                raise self.errors.unreachable() from error
            raise self.errors.broke_off(name) from error
        return bytes(content)

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


def _keep(path: Path, content: bytes) -> None:
    """Write into the cache, whole or not at all; a cache that cannot be written to is done without.

    Files that could not be kept are fetched again next time.
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
