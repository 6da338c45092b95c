"""Tags, note and selections of the open picture below the browser: what each event writes."""

from types import SimpleNamespace

import pytest

from eval.app.evaluate_tab import EvaluateTab
from eval.app.run_queue import RunQueue
from eval.app.view_state import ViewState
from eval.runs.annotations import store_note, store_selection
from eval.runs.store import RunStore
from tests.support.runs_factory import method, write_run

gr = pytest.importorskip("gradio")

RUN = "20260101-120000-abcdef"
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
