"""Recorded runs: up to date, complete, read-only, apart from a user's runs, and verifiable."""

import json

import pytest

from eval.runs import recording
from eval.runs.recorded import (
    Recording,
    has_pictures,
    load_recordings,
    recorded_headers,
    recording_of,
)
from eval.runs.recording import outdated, record
from eval.runs.store import RECORDED_FOLDER, RecordedRun, RunStore
from eval.runs.verify import verify
from mirnet.errors import InvalidRequest
from mirnet.metrics.protocols import PROTOCOLS

MAX_BYTES = 6_000_000
RUNS = recorded_headers()


@pytest.mark.parametrize("name", load_recordings())
def test_a_recording_is_of_todays_weights_protocols_and_settings(name):
    """If this fails: python -m eval record --data FOLDER."""
    assert outdated(load_recordings()[name]) == ""


@pytest.mark.parametrize("run", RUNS, ids=recording_of)
def test_a_recorded_run_is_complete_and_names_no_folder_of_its_machine(run):
    stored = RunStore().run(run.id)
    rows = stored.rows()
    assert run.status == "done" and run.data_sha256 and run.benchmark.folder is None
    assert len(rows) == run.benchmark.n * len(run.methods) and not any(row.error for row in rows)
    for name in ("run.json", "pairs.json", "scores.jsonl"):
        text = (stored.folder / name).read_text()
        assert not any(start in text for start in ("/home/", "/root/", "/tmp/"))
    wanted = {str(row.output_sha256) for row in rows} | {str(row.target_sha256) for row in rows}
    assert has_pictures(run) == all(stored.output(sha256).is_file() for sha256 in wanted)


def test_recorded_runs_are_small():
    files = [path for path in RECORDED_FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MAX_BYTES


def test_recorded_runs_are_found_by_id_and_never_listed_among_ones_own(tmp_path):
    store = RunStore(tmp_path)
    assert store.headers() == [] and isinstance(store.run(RUNS[0].id), RecordedRun)
    assert list(tmp_path.iterdir()) == []


def test_nothing_in_a_recorded_run_can_be_changed():
    stored = RunStore().run(RUNS[0].id)
    for change in (
        lambda: stored.append(stored.rows()[0]),
        lambda: stored.write_header(stored.header()),
        lambda: stored.write_pairs([]),
        lambda: stored.lock().__enter__(),
    ):
        with pytest.raises(InvalidRequest, match="read-only"):
            change()


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """A quick recording of two baselines."""
    monkeypatch.setattr(recording, "resolve", lambda names, task: ["identity", "gamma"])
    wanted = Recording(id="quick", benchmark="mini-lowlight", pictures=True)
    for _ in record(wanted, folder=tmp_path):
        pass
    (folder,) = tmp_path.iterdir()
    return RecordedRun(folder)


def test_a_recording_verifies_without_the_pictures_that_were_scored(recorded):
    found = list(verify(recorded, sample=3))
    assert {finding.outcome for finding in found} == {"same"}
    asked = {finding.what for finding in found}
    assert "restored again" in asked and any(what.startswith("score (") for what in asked)
    assert "stored picture" not in asked


def test_a_recording_with_another_score_is_found_out(recorded):
    path = recorded.folder / "scores.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["scores"]["rgb-8bit/1"]["psnr_db"] += 0.01
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcomes = {f.what: f.outcome for f in verify(recorded, sample=1)}
    assert outcomes["score (rgb-8bit/1)"] == "differs" and outcomes["restored again"] == "same"


def test_a_recording_of_other_weights_or_protocols_is_out_of_date(tmp_path, monkeypatch):
    name = "miniretouch"
    wanted = load_recordings()[name]
    run = next(run for run in RUNS if recording_of(run) == name)

    def reason(**changes):
        changed = run.model_copy(update=changes)
        monkeypatch.setattr(recording, "recorded_headers", lambda folder: [changed])
        return outdated(wanted)

    assert reason() == ""
    others = [m.model_copy(update={"weights_sha256": "0" * 64}) for m in run.methods]
    assert "retouch-compact are others now" in reason(methods=others)
    assert "retouch-compact is missing" in reason(methods=run.methods[1:])
    assert "follows rgb/0" in reason(protocols=["rgb/0"])
    monkeypatch.undo()
    assert outdated(wanted, tmp_path) == "it is not recorded yet"


def test_a_recording_without_its_data_says_what_to_name():
    with pytest.raises(InvalidRequest, match="--data"):
        list(record(load_recordings()["cc15first8"]))


def test_every_recording_is_of_a_benchmark_and_scored_under_known_protocols():
    for wanted in load_recordings().values():
        assert set(wanted.definition().protocols) <= set(PROTOCOLS)
