"""The Evaluate tab below the browser: public endpoints, links, limits, read-only mode, speed."""

import time
from types import SimpleNamespace

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

import app
from eval.analysis.plots import PLOTS
from eval.app.evaluate_tab import EvaluateTab
from eval.app.run_limits import RunLimits
from eval.app.run_queue import RunQueue
from eval.app.view import ViewRequest
from eval.app.view_state import ViewState
from eval.runs.recorded import recorded_headers
from eval.runs.store import RunStore
from tests.support.review_runs import with_pictures
from tests.support.runs_factory import method, write_run

gr = pytest.importorskip("gradio")

RUN = "20260101-120000-abcdef"
OTHER = "20260102-120000-abcdef"
METHODS = tuple(method(name) for name in ("identity", "clahe", "ours"))


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> RunQueue:
    folder = tmp_path_factory.mktemp("state") / "runs"
    write_run(folder, pairs=6, methods=METHODS, title="Six pictures")
    return RunQueue(RunStore(folder), RunLimits(pairs=5))


@pytest.fixture(scope="module")
def client(service):
    page = app.build(1_000_000, service)
    page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **app.launch_options()
    )
    yield Client(page.local_url, verbose=False)
    page.close()
    service.close()


def made(service: RunQueue) -> EvaluateTab:
    with gr.Blocks() as page:
        return EvaluateTab(page, gr.Tabs(), service)


def opened(tab: EvaluateTab, view: str, **query: str):
    """What the link of a view puts into the widgets."""
    chosen = next(one for one in tab.views if one.name == view)
    return tab.router.open(chosen, {"tab": "evaluate", "view": view, **query})


def filled(tab: EvaluateTab, view: str, visitor: str = "anna", part=None, **state):
    """The handler of a view, or of one of its parts, asked for a state."""
    chosen = next(one for one in tab.views if one.name == view)
    state = ViewState(view=view, **state)
    fields = [*tab.router.scope, *chosen.inputs]
    values = [getattr(state, name) for name in fields]
    return tab.events.filling(chosen, part or chosen)(
        SimpleNamespace(session_hash=visitor), *values
    )


def value(update) -> object:
    return update["value"] if isinstance(update, dict) else update


# ---------------------------------------------------------------- programs


def test_a_program_runs_an_evaluation_and_reads_it(client):
    benchmarks = client.predict(task="retouch", api_name="/evaluation_benchmarks")
    mini = next(entry for entry in benchmarks if entry["id"] == "mini-retouch")
    assert mini["pairs"] == 8 and mini["protocols"] == ["rgb-8bit", "rgb"] and not mini["official"]
    names = [entry["id"] for entry in client.predict("retouch", api_name="/evaluation_methods")]
    assert {"identity", "clahe"} <= set(names)
    status = client.predict(
        "mini-retouch", ["identity", "clahe"], 2, 3, ["rgb"], "By a program",
        api_name="/evaluate_start",
    )  # fmt: skip
    assert status["total"] == 4
    end = time.monotonic() + 60
    while status["state"] != "done" and time.monotonic() < end:
        time.sleep(0.1)
        status = client.predict(status["run"], api_name="/evaluate_status")
    assert (status["state"], status["done"]) == ("done", 4)
    result = client.predict(status["run"], api_name="/evaluate_result")
    assert result["run"]["title"] == "By a program" and result["run"]["benchmark"]["seed"] == 3
    assert [row["count"] for row in result["leaderboard"]] == [2, 2]
    report = client.predict(status["run"], api_name="/evaluate_report")
    assert report.lstrip().lower().startswith("<!doctype html") and "By a program" in report


@pytest.mark.parametrize(
    ("endpoint", "given", "words"),
    [
        ("/evaluate_start", ("poetry", ["identity"]), "poetry"),
        ("/evaluate_start", ("mini-retouch", ["identity"], 8), "choose at most 5"),
        ("/evaluate_start", ("mini-retouch", ["nothing"], 2), "nothing"),
        ("/evaluate_status", ("../../etc",), "There is no run '../../etc' here."),
        ("/evaluate_result", (RUN, "nobody"), "nobody"),
        ("/evaluate_report", ("20990101-000000-nobody",), "There is no run"),
        ("/evaluation_methods", ("cooking",), "cooking"),
    ],
)
def test_a_program_is_told_what_is_wrong(client, service, endpoint, given, words):
    with pytest.raises(AppError) as told:
        client.predict(*given, api_name=endpoint)
    assert words in str(told.value) and str(service.store.folder) not in str(told.value)


