"""Runs to a data set on the Hub."""

import json

import pytest

from eval.data.pairs import BenchmarkUnavailable
from eval.runs.document import Run
from eval.runs.publish import publish_run, results_repo
from eval.runs.store import RunStore
from mirnet.errors import InvalidRequest
from tests.support.hub import Fault, LoopbackHub
from tests.support.runs_factory import method, write_run

DOCUMENTS = ("run.json", "pairs.json", "scores.jsonl")


def test_a_run_goes_up_in_one_commit_without_its_pictures(hub: LoopbackHub, tmp_path):
    stored = write_run(tmp_path, thumbs=True)
    (stored.folder / ".lock").touch()
    address = publish_run(stored, "us/results")
    assert address.startswith(f"{hub.url}/datasets/us/results/tree/")
    assert address.endswith(f"/{stored.id}")
    assert hub.files_of("us/results") == {
        f"{stored.id}/{name}": (stored.folder / name).read_bytes() for name in DOCUMENTS
    }
    assert len(hub.seen("/api/datasets/us/results/commit/")) == 1


def test_what_everybody_may_see_names_no_folder_of_this_machine(hub: LoopbackHub, tmp_path):
    own = method("ours", settings={"weights_file": "/home/anna/w.safetensors"})
    stored = write_run(tmp_path, methods=(own,), benchmark__folder="/home/anna/LoL")
    publish_run(stored, "us/open", private=False)
    public = hub.files_of("us/open")
    assert not [name for name, content in public.items() if b"anna" in content]
    header = Run.model_validate_json(public[f"{stored.id}/run.json"])
    assert header == stored.header().without_folders() and header.benchmark.folder == "LoL"


def test_errors_of_older_rows_are_published_without_folders(hub: LoopbackHub, tmp_path):
    stored = write_run(tmp_path, pairs=1)
    scores = stored.folder / "scores.jsonl"
    row = json.loads(scores.read_bytes().splitlines()[0])
    row |= {"pair": "late", "error": "No such file: '/home/anna/my pairs/net.pth'"}
    scores.write_bytes(scores.read_bytes() + json.dumps(row).encode() + b"\n")
    publish_run(stored, "us/open", private=False)
    public = hub.files_of("us/open")[f"{stored.id}/scores.jsonl"]
    assert b"No such file: 'net.pth'" in public and b"anna" not in public
    assert public.count(b"\n") == len(stored.rows()) and b"anna" in scores.read_bytes()


def test_what_went_up_is_a_store(hub: LoopbackHub, tmp_path):
    stored = write_run(tmp_path / "here", pairs=3)
    publish_run(stored, "us/results")
    for name, content in hub.files_of("us/results").items():
        path = tmp_path / "there" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert RunStore(tmp_path / "there").run(stored.id).rows() == stored.rows()


def test_pictures_go_along_where_asked(hub: LoopbackHub, tmp_path):
    stored = write_run(tmp_path, pairs=1, thumbs=True)
    publish_run(stored, "us/results", with_pictures=True)
    names = hub.files_of("us/results")
    assert len([name for name in names if name.startswith(f"{stored.id}/thumbs/")]) == 6


def test_only_finished_runs_are_published(hub: LoopbackHub, tmp_path):
    with pytest.raises(InvalidRequest, match="is stopped, and only finished runs"):
        publish_run(write_run(tmp_path, status="stopped"), "us/results")
    assert not hub.seen()


def test_a_private_run_does_not_go_into_a_public_data_set(hub: LoopbackHub, tmp_path):
    hub.add_repo("us/open", {"README.md": b""}, kind="dataset")
    stored = write_run(tmp_path)
    with pytest.raises(InvalidRequest, match="us/open is a public data set"):
        publish_run(stored, "us/open")
    assert set(hub.files_of("us/open")) == {"README.md"}
    assert publish_run(stored, "us/open", private=False).startswith(hub.url)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=503), "with error 503"),
        (Fault(status=403), "does not let you write"),
        (Fault(silent=True), "cannot be reached"),
    ],
)
def test_a_hub_in_trouble_is_told_at_once(hub: LoopbackHub, tmp_path, fault, words):
    hub.fail("/api/", fault)
    with pytest.raises(BenchmarkUnavailable, match=words):
        publish_run(write_run(tmp_path), "us/results")
    assert len(hub.seen()) <= 1


def test_a_hub_that_is_down_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BenchmarkUnavailable, match="cannot be reached.*nothing was published"):
        publish_run(write_run(tmp_path), "us/results")


def test_a_wrong_name_is_told(hub: LoopbackHub, tmp_path):
    with pytest.raises(BenchmarkUnavailable, match="'a/b/c' is no name of a repository"):
        publish_run(write_run(tmp_path), "a/b/c")


def test_the_setting_names_the_data_set(monkeypatch):
    monkeypatch.delenv("MIRNET_RESULTS_REPO", raising=False)
    assert results_repo() is None
    monkeypatch.setenv("MIRNET_RESULTS_REPO", " us/results ")
    assert results_repo() == "us/results"


def test_a_token_that_may_not_write_is_told(hub: LoopbackHub, tmp_path):
    hub.read_only = True
    with pytest.raises(BenchmarkUnavailable, match="does not let you write to us/results"):
        publish_run(write_run(tmp_path), "us/results")
