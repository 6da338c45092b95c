"""Tags, notes and selections: limits, damaged files, machines that write at once, removal."""

import contextlib
import datetime
import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from eval.runs import annotations, timestamps
from eval.runs.annotations import (
    MAX_FILE_BYTES,
    MAX_NOTE,
    MAX_SELECTED,
    MAX_TAG,
    MAX_TAGS,
    add_to_selection,
    delete_selection,
    notes_of,
    remove_from_selection,
    selections_of,
    store_note,
    store_selection,
    tags_of,
)
from eval.runs.merging import merge_run
from eval.runs.recorded import recorded_headers
from eval.runs.removal import remove_run
from eval.runs.results_repo import ResultsRepo, is_acceptable
from eval.runs.store import RunStore, StoredRun
from mirnet.errors import InvalidRequest
from tests.support.runs_factory import write_run


@pytest.fixture
def stored(tmp_path) -> StoredRun:
    return write_run(tmp_path / "runs", pairs=4)


def test_the_last_words_on_a_picture_count(stored):
    store_note(stored, "p0000", ["blur", "text", "blur"], "halos\nat  the roof")
    store_note(stored, "p0001", ["blur"], "")
    assert notes_of(stored)["p0000"].note == "halos at the roof"
    assert tags_of(notes_of(stored)) == {"blur": ("p0000", "p0001"), "text": ("p0000",)}
    store_note(stored, "p0000", [], "")
    assert list(notes_of(stored)) == ["p0001"]


def test_selections_are_replaced_and_deleted(stored):
    store_selection(stored, "faces", ["p0002", "p0001", "p0002"])
    store_selection(stored, "a first", ["p0003"])
    assert selections_of(stored) == {"a first": ("p0003",), "faces": ("p0002", "p0001")}
    store_selection(stored, "faces", ["p0000"])
    store_selection(stored, "a first", [])
    assert selections_of(stored) == {"faces": ("p0000",)}


def test_texts_are_one_line_of_printable_characters_and_cut(stored):
    made = store_note(stored, "p0000", ["a\x00b\u202e", "  ", "x" * 9999], "n" * 10**6)
    assert made.tags == ("a b", "x" * MAX_TAG) and made.note == "n" * MAX_NOTE
    assert (stored.folder / "notes.jsonl").stat().st_size < 3000
    assert store_selection(stored, "\ud800 x" * 999, ["p0000"]).name.startswith("x x")


@pytest.mark.parametrize("pair", ["../../etc/passwd", "<script>", "", "p9999", "x" * 10_000])
def test_only_pictures_of_the_run_are_written_about(stored, pair):
    with pytest.raises(InvalidRequest, match="has no picture") as told:
        store_note(stored, pair, ["a"], "")
    assert len(str(told.value)) < 200
    with pytest.raises(InvalidRequest, match="has no picture"):
        store_selection(stored, "a", [pair])


def test_numbers_are_limited(stored, monkeypatch):
    with pytest.raises(InvalidRequest, match=f"at most {MAX_TAGS} tags"):
        store_note(stored, "p0000", [str(number) for number in range(MAX_TAGS + 1)], "")
    monkeypatch.setattr(annotations, "MAX_TAGS_OF_RUN", 3)
    store_note(stored, "p0000", ["1", "2", "3"], "")
    with pytest.raises(InvalidRequest, match="at most 3 different tags"):
        store_note(stored, "p0001", ["4"], "")
    store_note(stored, "p0001", ["3"], "")
    monkeypatch.setattr(annotations, "MAX_SELECTIONS", 1)
    store_selection(stored, "one", ["p0000"])
    with pytest.raises(InvalidRequest, match="at most 1 selections"):
        store_selection(stored, "two", ["p0000"])
    store_selection(stored, "one", ["p0001"])
    with pytest.raises(InvalidRequest, match="needs a name"):
        store_selection(stored, "\n", ["p0000"])


def test_a_selection_of_too_many_pictures_is_refused(tmp_path):
    many = write_run(tmp_path, pairs=MAX_SELECTED + 1, rows=[])
    with pytest.raises(InvalidRequest, match=f"at most {MAX_SELECTED} pictures"):
        store_selection(many, "all", many.pairs())


def test_a_full_file_keeps_the_latest_lines_and_loses_nothing(stored, monkeypatch):
    monkeypatch.setattr(annotations, "MAX_FILE_BYTES", 700)
    store_note(stored, "p0000", ["kept"], "")
    for number in range(20):
        store_note(stored, "p0001", [str(number)], "")
        assert (stored.folder / "notes.jsonl").stat().st_size <= 700
    store_selection(stored, "faces", ["p0000"])
    assert {pair: one.tags for pair, one in notes_of(stored).items()} == {
        "p0000": ("kept",), "p0001": ("19",),
    }  # fmt: skip
    with pytest.raises(InvalidRequest, match="so many notes"):
        store_note(stored, "p0002", [], "n" * 600)
    store_note(stored, "p0002", [], "n" * 400)
    with pytest.raises(InvalidRequest, match="so many notes"):
        store_note(stored, "p0003", [], "n" * 200)
    store_note(stored, "p0002", [], "")  # a deletion makes room
    store_note(stored, "p0003", [], "n" * 200)
    assert list(notes_of(stored)) == ["p0000", "p0001", "p0003"]
    for _ in range(20):
        store_selection(stored, "faces", ["p0001"])
    assert selections_of(stored) == {"faces": ("p0001",)}


