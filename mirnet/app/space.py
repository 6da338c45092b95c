"""Put the app on a Hugging Face Space: choose its files, check them, upload them as one commit."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.hub import hub_endpoint, is_offline, upload_problem

if TYPE_CHECKING:
    from huggingface_hub import HfApi

ROOT = Path(__file__).parents[2]
"""The folder that holds app.py."""
PARTS = ("README.md", "LICENSE", "requirements.txt", "app.py", "mirnet", "eval", "examples")
"""Files and folders that a Space needs; tests and training runs are left out."""
MANIFEST = "pushed-files.txt"
"""File in a Space with the paths of the files that the last push put there."""
MADE_BY_HUB = (".gitattributes",)
"""Files that the Hub puts into a new Space."""
SECRETS = (
    re.compile(rb"\bhf_[A-Za-z0-9]{20,}"),
    re.compile(rb"\bgh[pousr]_[A-Za-z0-9]{30,}"),
    re.compile(rb"\bAKIA[0-9A-Z]{16}\b"),
    re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
)
"""Patterns of secrets: tokens of the Hub and GitHub, access keys of AWS, private keys."""


class SpaceRefused(MIRNetError):
    """The Hub cannot be reached, or does not let you write to the Space."""


@dataclass(frozen=True)
class Staged:
    """One file of the Space."""

    path: str
    """Path in the Space, with slashes."""
    source: Path
    """Local path."""
    size: int
    """Size in bytes."""


def stage(root: Path = ROOT) -> list[Staged]:
    """Choose and check the files of a Space: those that git tracks, or all of an unpacked archive.

    Args:
        root: Folder with app.py.

    Returns:
        The files, by path.

    Raises:
        InvalidRequest: A part is missing, README.md has no front matter that starts the app, or a
            file holds what looks like a secret.
    """
    missing = [part for part in PARTS if not (root / part).exists()]
    if missing:
        raise InvalidRequest(
            f"{root} has no {', '.join(missing)}: push from a complete checkout of MIRNet Studio."
        )
    tracked = _tracked(root)
    files = sorted(
        path
        for part in PARTS
        for path in _files(root / part)
        if tracked is None or path.relative_to(root).as_posix() in tracked
    )
    staged = [
        Staged(path.relative_to(root).as_posix(), path, path.stat().st_size) for path in files
    ]
    _check_front_matter(root / "README.md", staged)
    for file in staged:
        _check_secrets(file)
    return staged


class Changes(NamedTuple):
    """Changes of a push to a Space, beside added files."""

    removed: list[str]
    """Files of an earlier push that are not part of the app any more."""
    kept: list[str]
    """Files that no push put there; they stay."""
    replaced: list[str]
    """Files that no push put there and that have the name of one of ours."""


def changes(repo: str, staged: Sequence[Staged]) -> Changes:
    """Look up what a push would change; a missing Space has no files.

    Raises:
        InvalidRequest: The name is not a valid Space name.
        SpaceRefused: The Hub cannot be reached, or denies access.
    """
    api = _client(repo)
    from huggingface_hub import errors

    with _translated(repo):
        try:
            there = api.list_repo_files(repo, repo_type="space")
        except errors.RepositoryNotFoundError:
            return Changes([], [], [])
        ours = _pushed_before(api, repo, there)
    names = {file.path for file in staged}
    strange = [path for path in there if path not in ours and path not in MADE_BY_HUB]
    return Changes(
        sorted(path for path in there if path in ours - names - {MANIFEST}),
        sorted(path for path in strange if path not in names),
        sorted(path for path in strange if path in names),
    )


def push(repo: str, staged: Sequence[Staged], private: bool = False, replace: bool = False) -> str:
    """Upload files to a Space, created if missing, as one commit.

    A list of what was uploaded goes along. The next push removes those of its files that are not
    part of the app any more, and never another file.

    Args:
        repo: Name of the Space, 'ORG/NAME'.
        replace: Whether files that no push put there may be replaced.

    Returns:
        The Space's address.

    Raises:
        InvalidRequest: The name is not a valid Space name.
        SpaceRefused: The Hub cannot be reached, denies write access, or the Space is another
            program's.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    found = changes(repo, staged)
    if found.replaced and not replace:
        some = ", ".join(found.replaced[:5]) + (", …" if len(found.replaced) > 5 else "")
        raise SpaceRefused(
            f"{repo} has files of the same names that were not put there by this command ({some}): "
            "check the name, or add --replace to replace them."
        )
    api = _client(repo)
    manifest = "".join(f"{file.path}\n" for file in staged).encode()
    with _translated(repo):
        api.create_repo(repo, repo_type="space", space_sdk="gradio", private=private, exist_ok=True)
        done = api.create_commit(
            repo,
            repo_type="space",
            operations=[
                *(CommitOperationAdd(file.path, _content(file, repo)) for file in staged),
                CommitOperationAdd(MANIFEST, manifest),
                *(CommitOperationDelete(path) for path in found.removed),
            ],
            commit_message="Update MIRNet Studio",
        )
    return str(done.repo_url)


