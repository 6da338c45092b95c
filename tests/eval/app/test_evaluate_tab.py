"""The Evaluate tab below the browser: public endpoints, links, limits, read-only mode, speed."""

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

import app
from eval.app.evaluate_tab import EvaluateTab
from eval.app.run_queue import Limits, RunQueue
from eval.app.view_state import ViewState
from eval.runs.store import RunStore
from tests.support.runs_factory import method, write_run

gr = pytest.importorskip("gradio")

RUN = "20260101-120000-abcdef"
OTHER = "20260102-120000-abcdef"
METHODS = tuple(method(name) for name in ("identity", "clahe", "ours"))


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> RunQueue:
    folder = tmp_path_factory.mktemp("state") / "runs"
    write_run(folder, pairs=6, methods=METHODS, title="Six pictures")
    return RunQueue(RunStore(folder), Limits(pairs=5))


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


def arrived(tab: EvaluateTab, **query: str):
    return tab.arrive(SimpleNamespace(query_params={"tab": "evaluate", **query}))


def value(update) -> object:
    return update["value"] if isinstance(update, dict) else update


# ---------------------------------------------------------------- programs


def test_a_program_runs_an_evaluation_and_reads_it(client):
    benchmarks = client.predict(task="retouch", api_name="/evaluation_benchmarks")
    mini = next(entry for entry in benchmarks if entry["id"] == "mini-retouch")
    assert mini["pairs"] == 8 and mini["protocols"] == ["rgb"] and not mini["official"]
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
    update = arrived(
        tab, run=RUN, view="plots", plot="scatter", score="ssim", a="clahe", b="ours",
        protocol="gt-mean/1", baseline="nobody", zoom="3", at="x",
    )  # fmt: skip
    assert value(update[tab.view]) == "plots" and value(update[tab.plot_name]) == "scatter"
    assert value(update[tab.metric]) == "ssim"
    assert (value(update[tab.plot_a]), value(update[tab.plot_b])) == ("clahe", "ours")
    assert value(update[tab.protocol]) == "gt-mean/1"
    assert value(update[tab.baseline]) == "identity"
    assert tab.pictures.zoom not in update and update[tab.message] == ""


def test_a_link_restores_which_pictures_and_keeps_what_a_widget_offers(service):
    tab = made(service)
    update = arrived(
        tab, run=RUN, view="pictures", which="disagree", k="3", method="clahe", other="identity",
        baseline="",
    )  # fmt: skip
    seen = tab.pictures
    assert [value(update[widget]) for widget in (seen.which, seen.k, seen.other)] == [
        "disagree", 3, "identity",
    ]  # fmt: skip
    assert value(update[tab.baseline]) == ""
    assert [name for _, name in update[seen.method]["choices"]] == ["identity", "clahe", "ours"]
    assert value(update[seen.method]) == "clahe"


def test_who_comes_back_finds_the_newest_run_without_its_plot(tmp_path):
    write_run(tmp_path, methods=METHODS, title="Before")
    write_run(tmp_path, methods=METHODS, title="LRUCache", id=OTHER)
    running = made(RunQueue(RunStore(tmp_path))).running
    update = running.arrived()
    assert update[running.followed] == OTHER and "LRUCache" in update[running.table]
    assert update[running.opens]["visible"]
    assert running.plot not in update
    write_run(tmp_path, methods=METHODS, id="20260103-120000-abcdef", status="stopped")
    assert running.plot in running.arrived()


def test_a_widget_that_is_not_there_yet_sends_nothing_and_breaks_nothing(service):
    tab = made(service)
    asked = [getattr(widget, "value", None) for widget in tab.asks]
    for widget in (tab.metric, tab.pictures.across, tab.pictures.down):
        asked[tab.asks.index(widget)] = None
    ask = ViewState(*asked)
    assert ask.metric == "psnr_db" and (ask.place.across, ask.place.down) == (0.5, 0.5)