def test_only_what_programs_need_is_public(client):
    found = list(client.view_api(return_format="dict")["named_endpoints"])
    assert [name for name in found if "eval" in name] == [
        "/evaluation_benchmarks", "/evaluation_methods", "/evaluate_start", "/evaluate_status",
        "/evaluate_result", "/evaluate_report",
    ]  # fmt: skip


# ---------------------------------------------------------------- links and limits


def test_a_link_restores_what_it_names_and_ignores_what_the_run_has_not(service):
    tab = made(service)
    update = opened(
        tab, "plots", run=RUN, plot="scatter", score="ssim", a="clahe", b="ours",
        protocol="gt-mean/1", baseline="nobody",
    )  # fmt: skip
    plots, board = tab.plots, tab.report
    assert value(update[tab.router.view]) == "plots" and value(update[plots.choice]) == "scatter"
    assert value(update[plots.metric]) == "ssim"
    assert (value(update[plots.a]), value(update[plots.b])) == ("clahe", "ours")
    assert value(update[board.protocol]) == "gt-mean/1"
    assert value(update[board.baseline]) == "identity"
    assert update[tab.router.message] == ""


def test_a_link_restores_which_pictures_and_keeps_what_a_widget_offers(service):
    tab = made(service)
    update = opened(
        tab, "pictures", run=RUN, which="disagree", k="3", method="clahe", other="identity",
        baseline="", zoom="x", at="x",
    )  # fmt: skip
    pictures = tab.pictures
    assert [value(update[widget]) for widget in (pictures.which, pictures.k, pictures.other)] == [
        "disagree", 3, "identity",
    ]  # fmt: skip
    assert value(update[tab.report.baseline]) == "" and update[pictures.stage.zoom] == 0
    assert [name for _, name in update[pictures.method]["choices"]] == ["identity", "clahe", "ours"]
    assert value(update[pictures.method]) == "clahe"


def test_a_link_to_no_run_opens_the_list_of_runs_with_a_sentence(service):
    tab = made(service)
    update = opened(tab, "plots", run="20990101-000000-nobody")
    assert update[tab.router.view] == "runs" and value(update[tab.router.run]) is None
    assert "There is no run" in update[tab.router.message] and tab.plots.choice not in update
    # No event fills the list afterwards, and nothing of the run before stays open.
    assert update[tab.router.about] == "" and update[tab.router.head]["visible"]
    assert RUN in str(update[tab.history.history]["value"])
    assert set(update) <= {*tab.router.open_outputs, *tab.plots.inputs.values()}
    for button in (tab.history.check, tab.history.again, tab.history.delete):
        assert not update[button]["interactive"]
        assert not tab.history.buttons(None, None, "admin")[button]["interactive"]


def test_who_comes_back_finds_the_newest_run_without_its_plot(tmp_path):
    write_run(tmp_path, methods=METHODS, title="Before")
    write_run(tmp_path, methods=METHODS, title="LRUCache", id=OTHER)
    running = made(RunQueue(RunStore(tmp_path))).running
    update = running.at_arrival()
    assert update[running.followed] == OTHER and "LRUCache" in update[running.table]
    assert update[running.run]["value"] == OTHER  # the other views show it too
    assert update[running.opens]["visible"]
    assert running.plot not in update
    write_run(tmp_path, methods=METHODS, id="20260103-120000-abcdef", status="stopped")
    assert running.plot in running.at_arrival()


def test_another_run_than_the_choices_are_of_gets_its_own(service, tmp_path):
    """Only the open view is told of another run; the others find out when they are filled."""
    tab = made(service)
    updates = list(filled(tab, "plots", run=RUN, plot="scatter", a="official", b="ours"))
    update = {widget: new for part in updates for widget, new in part.items()}
    assert update[tab.plots.a]["value"] == "identity" and "value" not in update[tab.plots.b]
    assert "a=identity&b=ours" in update[tab.router.address]


