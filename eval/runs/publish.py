"""Publish runs to a data set on the Hugging Face Hub, since a Space's disk does not last.

The data set holds one folder for each run, as a `RunStore` does, so a copy of it is a store. The
Hub is contacted once before anything is sent, because its client waits long for a dead one.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from eval.data.pairs import BenchmarkUnavailable
from mirnet.errors import InvalidRequest
from mirnet.hub import hub_endpoint, upload_problem

from .annotations import NOTES, SELECTIONS
from .store import StoredRun, line_of

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

SETTING = "MIRNET_RESULTS_REPO"
"""Environment variable with the data set that a Space keeps its runs in, as ORG/NAME."""
DOCUMENTS = ("run.json", "pairs.json", "facts.jsonl", "scores.jsonl", NOTES, SELECTIONS)
"""Files of a run without its pictures."""
PICTURES = ("outputs/*.png", "thumbs/*.jpg")
"""Pictures of a run."""
CONTACT_SECONDS = 4.0
"""Timeout of the first contact with the Hub."""


def results_repo() -> str | None:
    """Read the data set named by $MIRNET_RESULTS_REPO, or None."""
    return os.environ.get(SETTING, "").strip() or None


def publish_run(
    stored: StoredRun, repo: str, private: bool = True, with_pictures: bool = False
) -> str:
    """Upload a finished run to a data set on the Hub, in one commit.

    What everybody may see holds no path of this machine: see `Run.without_folders`.

    Args:
        repo: Data set as ORG/NAME; created where it does not exist.
        private: Whether only its owners may see it.
        with_pictures: Whether outputs, inputs, targets and thumbnails go along; their licences may
            forbid it.

    Returns:
        Address of the run's folder in that commit.

    Raises:
        InvalidRequest: The run has not ended, or the data set is public and `private` was asked.
        BenchmarkUnavailable: The Hub cannot be reached or refuses.
    """
    run = stored.header()
    if run.status != "done":
        raise InvalidRequest(
            f"Run {run.id} is {run.status}, and only finished runs are published: resume it first."
        )
    api = contacted(repo, private)
    try:
        api.create_repo(repo, repo_type="dataset", private=private, exist_ok=True)
        commit = api.create_commit(
            repo_id=repo,
            repo_type="dataset",
            operations=_additions(stored, private, with_pictures),
            commit_message=f"Add run {run.id}",
        )
    except Exception as error:
        raise refused(repo, error) from error
    return f"{api.endpoint}/datasets/{repo}/tree/{commit.oid}/{run.id}"


def _additions(stored: StoredRun, private: bool, with_pictures: bool) -> "list[CommitOperationAdd]":
    """Files of a run for a commit; those of a public one are without folders of this machine."""
    from huggingface_hub import CommitOperationAdd

    public: dict[str, bytes] = {}
    if not private:
        public["run.json"] = stored.header().without_folders().model_dump_json(indent=2).encode()
        # Read and written anew: errors in rows of before may name folders.
        public["scores.jsonl"] = b"".join(line_of(row) + b"\n" for row in stored.rows())
    found = []
    for pattern in (*DOCUMENTS, *(PICTURES if with_pictures else ())):
        for path in sorted(stored.folder.glob(pattern)):
            content: Path | bytes = public.get(path.name, path)
            name = path.relative_to(stored.folder).as_posix()
            found.append(CommitOperationAdd(f"{stored.id}/{name}", content))
    return found


def contacted(repo: str, private: bool) -> "HfApi":
    """Request the data set from the Hub; a missing one is no error.

    Args:
        repo: Data set as ORG/NAME.
        private: Whether a public data set is refused.

    Returns:
        The client, for further requests.

    Raises:
        InvalidRequest: The data set is public and `private` was asked.
        BenchmarkUnavailable: The Hub cannot be reached or refuses.
    """
    from huggingface_hub import HfApi, errors

    api = HfApi(endpoint=hub_endpoint())
    try:
        found = api.dataset_info(repo, timeout=CONTACT_SECONDS)
    except errors.GatedRepoError as error:
        raise refused(repo, error) from error
    except errors.RepositoryNotFoundError:
        return api
    except Exception as error:
        raise refused(repo, error) from error
    if private and not found.private:
        raise InvalidRequest(
            f"{repo} is a public data set: name a private one, or ask to publish openly."
        )
    return api


def refused(repo: str, error: Exception) -> BenchmarkUnavailable:
    """Make the error for a data set from an error of the Hub's client."""
    return BenchmarkUnavailable(
        upload_problem(error, repo, "nothing was published, and the run is safe on this machine")
    )