def test_deleted_selections_take_no_room(stored, monkeypatch):
    monkeypatch.setattr(annotations, "MAX_SELECTIONS", 2)
    for name in ("a1", "a2", "a3"):
        store_selection(stored, name, ["p0000"])
        store_selection(stored, name, [])
    store_selection(stored, "B", ["p0001"])
    store_selection(stored, "b", ["p0001"])
    assert list(selections_of(stored)) == ["B", "b"]


def test_damaged_foreign_and_torn_lines_are_left_out(stored):
    store_note(stored, "p0000", ["good"], "")
    time = timestamps.now().isoformat()
    lines = [
        b"{", b"[]", b"\xff\xfe", b"[" * 5000,
        json.dumps({"pair": "p0001", "tags": "abc", "time": time}).encode(),
        json.dumps({"pair": "p0001", "tags": [], "note": "x", "time": time, "by": "me"}).encode(),
        json.dumps({"pair": "p0002", "tags": ["a\nb"], "note": "=1+1", "time": time}).encode(),
    ]  # fmt: skip
    with (stored.folder / "notes.jsonl").open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines) + b'{"pair":"p0003","no')
    found = notes_of(stored)
    assert list(found) == ["p0000", "p0002"] and found["p0002"].tags == ("a b",)
    store_note(stored, "p0003", ["after"], "")
    assert "p0003" in notes_of(stored)
    (stored.folder / "notes.jsonl").write_bytes(b" " * (MAX_FILE_BYTES + 1))
    assert notes_of(stored) == {}


def test_a_clock_that_was_ahead_does_not_win_for_good(stored):
    ahead = timestamps.now() + timestamps.MAX_AHEAD - datetime.timedelta(hours=1)
    note = {"pair": "p0000", "tags": ["ahead"], "note": "", "time": ahead.isoformat()}
    chosen = {"name": "faces", "pairs": ["p0000"], "time": ahead.isoformat()}
    (stored.folder / "notes.jsonl").write_text(json.dumps(note) + "\n")
    (stored.folder / "selections.jsonl").write_text(json.dumps(chosen) + "\n")
    assert list(notes_of(stored)) == ["p0000"] and list(selections_of(stored)) == ["faces"]
    store_note(stored, "p0000", ["now"], "")
    store_selection(stored, "faces", ["p0001"])
    assert notes_of(stored)["p0000"].tags == ("now",)
    assert selections_of(stored) == {"faces": ("p0001",)}
    assert store_note(stored, "p0001", ["own"], "").time < ahead  # each picture for itself


@pytest.mark.parametrize("time", ["2999-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-23:59"])
def test_lines_of_the_far_future_are_damaged(stored, time):
    note = {"pair": "p0000", "tags": ["ahead"], "note": "", "time": time}
    (stored.folder / "notes.jsonl").write_text(json.dumps(note) + "\n")
    assert notes_of(stored) == {}
    store_note(stored, "p0000", ["now"], "")
    assert notes_of(stored)["p0000"].tags == ("now",)


def test_people_who_change_a_selection_at_once_lose_nothing(tmp_path):
    stored = write_run(tmp_path, pairs=8, rows=[])
    store_selection(stored, "faces", ["p0000"])
    ready = threading.Barrier(6)

    def change(number: int) -> None:
        ready.wait()
        if number:
            add_to_selection(stored, "faces", f"p000{number}")
        else:
            remove_from_selection(stored, "faces", "p0000")

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(change, range(6)))
    assert sorted(selections_of(stored)["faces"]) == [f"p000{number}" for number in range(1, 6)]


def test_a_change_of_a_selection_sees_what_was_stored_while_it_waited(stored, monkeypatch):
    store_selection(stored, "faces", ["p0000"])
    real = annotations.annotation_lock

    @contextlib.contextmanager
    def after_somebody_else(run):
        monkeypatch.setattr(annotations, "annotation_lock", real)
        store_selection(stored, "faces", ["p0000", "p0001"])
        with real(run):
            yield

    for change in (add_to_selection, remove_from_selection):
        monkeypatch.setattr(annotations, "annotation_lock", after_somebody_else)
        assert "p0001" in change(stored, "faces", "p0002").pairs


def test_a_selection_that_is_not_there_is_not_removed_from(stored):
    assert add_to_selection(stored, " new\n", "p0000").name == "new"
    assert remove_from_selection(stored, "new", "p0000").pairs == ()
    for change in (
        lambda: remove_from_selection(stored, "new", "p0000"),
        lambda: delete_selection(stored, "new"),
    ):
        with pytest.raises(InvalidRequest, match="There is no selection 'new'"):
            change()


