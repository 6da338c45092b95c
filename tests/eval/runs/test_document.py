"""Run documents of older versions: they open, verify and show as when they were written."""

import json
import shutil
from pathlib import Path

import pytest

from eval.analysis.leaderboards import leaderboard
from eval.reports.export import export
from eval.runs.document import VERSION, Run, public_header
from eval.runs.runner import execute_run
from eval.runs.store import RunStore, StoredRun
from eval.runs.verify import verify
from mirnet.errors import InvalidRequest
from tests.support.runs_factory import write_run

STORED = Path(__file__).parent / "stored"
OLD_ID = "20261126-154331-5c00a2"


@pytest.fixture
def old(tmp_path) -> StoredRun:
    """A run that version 1 of the document's format wrote, of one shipped pair."""
    shutil.copytree(STORED, tmp_path / "runs")
    return RunStore(tmp_path / "runs").run(OLD_ID)


def test_a_run_of_version_1_opens_with_its_numbers(old):
    document = json.loads((old.folder / "run.json").read_bytes())
    assert document["version"] == 1 < VERSION
    header = old.header()
    assert header.version == VERSION
    for line, was in zip(header.summary, document["summary"], strict=True):
        assert line.scores == {"psnr_db": was["psnr_db"], "ssim": was["ssim"]}
    assert [run.id for run in RunStore(old.folder.parent).headers()] == [OLD_ID]
    board = leaderboard(old, "identity").set_index("method")
    assert board.psnr_db["clahe"] == pytest.approx(13.6989014)
    assert board.ssim["clahe"] == pytest.approx(0.7450693)
    assert b"13.69890143" in export(old, "csv")


def test_a_run_of_version_1_verifies(old):
    found = {(row.method, row.what): row.outcome for row in verify(old, sample=None)}
    assert set(found.values()) == {"same"} and len(found) == 2 * 4


def test_a_run_of_version_1_can_be_resumed_and_is_then_of_the_newest(old):
    lines = (old.folder / "scores.jsonl").read_bytes().splitlines(keepends=True)
    (old.folder / "scores.jsonl").write_bytes(lines[0])
    before = old.header().summary
    assert [event.row.method for event in execute_run(old, allow_changed=True)] == ["clahe"]
    assert json.loads((old.folder / "run.json").read_bytes())["version"] == VERSION
    after = old.header().summary
    assert [line.scores["psnr_db"] for line in after] == pytest.approx(
        [line.scores["psnr_db"] for line in before]
    )


def test_numbers_that_json_lacks_migrate(old):
    document = json.loads((old.folder / "run.json").read_bytes())
    document["summary"][0] |= {"psnr_db": "NaN", "ssim": 1.0, "identical": 1}
    mean = Run.model_validate(document).summary[0].scores["psnr_db"]
    assert mean != mean


def test_a_document_of_the_future_is_refused_in_words(tmp_path):
    stored = write_run(tmp_path)
    document = json.loads((stored.folder / "run.json").read_bytes())
    (stored.folder / "run.json").write_text(json.dumps(document | {"version": VERSION + 1}))
    with pytest.raises(InvalidRequest, match=f"version {VERSION + 1} is newer than this program"):
        stored.header()


def test_json_for_programs_keeps_the_names_of_the_scores(tmp_path):
    header = write_run(tmp_path).header()
    line = public_header(header)["summary"][0]
    assert line["psnr_db"] == line["scores"]["psnr_db"] == header.summary[0].scores["psnr_db"]
