"""The Compare view below the browser: what its widgets offer, and what is said beside them."""

from types import SimpleNamespace

import pytest

from eval.analysis import run_pictures
from eval.app.compare_stage import MAX_RESULTS
from eval.app.evaluate_tab import EvaluateTab
from eval.app.run_queue import RunQueue
from eval.app.view_state import ViewState
from eval.runs.store import RunStore
from tests.support.review_runs import with_pictures
from tests.support.runs_factory import method, write_run

gr = pytest.importorskip("gradio")

RUN = "20260101-120000-abcdef"
OTHER = "20260102-120000-abcdef"
GONE = "20260103-120000-abcdef"
METHODS = tuple(method(name) for name in ("identity", "ours"))


@pytest.fixture
def tab(tmp_path) -> EvaluateTab:
    for name in (RUN, OTHER):
        write_run(tmp_path, pairs=6, methods=METHODS, id=name)
    with gr.Blocks() as page:
        return EvaluateTab(page, gr.Tabs(), RunQueue(RunStore(tmp_path)))


def filled(tab: EvaluateTab, part=None, **fields) -> dict:
    """What an event of the view writes into the view itself or another of its parts."""
    view, state = tab.compare, ViewState(view="compare", **fields)
    values = [getattr(state, name) for name in [*tab.router.scope, *view.inputs]]
    fill = tab.events.filling(view, part or view)
    *_, update = fill(SimpleNamespace(session_hash="anna", cookies={}, headers={}), *values)
    return update


def accepted(widget: gr.Dropdown, update: dict, sent=None) -> bool:
    """Whether Gradio takes the next event, which sends the dropdown's value."""
    offered = gr.Dropdown(update["choices"], multiselect=widget.multiselect)
    try:
        offered.preprocess(update.get("value", sent))
    except gr.Error:
        return False
    return True


def test_a_run_of_a_link_that_is_not_stored_is_offered_and_can_be_taken_away(tab):
    view = tab.compare
    link = {"tab": "evaluate", "view": "compare", "run": RUN, "with": f"{OTHER},{GONE}"}
    update = tab.router.open(view, link | {"against": GONE})
    assert update[view.others]["value"] == [OTHER, GONE]
    assert (f"{GONE} · not here", GONE) in update[view.others]["choices"]
    assert accepted(view.others, update[view.others])
    assert accepted(view.against, update[view.against])


def test_a_run_that_was_deleted_while_it_is_chosen_is_said_and_can_be_taken_away(tab):
    view = tab.compare
    tab.queue.delete(OTHER)
    update = filled(tab, run=RUN, others=[OTHER], against=OTHER)
    assert "There is no run" in update[view.compared]
    assert accepted(view.others, update[view.others], [OTHER])
    assert accepted(view.against, update[view.against], OTHER)


def test_the_open_run_is_not_compared_with_itself(tab):
    view = tab.compare
    update = filled(tab, run=OTHER, others=[OTHER])  # chosen while another run was open
    assert update[view.others]["value"] == []
    assert accepted(view.others, update[view.others])


def test_runs_that_are_not_listed_are_counted_without_the_chosen_ones(tab, tmp_path, monkeypatch):
    monkeypatch.setattr("eval.app.compare_view.recorded_headers", lambda: ())
    for name in (GONE, "20260104-120000-abcdef"):
        write_run(tmp_path, pairs=5, methods=METHODS, id=name, data_sha256="0" * 64)
    words = str(filled(tab, run=RUN)[tab.compare.offered])
    assert "2 other runs on LoL eval15 are not listed" in words
    words = str(filled(tab, run=RUN, others=[GONE])[tab.compare.offered])
    assert "1 other run on LoL eval15 is not listed" in words


def test_no_more_pictures_are_read_than_are_shown(tab, tmp_path, monkeypatch):
    names = [f"202601{day}-120000-abcdef" for day in range(10, 10 + MAX_RESULTS + 1)]
    for name in (RUN, *names):
        with_pictures(write_run(tmp_path, pairs=2, methods=METHODS, id=name), 8, 8)
    read = []
    stored_pictures = run_pictures.stored_pictures
    monkeypatch.setattr(
        run_pictures,
        "stored_pictures",
        lambda stored, rows: read.append(stored.id) or stored_pictures(stored, rows),
    )
    stage = tab.compare.stage
    update = filled(tab, stage, run=RUN, others=names)
    assert len(read) == MAX_RESULTS and all(update[image]["visible"] for image in stage.images)
    assert f"the first {MAX_RESULTS} runs" in update[stage.words]


def test_checkpoints_of_the_compared_runs_are_drawn_together(tab, tmp_path):
    view = tab.compare
    assert filled(tab, run=RUN, others=(OTHER,))[view.curves] == gr.update(visible=False)
    steps = (method("identity"), *(method(f"ours-{n}", training_step=n) for n in (10, 20)))
    write_run(tmp_path, pairs=6, methods=steps, id=GONE)
    shown = filled(tab, run=RUN, others=(OTHER, GONE))[view.curves]
    assert shown["visible"] and [list(curve.x) for curve in shown["value"].data] == [[10, 20]]
    assert filled(tab, run=RUN)[view.curves]["visible"] is False
