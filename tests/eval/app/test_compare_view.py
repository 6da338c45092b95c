"""The Compare view below the browser: what its widgets offer, and what is said beside them."""

from types import SimpleNamespace

import pytest

from eval.app.evaluate_tab import EvaluateTab
from eval.app.run_queue import RunQueue
from eval.app.view_state import ViewState
from eval.runs.store import RunStore
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


def filled(tab: EvaluateTab, **fields) -> dict:
    """What an event of the view writes."""
    view, state = tab.compare, ViewState(view="compare", **fields)
    values = [getattr(state, name) for name in [*tab.router.scope, *view.inputs]]
    fill = tab.events.filling(view, view)
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