def _client(repo: str) -> "HfApi":
    from huggingface_hub import HfApi

    if not re.fullmatch(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}", repo):
        raise InvalidRequest(f"{repo[:80]!r} is no name of a Space: give ORG/NAME.")
    if is_offline():
        raise SpaceRefused("HF_HUB_OFFLINE is set, so nothing is uploaded: unset it.")
    return HfApi(endpoint=hub_endpoint())


@contextlib.contextmanager
def _translated(repo: str) -> Iterator[None]:
    """Raise errors of the Hub's client as `SpaceRefused` with a way out."""
    try:
        yield
    except Exception as error:
        raise SpaceRefused(upload_problem(error, repo, "the Space is as it was")) from error


def _pushed_before(api: "HfApi", repo: str, there: Sequence[str]) -> set[str]:
    """Paths of the files that earlier pushes put into a Space, their list included."""
    if MANIFEST not in there:
        return set()
    path = api.hf_hub_download(repo, MANIFEST, repo_type="space")
    return {MANIFEST, *Path(path).read_text(encoding="utf-8").splitlines()}


def _tracked(root: Path) -> set[str] | None:
    """Paths that git tracks below a folder; None where it is not a working copy of git."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True
        ).stdout
        top = subprocess.run(
            ["git", "rev-parse", "--show-toplevel"], cwd=root, capture_output=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    if Path(os.fsdecode(top).strip()).resolve() != root.resolve():
        return None  # an archive that was unpacked inside another working copy
    return {os.fsdecode(path) for path in listed.split(b"\0") if path}


def _files(part: Path) -> list[Path]:
    """A file, or all files below a folder without links, hidden and compiled files."""
    if part.is_file():
        return [part]
    return [
        path
        for path in part.rglob("*")
        if path.is_file()
        and not path.is_symlink()
        and path.suffix not in (".pyc", ".pyo", ".log")
        and not any(p.startswith(".") or p == "__pycache__" for p in path.relative_to(part).parts)
    ]


def _content(file: Staged, repo: str) -> "str | bytes":
    """Path of the file to upload, or the README's text with `thumbnail` as an address.

    In a checkout `thumbnail` is a path; the Hub needs an address.
    """
    if file.path != "README.md":
        return str(file.source)
    before, rule, after = file.source.read_text(encoding="utf-8").partition("\n---\n")
    here = f"{hub_endpoint() or 'https://huggingface.co'}/spaces/{repo}/resolve/main/"
    linked = re.sub(r"(?m)^(thumbnail: )(?!https?://)", rf"\g<1>{here}", before)
    return (linked + rule + after).encode()


def _check_front_matter(readme: Path, staged: Sequence[Staged]) -> None:
    from huggingface_hub import metadata_load

    front = metadata_load(readme) or {}
    if front.get("sdk") != "gradio" or front.get("app_file") not in {f.path for f in staged}:
        raise InvalidRequest(
            "README.md has to begin with a front matter that says `sdk: gradio` and names the "
            "app_file: without it a Space does not start."
        )


def _check_secrets(file: Staged) -> None:
    if file.source.suffix in (".safetensors", ".png", ".jpg", ".parquet"):
        return
    content = file.source.read_bytes()
    for pattern in SECRETS:
        found = pattern.search(content)
        if found:
            line = content.count(b"\n", 0, found.start()) + 1
            raise InvalidRequest(
                f"{file.path}, line {line}, holds what looks like a token or key: remove it (and "
                "revoke it, if it was one), then push again."
            )