def test_the_history_shows_what_is_asked_for(service):
    history = made(service).history
    rows = history.listing(ViewState(view="runs"), "admin")[history.history]["value"]["data"]
    assert rows[-1][0] == "Six pictures" and rows[-1][-1] == RUN
    for state in (ViewState(task="denoise"), ViewState(status="failed")):
        update = history.listing(state, "admin")
        assert not update[history.history]["visible"]
        assert "No runs made here match these filters." in update[history.no_runs]


def test_a_clicked_point_opens_its_picture_or_its_methods_worst(service):
    plots = made(service).plots
    state = ViewState(view="plots", run=RUN)
    wanted = plots.pick_point('["p0003", "clahe"]', state)
    assert (wanted.view, wanted.pair, wanted.method) == ("pictures", "p0003", "clahe")
    worst = plots.pick_point('["", "clahe"]', state)
    assert (worst.view, worst.which, worst.method, worst.pair) == (
        "pictures", "worst", "clahe", None,
    )  # fmt: skip
    for nothing in ('["", "LLFlow"]', "[]", "no", None):
        assert plots.pick_point(nothing, state) is None


def test_the_worst_picture_of_a_method_is_shown_first(service):
    tab = made(service)
    updates = list(filled(tab, "pictures", run=RUN, which="worst", method="clahe"))
    shown = {widget: new for part in updates for widget, new in part.items()}
    scores = service.tables.scores(service.stored(RUN))
    own = scores[scores.method == "clahe"]
    assert shown[tab.pictures.pair]["value"] == own.pair[own.psnr_db.idxmin()]


def test_pictures_carry_the_names_of_their_methods_with_ids_where_two_share_one(tmp_path):
    methods = (
        method("ours", title="Ours, compact"),
        method("identity", title="Twin"),
        method("clahe", title="Twin"),
    )
    with_pictures(write_run(tmp_path, methods=methods))
    tab = made(RunQueue(RunStore(tmp_path)))
    shown: dict = {}
    for part in tab.pictures.parts:
        for update in filled(tab, "pictures", part=part, run=RUN):
            shown |= update
    labels = [shown[image].get("label", "") for image in tab.pictures.stage.images]
    for name in ("Ours, compact", "Twin · identity", "Twin · clahe"):
        assert any(name in label for label in labels), labels
        assert name in shown[tab.pictures.scores]
        assert name in shown[tab.pictures.table]["value"]["headers"]


def test_a_choice_fills_every_part_of_its_view_that_depends_on_it(service):
    with gr.Blocks() as page:
        tab = EvaluateTab(page, gr.Tabs(), service)

    def filled_after(widget) -> set:
        events = [fn for fn in page.fns.values() if (widget._id, "input") in fn.targets]
        return {output for fn in events for output in fn.outputs}

    report, plots, pictures = tab.report, tab.plots, tab.pictures
    for choice in (report.protocol, report.baseline):
        wanted = {report.board, *report.plots.plots, report.ends.strip}
        assert wanted <= filled_after(choice)
    for choice in (plots.choice, plots.metric, plots.a, plots.b):
        assert {plots.plot, *plots.others.plots.values()} <= filled_after(choice)
    assert {pictures.scores, pictures.stage.grid} <= filled_after(pictures.pair)
    compare = tab.compare
    for choice in (compare.others, compare.against, compare.metric):
        assert {compare.compared, *compare.stage.images} <= filled_after(choice)


@pytest.mark.parametrize("view", ["board", "plots", "pictures", "slices"])
def test_a_tab_that_a_link_selects_is_not_filled_a_second_time(service, view):
    """The browser names the view in the first input only if a visitor chose the tab."""
    with gr.Blocks() as page:
        tab = EvaluateTab(page, gr.Tabs(), service)
    sub_tab = tab.sub_tabs[view]
    events = [fn for fn in page.fns.values() if (sub_tab._id, "select") in fn.targets]
    chosen = next(one for one in tab.views if one.name == view)
    assert len(events) == len(chosen.parts)
    for event in events:
        assert "window.evTab" in event.js and ("pictureZoom" in event.js) == (view == "pictures")
        values = ["", *(None for _ in event.inputs[1:])]
        updates = list(event.fn(SimpleNamespace(session_hash="anna"), *values))
        assert updates == [tab.router.unchanged()]


