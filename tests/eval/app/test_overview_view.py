"""The Overview below the browser: what it shows without and with runs of one's own."""

import pytest

from eval.app.evaluate_tab import EvaluateTab
from eval.app.run_queue import RunQueue
from eval.app.view_state import ViewState
from eval.runs.recorded import recorded_headers
from eval.runs.store import RunStore
from mirnet.errors import InvalidRequest
from tests.support.runs_factory import write_run

gr = pytest.importorskip("gradio")

OWN = "20260101-120000-abcdef"


def made(service: RunQueue) -> EvaluateTab:
    with gr.Blocks() as page:
        return EvaluateTab(page, gr.Tabs(), service)


@pytest.fixture
def tab(tmp_path) -> EvaluateTab:
    return made(RunQueue(RunStore(tmp_path)))


def filled(tab: EvaluateTab, **state: str) -> dict:
    view, update = tab.overview, {}
    for part in view.parts:
        for one in part.fill_without_run(ViewState(**state), "admin"):
            update |= one
    return update


def test_a_link_without_a_view_is_the_overview():
    assert ViewState.from_query({"tab": "evaluate"}).view == "overview"
    link = ViewState(group="retouch", metric="ssim", run=OWN).query()
    assert link == "tab=evaluate&view=overview&group=retouch&score=ssim"


def test_every_cell_leads_to_its_run_and_the_date_and_machine_are_told(tab):
    table = filled(tab, group="retouch")[tab.overview.table]
    (run,) = [run for run in recorded_headers() if run.id.endswith("-miniretouch")]
    assert f"view=board&amp;run={run.id}" in table
    assert f"recorded by us on {run.created:%Y-%m-%d}" in table
    assert run.environment.machine in table
    assert "as published" in table


def test_own_runs_are_listed_and_never_in_the_table(tmp_path, tab):
    empty = filled(tab)
    assert "None yet" in empty[tab.overview.list.runs]
    write_run(tmp_path, title="My <b>own</b>", id=OWN)
    update = filled(tab)
    assert "My &lt;b&gt;own&lt;/b&gt;" in update[tab.overview.list.runs]
    assert OWN not in update[tab.overview.table] + update[tab.overview.recorded]


@pytest.mark.parametrize(("role", "words"), [("admin", "you start one"), ("viewer", "start none")])
def test_all_runs_lists_the_recorded_ones_too_and_says_who_may_start(tab, role, words):
    history = tab.history
    update = history.listing(ViewState(view="runs"), role)
    assert words in update[history.no_runs] and not update[history.history]["visible"]
    assert "<details" in update[history.recorded] and " open>" in update[history.recorded]
    assert all(run.id in update[history.recorded] for run in recorded_headers())
    some = history.listing(ViewState(view="runs", task="retouch"), role)[history.recorded]
    assert "miniretouch" in some and "minidenoise" not in some
    failed = history.listing(ViewState(view="runs", status="failed"), role)
    assert failed[history.recorded] == "" or "<table" not in failed[history.recorded]
    made_here = next(tab.overview.list.fill_without_run(ViewState(), role))
    assert words in made_here[tab.overview.list.runs]


def test_with_recorded_runs_alone_a_view_without_a_run_asks_to_choose_one(tab):
    report = tab.report
    update = next(tab.router.shown(report, report, ViewState(view="board"), "viewer"))
    assert "Choose one above" in update[tab.router.about]


@pytest.mark.parametrize(
    ("group", "task", "wanted"), [("enlarge", "sr-x3", None), ("enlarge", "denoise", "sr-x2")]
)
def test_new_run_starts_with_a_task_of_the_open_table(tab, group, task, wanted):
    form = tab.running.form
    update = form.start_from(group, task)
    if wanted is None:
        assert set(update) == {form.task}
    else:
        assert update[form.task] == wanted and update[form.benchmark]["value"] == "mini-sr-x2"


def test_few_scenes_are_told_beside_the_number_of_pictures(tab):
    table = filled(tab, group="denoise")[tab.overview.table]
    few = [column for column in tab.overview.overview("denoise", "psnr_db").columns
           if column.scenes < 5]  # fmt: skip
    assert few and all(f"of {column.scenes} scenes" in table for column in few)


def test_a_run_under_way_keeps_the_list_up_to_date(tmp_path, tab, monkeypatch):
    write_run(tmp_path, id=OWN, status="running")
    assert not filled(tab)[tab.overview.list.timer].active  # interrupted: nobody works on it
    stored = RunStore(tmp_path).run(OWN)
    with stored.lock():
        update = filled(tab)
    assert update[tab.overview.list.timer].active
    assert "elsewhere" in update[tab.overview.list.runs]


def test_without_own_runs_the_other_views_show_a_recorded_one(tmp_path, tab):
    first = tab.queue.shown_first()
    assert first in {run.id for run in recorded_headers()} and tab.queue.newest() is None
    assert tab.running.followed not in tab.running.at_arrival()  # nothing of it is live
    write_run(tmp_path, id=OWN)
    assert tab.queue.shown_first() == OWN


def test_a_recorded_run_is_neither_deleted_nor_resumed(tab):
    run_id = recorded_headers()[0].id
    with pytest.raises(InvalidRequest, match="came with the program"):
        tab.queue.delete(run_id, "admin")
    with pytest.raises(InvalidRequest, match="nothing to resume"):
        tab.queue.resume(run_id, "admin")
    assert tab.queue.status(run_id).recorded


def test_a_copy_that_only_shows_results_offers_no_new_run(tmp_path):
    assert not made(RunQueue(RunStore(tmp_path), read_only=True)).overview.new.visible
