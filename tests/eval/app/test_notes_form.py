"""Tags, note and selections of the open picture below the browser: what each event writes."""

from types import SimpleNamespace

import pytest

from eval.app.evaluate_tab import EvaluateTab
from eval.app.run_queue import RunQueue
from eval.app.view_state import ViewState
from eval.runs.annotations import MAX_TAGS, notes_of, selections_of, store_note, store_selection
from eval.runs.store import RunStore
from tests.support.runs_factory import method, write_run

gr = pytest.importorskip("gradio")

RUN = "20260101-120000-abcdef"
OTHER = "20260102-120000-abcdef"
METHODS = tuple(method(name) for name in ("identity", "ours"))
ANNA = SimpleNamespace(session_hash="anna", cookies={}, headers={})


@pytest.fixture
def tab(tmp_path) -> EvaluateTab:
    write_run(tmp_path, pairs=6, methods=METHODS)
    with gr.Blocks() as page:
        return EvaluateTab(page, gr.Tabs(), RunQueue(RunStore(tmp_path)))


def filled(tab: EvaluateTab, part, **fields) -> dict:
    """What an event of the Pictures view writes into one of its parts."""
    view, state = tab.pictures, ViewState(view="pictures", **fields)
    values = [getattr(state, name) for name in [*tab.router.scope, *view.inputs]]
    *_, update = tab.events.filling(view, part)(ANNA, *values)
    return update


def test_a_deleted_selection_is_no_filter_any_more_and_the_next_picture_opens(tab):
    view, stored = tab.pictures, tab.queue.stored(RUN)
    store_selection(stored, "two", ["p0001", "p0002"])
    for pair in ("p0001", "p0003"):
        store_note(stored, pair, ["soft"], "")
    chosen = ["selection=two", "tag=soft"]
    kept = filled(tab, view, run=RUN, slices=chosen, pair="p0001")[view.slices]
    assert "value" not in kept  # the visitor may be changing it
    store_selection(stored, "two", [])
    update = filled(tab, view, run=RUN, slices=chosen, pair="p0001")[view.slices]
    assert update["value"] == ["tag=soft"]
    offered = gr.Dropdown(update["choices"], multiselect=True)
    assert offered.preprocess(update["value"]) == ["tag=soft"]
    state = ViewState(view="pictures", run=RUN, slices=update["value"], pair="p0001")
    assert view.turn_on(state)[view.pair]["value"] == "p0003"


def test_a_refused_note_and_a_change_of_a_selection_leave_what_is_typed(tab):
    notes = tab.pictures.notes
    of = notes.load((RUN, "p0001"))[notes.of]
    refused = notes.save_note(of, "", [f"tag {n}" for n in range(MAX_TAGS + 1)], "typed", ANNA)
    assert "mir-failed" in refused[notes.line] and notes.read not in refused
    update = filled(tab, notes, run=RUN, pair="p0001")
    assert update[notes.opened] == (RUN, "p0001")
    assert notes.note not in update and "value" not in update[notes.tags]
    assert "value" not in update[notes.selection] and notes.line not in update


def test_another_picture_or_run_loads_its_note_and_clears_the_message(tab, tmp_path):
    notes = tab.pictures.notes
    store_note(write_run(tmp_path, pairs=6, methods=METHODS, id=OTHER), "p0001", ["soft"], "mine")
    assert filled(tab, notes, run=OTHER, pair="p0001")[notes.opened] == (OTHER, "p0001")
    fields = [notes.of, notes.tags, notes.note, notes.line]
    assert [notes.load((OTHER, "p0001"))[field] for field in fields] == [
        f"{OTHER}/p0001", ["soft"], "mine", "",
    ]  # fmt: skip
    tab.queue.delete(OTHER)
    assert notes.load((OTHER, "p0001"))[notes.note] == ""


def test_what_is_typed_goes_to_the_run_that_the_fields_belong_to(tab, tmp_path):
    other, notes = write_run(tmp_path, pairs=6, methods=METHODS, id=OTHER), tab.pictures.notes
    of = notes.load((RUN, "p0001"))[notes.of]
    chosen = ViewState(view="pictures", run=OTHER)  # the dropdown is ahead of the fields
    assert "are saved" in notes.save_note(of, "", ["soft"], "", ANNA)[notes.line]
    notes.changing("add", lambda _: chosen)("one", of, ANNA)
    assert not notes_of(other) and not selections_of(other)
    mine = tab.queue.stored(RUN)
    assert notes_of(mine)["p0001"].tags == ("soft",) and selections_of(mine) == {"one": ("p0001",)}


def test_of_two_who_write_at_once_the_second_sees_the_other_text_and_keeps_the_own(tab):
    notes, stored = tab.pictures.notes, tab.queue.stored(RUN)
    anna = ben = notes.load((RUN, "p0001"))
    notes.save_note(anna[notes.of], anna[notes.read], ["soft"], "by Anna", ANNA)
    refused = notes.save_note(ben[notes.of], ben[notes.read], [], "by Ben", ANNA)
    assert "tags soft" in refused[notes.line] and "“by Anna”" in refused[notes.line]
    assert "press Save again" in refused[notes.line] and notes.note not in refused
    assert notes_of(stored)["p0001"].note == "by Anna"
    saved = notes.save_note(ben[notes.of], refused[notes.read], [], "by Ben", ANNA)
    assert "are saved" in saved[notes.line] and notes_of(stored)["p0001"].note == "by Ben"
    again = notes.save_note(ben[notes.of], saved[notes.read], [], "by Ben again", ANNA)
    assert "are saved" in again[notes.line]
    deleted = notes.save_note(ben[notes.of], again[notes.read], [], "", ANNA)
    assert deleted[notes.read] == ""
    late = notes.save_note(ben[notes.of], again[notes.read], [], "late", ANNA)
    assert "no note any more" in late[notes.line] and not notes_of(stored)