def test_a_selection_without_pictures_clears_the_picture_before(service, monkeypatch):
    tab = made(service)
    pictures, state = tab.pictures, ViewState(view="pictures", run=RUN)
    monkeypatch.setattr(pictures, "chosen", lambda stored, state: [])  # slices without a common one
    assert pictures.first_pair(state)[pictures.pair]["value"] is None
    (_, update) = filled(tab, "pictures", run=RUN)
    assert update[pictures.pair]["value"] is None and update[pictures.strip] == ""
    assert update[pictures.table]["value"]["data"] == []
    opened_before = state.model_copy(update={"pair": "p0001"})
    assert pictures.turn_on(opened_before)[pictures.pair] == gr.skip()


def test_opening_without_a_link_opens_no_view(service):
    tab = made(service)
    update = tab.arrive(SimpleNamespace(query_params={}))
    assert update[tab.router.link] == ""
    assert "at most 5 pairs" in update[tab.running.form.estimate]


def test_a_read_only_page_offers_nothing_to_press(tmp_path):
    write_run(tmp_path, methods=METHODS)
    tab = made(RunQueue(RunStore(tmp_path), read_only=True))
    assert not tab.history.check.interactive and not tab.history.delete.visible
    with pytest.raises(gr.Error, match="only shows results"):
        tab.api.start("mini-retouch", ["identity"])
    assert value(opened(tab, "board", run=RUN)[tab.router.run]) == RUN


def test_deleting_needs_the_box_ticked(tmp_path):
    write_run(tmp_path, methods=METHODS)
    tab = made(RunQueue(RunStore(tmp_path)))
    history = tab.history
    assert "Choose a run first" in history.remove(None, True)[history.checks]
    assert "Tick the box first" in history.remove(RUN, False)[history.checks]
    assert len(tab.queue.history()) == 1
    assert "is deleted" in history.remove(RUN, True)[history.checks]
    assert tab.queue.history() == []


def test_a_recorded_run_offers_no_deletion(service):
    tab, recorded = made(service), recorded_headers()[0]
    *_, update = filled(tab, "runs", run=recorded.id)
    assert "cannot be deleted" in update[tab.history.allowed]
    assert update[tab.history.delete]["visible"] is update[tab.history.sure]["visible"] is False
    *_, update = filled(tab, "runs", run=RUN)
    assert update[tab.history.delete]["visible"] is True


# ---------------------------------------------------------------- large runs, several requests


def test_a_large_run_opens_and_draws_every_figure(tmp_path):
    """`python -m tests bench evaluation` prints the seconds of 5,000 pictures."""
    write_run(tmp_path, pairs=1500)
    from tests.bench import evaluation as bench

    done = [timing.what for timing in bench.opening(RunStore(tmp_path).run(RUN))]
    assert done[:2] == ["first look", "after a restart"]
    assert len(done) == 2 + len(PLOTS)


def test_plots_without_anything_to_show_are_left_out_in_words(service):
    others = made(service).plots.others
    asked = ViewState(view="plots", run=RUN)
    (update,) = others.fill(
        ViewRequest(
            service.stored(RUN), service.status(RUN), asked,
            asked.for_run(service.stored(RUN).header()), "admin",
        )
    )  # fmt: skip
    shown = {name for name, plot in others.plots.items() if update[plot]["visible"]}
    assert {"differences", "scatter", "speed", "cumulative", "input"} <= shown
    assert not shown & {"distribution", "perception", "training"}
    assert all(update[others.plots[name]]["value"].data for name in shown)
    assert "Perception and distortion is left out. This run" in update[others.missing]
    assert "&lt;br" not in update[others.missing]
    assert "Score by training step" not in update[others.missing]


def test_only_the_newest_request_of_a_visitor_is_answered(service):
    tab = made(service)
    slow, other = filled(tab, "board", run=RUN), filled(tab, "board", "bert", run=RUN)
    next(slow), next(other)
    next(filled(tab, "plots", run=RUN))  # she has pressed something else meanwhile
    assert list(slow) == [] and len(list(other)) == 1