def test_nothing_is_written_beside_recorded_runs_and_where_it_may_not_be(stored, monkeypatch):
    recorded = RunStore(stored.folder.parent).run(recorded_headers()[0].id)
    for write in (
        lambda: store_note(recorded, recorded.pairs()[0], ["a"], ""),
        lambda: store_selection(recorded, "a", recorded.pairs()),
        lambda: add_to_selection(recorded, "a", recorded.pairs()[0]),
        lambda: remove_from_selection(recorded, "a", recorded.pairs()[0]),
        lambda: delete_selection(recorded, "a"),
    ):
        with pytest.raises(InvalidRequest, match="takes no tags or notes"):
            write()
    assert not (recorded.folder / "notes.jsonl").exists()

    def full(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(annotations, "append_line", full)
    with pytest.raises(InvalidRequest, match="No space left.*What was stored before is safe"):
        store_note(stored, "p0000", ["a"], "")


def test_what_two_machines_wrote_is_merged(stored, tmp_path):
    there = StoredRun(shutil.copytree(stored.folder, tmp_path / "there" / stored.id))
    store_note(stored, "p0000", ["here"], "")
    store_note(there, "p0001", ["there"], "")
    store_selection(there, "faces", ["p0001"])
    store_note(there, "p0000", ["later"], "")
    assert merge_run(there.folder, stored) and merge_run(there.folder, stored)
    assert {pair: note.tags for pair, note in notes_of(stored).items()} == {
        "p0000": ("later",), "p0001": ("there",),
    }  # fmt: skip
    assert selections_of(stored) == {"faces": ("p0001",)}
    assert (stored.folder / "notes.jsonl").read_bytes().count(b"\n") == 3


def test_a_merge_that_is_too_large_keeps_the_latest_lines(stored, tmp_path, monkeypatch):
    there = StoredRun(shutil.copytree(stored.folder, tmp_path / "there" / stored.id))
    for number in range(30):
        store_note(stored, "p0000", [f"here {number}"], "")
        store_note(there, "p0001", [f"there {number}"], "")
        store_selection(there, "faces", ["p0001"] if number % 2 else ["p0002"])
    sizes = [(one.folder / "notes.jsonl").stat().st_size for one in (stored, there)]
    monkeypatch.setattr("eval.runs.merging.MAX_FILE_BYTES", max(sizes))
    monkeypatch.setattr(annotations, "MAX_FILE_BYTES", max(sizes))
    assert merge_run(there.folder, stored) and merge_run(stored.folder, there)
    for one in (stored, there):
        found = {pair: note.tags for pair, note in notes_of(one).items()}
        assert found == {"p0000": ("here 29",), "p0001": ("there 29",)}
        assert selections_of(one) == {"faces": ("p0001",)}
    assert merge_run(there.folder, stored)
    assert len({(one.folder / "notes.jsonl").read_bytes() for one in (stored, there)}) == 1


def test_a_merge_that_stays_too_large_changes_nothing(stored, tmp_path, monkeypatch):
    there = StoredRun(shutil.copytree(stored.folder, tmp_path / "there" / stored.id))
    store_note(stored, "p0000", [], "n" * 300)
    store_note(there, "p0001", [], "n" * 300)
    before = (stored.folder / "notes.jsonl").read_bytes()
    monkeypatch.setattr("eval.runs.merging.MAX_FILE_BYTES", 600)
    with pytest.raises(InvalidRequest, match="both files stay as they are"):
        merge_run(there.folder, stored)
    assert (stored.folder / "notes.jsonl").read_bytes() == before


def test_lines_of_the_same_moment_are_in_the_same_order_everywhere(stored, tmp_path, monkeypatch):
    there = StoredRun(shutil.copytree(stored.folder, tmp_path / "there" / stored.id))
    moment = timestamps.now()
    monkeypatch.setattr(timestamps, "now", lambda: moment)
    store_note(stored, "p0000", ["here"], "")
    store_note(there, "p0000", ["there"], "")
    assert merge_run(there.folder, stored) and merge_run(stored.folder, there)
    assert notes_of(stored) == notes_of(there)


def test_they_outlive_a_machine_in_the_results_data_set(hub, stored, tmp_path):
    store_note(stored, "p0000", ["blur"], "halos")
    store_selection(stored, "faces", ["p0001"])
    ResultsRepo(RunStore(stored.folder.parent), "us/results").exchange()
    there = RunStore(tmp_path / "there")
    ResultsRepo(there, "us/results").exchange()
    assert notes_of(there.run(stored.id)) == notes_of(stored)
    assert selections_of(there.run(stored.id)) == {"faces": ("p0001",)}
    assert not is_acceptable(f"{stored.id}/notes.jsonl", MAX_FILE_BYTES + 1)
    assert not is_acceptable(f"{stored.id}/other.jsonl", 1)


def test_they_go_with_the_run(stored):
    store_note(stored, "p0000", ["blur"], "halos")
    store_selection(stored, "faces", ["p0001"])
    remove_run(stored)
    assert not list(stored.folder.parent.rglob("notes.jsonl"))
    assert not list(stored.folder.parent.rglob("selections.jsonl"))
