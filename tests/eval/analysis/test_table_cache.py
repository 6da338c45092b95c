"""Tables that are kept: made once for the same files, code and metrics."""

import dataclasses

import pytest

from eval.analysis import table_cache as module
from eval.analysis.table_cache import TableCache
from eval.runs.annotations import store_note, store_selection
from mirnet.metrics.registry import METRICS
from tests.support.runs_factory import write_run


def never(*_):
    pytest.fail("made anew")


def test_tables_are_made_once_until_the_run_changes(tmp_path, monkeypatch):
    stored = write_run(tmp_path, pairs=4)
    made = []
    real = module.scores_frame
    monkeypatch.setattr(module, "scores_frame", lambda *given: made.append(given) or real(*given))
    tables = TableCache()
    first = tables.scores(stored)
    assert tables.scores(stored) is first
    tables.board(stored, "identity")
    assert len(made) == 1
    stored.append(stored.rows()[0].model_copy(update={"seconds": 9.0}))
    assert tables.scores(stored) is not first


def test_a_comparison_is_computed_once_for_its_table_and_its_pictures(tmp_path, monkeypatch):
    runs = [write_run(tmp_path, pairs=4, id=f"2026010{n}-120000-abc1") for n in (1, 2, 3)]
    tables, made, real = TableCache(), [], module.changes_of_runs
    monkeypatch.setattr(
        module, "changes_of_runs", lambda *given, **more: made.append(given) or real(*given, **more)
    )
    tables = TableCache()
    found = tables.comparison(runs)
    assert tables.changes(runs).table is found.changes and tables.comparison(runs) is found
    assert len(made) == 1
    assert tables.comparison(runs[::-1]).baseline.id == runs[2].id and len(made) == 2
    runs[1].append(runs[1].rows()[0].model_copy(update={"seconds": 9.0}))
    assert tables.comparison(runs) is not found and len(made) == 3
    tables.forget(runs[0].id)
    assert tables.changes(runs).table is not found.changes


def test_slices_are_found_once_until_a_fact_is_added(tmp_path, monkeypatch):
    stored = write_run(tmp_path, pairs=4)
    tables, made, real = TableCache(), [], module.slices_of
    monkeypatch.setattr(module, "slices_of", lambda *given: made.append(given) or real(*given))
    before = tables.slices(stored)
    assert tables.slices(stored, "rgb") is before and len(made) == 1
    for number, pair in enumerate(stored.pairs()):
        stored.append_facts(pair, {"camera": "ab"[number % 2]})
    names = [one.name for one in tables.slices(stored)]
    assert {"camera=a", "camera=b"} <= {*names} and len(names) == len(before) + 2


def test_slices_know_what_was_written_since_and_tables_are_kept(tmp_path):
    stored = write_run(tmp_path, pairs=4)
    tables = TableCache()
    before, scores = tables.slices(stored), tables.scores(stored)
    store_note(stored, "p0000", ["blur"], "")
    assert [one.name for one in tables.slices(stored)][len(before) :] == ["tag=blur"]
    store_selection(stored, "faces", ["p0001"])
    assert [one.name for one in tables.slices(stored)][-1] == "selection=faces"
    store_selection(stored, "faces", [])
    assert [one.name for one in tables.slices(stored)][-1] == "tag=blur"
    assert tables.scores(stored) is scores  # a note changes no score


def test_new_versions_of_a_table_take_the_place_of_older_ones(tmp_path, monkeypatch):
    other, stored = write_run(tmp_path / "other", pairs=3), write_run(tmp_path / "runs", pairs=4)
    monkeypatch.setattr(module, "MAX_TABLES", 4)
    tables = TableCache()
    scores = tables.scores(other)
    for number in range(6):
        store_note(stored, "p0000", [f"{number}"], "")
        assert [one.name for one in tables.slices(stored)][-1] == f"tag={number}"
    for number in range(6):  # a run that is under way
        stored.append(stored.rows()[0].model_copy(update={"seconds": float(number)}))
        assert len(tables.scores(stored)) == len(stored.rows())
    assert tables.scores(other) is scores


def test_tables_of_large_runs_are_read_from_disk_after_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WORTH_KEEPING", 10)
    stored = write_run(tmp_path, pairs=6)
    before, board = TableCache().scores(stored), TableCache().board(stored, "identity")
    monkeypatch.setattr(module, "scores_frame", never)
    monkeypatch.setattr(module, "leaderboard", never)
    again = TableCache().scores(stored)
    assert list(again.method.cat.categories) == list(before.method.cat.categories)
    assert again.psnr_db.tolist() == before.psnr_db.tolist()
    assert TableCache().board(stored, "identity").psnr_db.tolist() == board.psnr_db.tolist()


def test_kept_tables_do_not_survive_a_change_of_the_code_that_made_them(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WORTH_KEEPING", 10)
    stored = write_run(tmp_path, pairs=6)
    TableCache().board(stored, "identity")
    changed = lambda *given: real(*given).assign(psnr_db=99.0)  # noqa: E731
    real = module.leaderboard
    monkeypatch.setattr(module, "leaderboard", changed)
    monkeypatch.setattr(module, "code_fingerprint", lambda: "another version")
    assert set(TableCache().board(stored, "identity").psnr_db) == {99.0}


def test_a_new_metric_makes_kept_tables_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WORTH_KEEPING", 10)
    stored = write_run(tmp_path, pairs=6)
    TableCache().scores(stored)
    monkeypatch.setitem(METRICS, "mae", dataclasses.replace(METRICS["ssim"], key="mae"))
    assert "mae" in TableCache().scores(stored)


def test_the_fingerprint_is_of_the_code_that_makes_tables():
    root = module.Path(module.__file__).parents[2]
    named = {path.name for pattern in module.TABLE_CODE for path in root.glob(pattern)}
    assert {"score_tables.py", "leaderboards.py", "statistics.py", "registry.py"} <= named
