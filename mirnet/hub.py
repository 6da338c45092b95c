"""The Hugging Face Hub: its address, whether connections are allowed, and its errors in words."""

import os
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["model", "dataset", "space"]
"""Kinds of repositories."""
_WORDS = {
    "model": ("model", ""),
    "dataset": ("data set", "datasets/"),
    "space": ("Space", "spaces/"),
}
"""Noun, and start of the address of its page, by kind of repository."""


def hub_endpoint() -> str | None:
    """Address of the Hub from $HF_ENDPOINT; None for the client's default."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def is_offline() -> bool:
    """Whether $HF_HUB_OFFLINE forbids every connection."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def hub_name() -> str:
    """Name of the Hub in messages, with its host if it is not the default one."""
    endpoint = hub_endpoint()
    return f"The Hugging Face Hub{f' at {urlsplit(endpoint).netloc}' if endpoint else ''}"


def repository_problem(
    error: Exception, repo: str, kind: Kind = "model", revision: str | None = None
) -> str | None:
    """Say what is wrong with a repository that was asked for; None for errors of other kinds.

    Args:
        error: Error of the Hub's client.
        repo: Name of the repository, org/name.
        revision: Branch, tag or commit that was asked for.
    """
    from huggingface_hub import constants, errors

    noun, prefix = _WORDS[kind]
    page = f"{hub_endpoint() or constants.ENDPOINT}/{prefix}{repo}"
    if isinstance(error, errors.GatedRepoError):
        return f"{repo} is gated: accept its terms at {page}, run `hf auth login` and try again."
    if isinstance(error, errors.RepositoryNotFoundError):
        return (
            f"The Hub has no {noun} {repo!r} that you may see: check the name, or run "
            "`hf auth login` if it is private."
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return (
            f"{repo} has no revision {revision!r} (any more): look its branches and commits up at "
            f"{page}."
        )
    if isinstance(error, errors.HFValidationError):
        return f"{repo!r} is no name of a {noun} on the Hub: write org/name."
    return None


def upload_problem(error: Exception, repo: str, remains: str) -> str:
    """Say why an upload failed, and what to do.

    Args:
        error: Any error of the Hub's client; releases of it use different HTTP libraries, whose
            errors differ.
        repo: Name of the repository, org/name.
        remains: What is as before, as the end of a sentence, such as "the Space is as it was".
    """
    from huggingface_hub import errors

    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    missing = errors.LocalTokenNotFoundError, errors.RepositoryNotFoundError
    if status in (401, 403) or isinstance(error, missing):
        return (
            f"{hub_name()} does not let you write to {repo}: run `hf auth login` with a token that "
            "may write, and check the name."
        )
    if isinstance(error, errors.HFValidationError):
        return f"{repo!r} is no name of a repository on the Hub: write org/name."
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"HF_HUB_OFFLINE is set, so nothing is uploaded to {repo}: unset it."
    if status:
        return (
            f"{hub_name()} answered the upload to {repo} with error {status}: try again later; "
            f"{remains}."
        )
    return (
        f"The upload to {repo} did not work because {hub_name()} cannot be reached: check the "
        f"connection and push again; {remains}."
    )
