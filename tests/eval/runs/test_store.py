"""The list of stored runs: what is read once is not read again."""

import pytest

from eval.runs.document import Run
from eval.runs.store import RunStore, StoredRun
from tests.support.runs_factory import write_run

IDS = [f"2026010{day}-120000-abcdef" for day in range(1, 5)]


@pytest.fixture
def store(tmp_path) -> RunStore:
    for run_id in IDS:
        write_run(tmp_path, pairs=1, id=run_id)
    return RunStore(tmp_path)


@pytest.fixture
def parsed(monkeypatch) -> list[str]:
    """What was parsed: the id of each header file, and "index" for each entry of the index."""
    seen: list[str] = []
    header, validate = StoredRun.header, Run.model_validate

    def read(self) -> Run:
        seen.append(self.id)
        return header(self)

    def from_index(value, **options) -> Run:
        seen.append("index")
        return validate(value, **options)

    monkeypatch.setattr(StoredRun, "header", read)
    monkeypatch.setattr(Run, "model_validate", from_index)
    return seen


def test_headers_are_parsed_once(store, parsed):
    assert [run.id for run in store.headers()] == IDS[::-1]
    assert sorted(parsed) == IDS
    parsed.clear()
    assert len(store.headers()) == 4 and parsed == []
    assert len(RunStore(store.folder).headers()) == 4
    assert parsed == ["index"] * 4


def test_a_changed_header_is_read_again_and_a_deleted_run_is_gone(store, parsed):
    store.headers()
    stored = store.run(IDS[1])
    stored.write_header(stored.header().model_copy(update={"title": "Changed"}))
    (store.folder / IDS[0] / "run.json").unlink()
    parsed.clear()
    titles = {run.id: run.title for run in store.headers()}
    assert parsed == [IDS[1]] and titles[IDS[1]] == "Changed" and IDS[0] not in titles
    parsed.clear()
    assert {run.id: run.title for run in RunStore(store.folder).headers()} == titles
    assert parsed == ["index"] * 3


def test_a_damaged_header_is_left_out(store):
    store.headers()
    (store.folder / IDS[2] / "run.json").write_text("{")
    assert IDS[2] not in [run.id for run in store.headers()]