def test_the_history_shows_what_is_asked_for(service):
    tab = made(service)
    asked = [getattr(widget, "value", None) for widget in tab.asks]
    ask = ViewState(*asked)
    rows = tab._history(ask)[tab.history]["value"]["data"]
    assert rows[-1][0] == "Six pictures" and rows[-1][-1] == RUN
    assert not tab._history(replace(ask, only_task="denoise"))[tab.history]["visible"]
    assert not tab._history(replace(ask, only_state="failed"))[tab.history]["visible"]


def test_a_clicked_point_opens_its_picture_or_its_methods_worst(service):
    tab = made(service)
    asked = [getattr(widget, "value", None) for widget in tab.asks]
    asked[:2] = ["plots", RUN]
    update = tab.pick_point('["p0003", "clahe"]', *asked)
    assert value(update[tab.pictures.pair]) == "p0003"
    assert (update[tab.pictures.method], update[tab.view]) == ("clahe", "pictures")
    worst = tab.pick_point('["", "clahe"]', *asked)
    scores = service.frames.scores(service.stored(RUN))
    own = scores[scores.method == "clahe"]
    assert value(worst[tab.pictures.pair]) == own.pair[own.psnr_db.idxmin()]
    for nothing in ('["", "LLFlow"]', "[]", "no", None):
        assert tab.view not in tab.pick_point(nothing, *asked)


def test_opening_without_a_link_changes_no_tab(service):
    tab = made(service)
    update = tab.arrive(SimpleNamespace(query_params={}))
    assert tab.tabs not in update and tab.view not in update
    assert "at most 5 pairs" in update[tab.running.estimate]


def test_a_read_only_page_offers_nothing_to_press(tmp_path):
    write_run(tmp_path, methods=METHODS)
    tab = made(RunQueue(RunStore(tmp_path), read_only=True))
    assert not tab.check.interactive and not tab.delete.visible
    with pytest.raises(gr.Error, match="only shows results"):
        tab.programs.start("mini-retouch", ["identity"])
    assert value(arrived(tab, run=RUN)[tab.run]) == RUN


def test_deleting_needs_the_box_ticked(tmp_path):
    write_run(tmp_path, methods=METHODS)
    tab = made(RunQueue(RunStore(tmp_path)))
    assert "Choose a run first" in tab.remove(None, True)[tab.checks]
    assert "Tick the box first" in tab.remove(RUN, False)[tab.checks]
    assert len(tab.service.history()) == 1
    assert "is deleted" in tab.remove(RUN, True)[tab.checks]
    assert tab.service.history() == []


# ---------------------------------------------------------------- how fast a large run opens


def test_a_run_of_5000_pictures_opens_and_draws_at_once(tmp_path, capsys):
    """Prints what it took; asserts only the order of magnitude, for loaded machines."""
    write_run(tmp_path, pairs=5000)
    from tests.bench import evaluation as bench

    timings = {timing.what: timing.seconds for timing in bench.opening(RunStore(tmp_path).run(RUN))}
    with capsys.disabled():
        print("".join(f"\n  {seconds:6.2f} s  {what}" for what, seconds in timings.items()))
    assert timings.pop("first look") < 20
    assert timings.pop("after a restart") < 10
    assert max(timings.values()) < 10
    assert len(timings) == 7  # one for each figure


def test_only_the_newest_request_of_a_visitor_is_answered(service):
    tab = made(service)
    asked = [getattr(widget, "value", None) for widget in tab.asks]
    asked[:2] = ["board", RUN]
    anna, bert = (SimpleNamespace(session_hash=name) for name in ("anna", "bert"))
    slow, other = tab.fill(anna, *asked), tab.fill(bert, *asked)
    next(slow), next(other)
    next(tab.fill(anna, *asked))  # she has pressed something else meanwhile
    assert list(slow) == [] and len(list(other)) == 1
