"""Runs that are deleted or damaged while somebody looks at them: a sentence takes their place."""

from operator import attrgetter
from types import SimpleNamespace

import pytest
from markupsafe import Markup

from eval.app.evaluate_tab import EvaluateTab
from eval.app.methods_tab import MethodsTab
from eval.app.review_tab import ReviewTab
from eval.app.run_queue import RunQueue
from eval.app.view import NO_BODY
from eval.app.view_state import ViewState
from eval.review.reviews import start_trial
from eval.runs.store import RunStore
from mirnet.app.photo_reader import PhotoReader
from tests.support.review_runs import with_pictures
from tests.support.runs_factory import method, write_run

gr = pytest.importorskip("gradio")

RUN = "20260101-120000-abcdef"
OTHER = "20260102-120000-abcdef"
GONE = "20260103-120000-abcdef"
METHODS = tuple(method(name) for name in ("identity", "clahe", "ours"))
VISITOR = SimpleNamespace(session_hash="anna")
OF_RUNS = ("board", "plots", "slices", "pictures", "compare", "votes", "runs")


@pytest.fixture
def tab(tmp_path) -> EvaluateTab:
    write_run(tmp_path, pairs=3, methods=METHODS)
    write_run(tmp_path, pairs=3, methods=METHODS, id=OTHER)
    with gr.Blocks() as page:
        return EvaluateTab(page, gr.Tabs(), RunQueue(RunStore(tmp_path)))


def view_of(tab: EvaluateTab, name: str):
    return next(view for view in tab.views if view.name == name)


def filled(tab: EvaluateTab, name: str, **fields) -> dict:
    """All that the view itself writes for a state."""
    view = view_of(tab, name)
    state = ViewState(view=name, **fields)
    values = [getattr(state, field) for field in [*tab.router.scope, *view.inputs]]
    written: dict = {}
    for update in tab.events.filling(view, view)(VISITOR, *values):
        written |= update
    return written


def hidden(update: dict, view) -> bool:
    """Whether an update hides the widgets of a view."""
    return NO_BODY in update[view.body]["elem_classes"]


def accepted(update: dict, run_id: str) -> bool:
    """Whether Gradio takes an id from a dropdown with the choices of an update."""
    return gr.Dropdown(update["choices"]).preprocess(run_id) == run_id


def test_a_run_that_is_gone_can_still_be_sent_while_it_is_chosen(tab):
    running, chosen = tab.running, tab.router.run
    updates = [
        running.tick(RUN, (None, 0), GONE),
        running.tick(GONE, (None, 0), GONE),
        running.resume(GONE, GONE, VISITOR),
        running.resumed(GONE, GONE, VISITOR),
    ]
    assert all(accepted(update[chosen], GONE) for update in updates)
    assert all("value" not in update[chosen] for update in updates)
    assert all(label != GONE for label, _ in updates[0][chosen]["choices"])


@pytest.mark.parametrize("name", OF_RUNS)
def test_a_view_of_a_run_that_is_gone_says_so_and_shows_nothing_else(tab, name):
    update, view = filled(tab, name, run=GONE), view_of(tab, name)
    assert f"There is no run &#39;{GONE}&#39; here." in update[tab.router.about]
    if name == "runs":  # the way to the others
        assert not hidden(update, view) and RUN in str(update[tab.history.history]["value"])
        assert update[tab.history.again]["interactive"] is False
    else:
        assert hidden(update, view)
    assert update[tab.router.run]["value"] is None
    assert GONE not in [run_id for _, run_id in update[tab.router.run]["choices"]]
    again = filled(tab, name, run=RUN)
    assert not hidden(again, view) and tab.router.run not in again


@pytest.mark.parametrize("name", OF_RUNS)
def test_a_run_with_a_damaged_header_is_not_called_deleted(tab, name):
    (tab.queue.stored(RUN).folder / "run.json").write_text("{}")
    update = filled(tab, name, run=RUN)
    assert "is damaged" in update[tab.router.about] and "deleted" not in update[tab.router.about]
    chosen = update[tab.router.run]
    assert "value" not in chosen and accepted(chosen, RUN)
    assert (f"{RUN} · damaged", RUN) in chosen["choices"]


def test_a_damaged_run_stays_chosen_and_is_told(tab):
    filled(tab, "board", run=OTHER)
    scores = tab.queue.stored(RUN).folder / "scores.jsonl"
    scores.write_bytes(b'{"pair": 1}\n' + scores.read_bytes())
    update = filled(tab, "board", run=RUN)
    assert "scores.jsonl" in update[tab.router.about]
    assert hidden(update, tab.report) and "value" not in update[tab.router.run]


def test_a_fault_of_the_program_is_told_in_the_view_and_stays_loud(tab, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(tab.queue.tables, "board", broken)
    asked = ViewState(view="board", run=RUN)
    shown = tab.router.shown(tab.report, tab.report, asked, "admin")
    next(shown)
    update = next(shown)
    assert "the fault is ours" in update[tab.router.about]
    assert hidden(update, tab.report)
    with pytest.raises(gr.Error, match="the fault is ours"):
        next(shown)


def test_every_part_says_in_its_own_place_why_it_is_empty(tab):
    parts = [part for view in tab.views for part in view.parts[1:]]
    assert len(parts) == 7
    for part in parts:
        update = part.failed(Markup("Because."))
        assert set(update) <= set(part.outputs)
        assert any("Because." in value for value in update.values() if isinstance(value, str))


def test_a_part_that_fails_alone_is_told_there(tab, monkeypatch):
    def broken(*_):
        raise tab_error

    from mirnet.errors import InvalidRequest

    tab_error = InvalidRequest("No pictures today.")
    monkeypatch.setattr("eval.app.report_parts.strip_of", broken)
    asked = ViewState(view="board", run=RUN)
    updates = list(tab.router.shown(tab.report, tab.report.ends, asked, "admin"))
    assert "No pictures today." in updates[-1][tab.report.ends.strip]


def test_the_message_of_a_link_goes_with_the_next_tab(tab):
    view = view_of(tab, "votes")
    state = ViewState(view="votes", run=RUN)
    values = [getattr(state, field) for field in [*tab.router.scope, *view.inputs]]
    by_tab = list(tab.events.filling(view, view, True, True)(VISITOR, *values))[-1]
    by_link = list(tab.events.filling(view, view, True)(VISITOR, *values))[-1]
    assert by_tab[tab.router.message] == "" and tab.router.message not in by_link


def test_a_followed_run_that_is_deleted_is_not_awaited_any_more(tab):
    running = tab.running
    for update in (
        running.tick(GONE, (None, 0)),
        running.resume(GONE, RUN, VISITOR),
        running.stop(GONE, RUN, VISITOR),
    ):
        assert f"Run {GONE} was deleted meanwhile" in update[running.bar]
        assert update[running.followed] is None and update[running.table] == ""
        assert update[running.timer].active is False


def test_a_run_that_somebody_else_deleted_leaves_the_list_with_a_sentence(tab):
    history = tab.history
    update = tab.delete_stored(GONE, True, VISITOR)
    assert "There is no run" in update[history.checks] and update[tab.router.run]["value"] is None
    assert "view=runs" in update[tab.router.link]
    resumed = tab.resume_stored(GONE, VISITOR)
    assert "was deleted meanwhile" in resumed[tab.running.bar]
    done = tab.resume_stored(RUN, VISITOR)
    assert "nothing to resume" in done[history.checks] and done[tab.router.link] == ""


def test_votes_that_cannot_be_counted_leave_no_ranking_of_another_run(tab):
    results = tab.votes.results
    update = next(results.show(GONE))
    assert "cannot be counted" in update[results.board]
    assert update[results.download]["interactive"] is False


def test_the_newest_runs_are_listed_without_one_that_has_just_gone(tab, monkeypatch):
    whole = tab.queue.history()
    tab.queue.delete(OTHER, "admin")
    monkeypatch.setattr(tab.queue, "history", lambda: whole)
    update = next(tab.overview.list.fill_without_run(ViewState(), "viewer"))
    assert RUN in update[tab.overview.list.runs] and OTHER not in update[tab.overview.list.runs]


def test_a_trial_of_a_run_that_is_gone_lists_the_others(tmp_path):
    stored = with_pictures(write_run(tmp_path, pairs=6, methods=METHODS), 40, 60)
    with gr.Blocks() as page:
        review = ReviewTab(page, lambda: RunStore(tmp_path))
    look = ("whole", False, 50, 50, 640)
    update = review.try_run(GONE, *look)
    assert "There is no run" in update[review.board] and review.stage.column not in update
    trial = start_trial(stored)
    for number in range(len(trial.questions)):
        trial.vote(number, "a")
    RunQueue(RunStore(tmp_path)).delete(RUN, "admin")
    ended = review._at(trial, len(trial.questions), *look)
    assert "cannot go on" in ended[review.board]
    assert ended[review.stage.column]["visible"] is False
    assert ended[review.review] is None and "You were invited?" in ended[review.board]
    with_pictures(write_run(tmp_path, pairs=6, methods=METHODS, id=OTHER), 40, 60)
    assert OTHER in review._at(trial, len(trial.questions), *look)[review.board]


def broken_disk(*_, **__):
    raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("place", "do"),
    [
        ("queue.delete", lambda tab: tab.delete_stored(RUN, True, VISITOR)),
        ("queue.verify", lambda tab: list(tab.history.verify(RUN, VISITOR))),
        ("running.resumed", lambda tab: tab.resume_stored(RUN, VISITOR)),
        ("votes.results.store", lambda tab: list(tab.votes.results.count(RUN))),
        ("running.at_arrival", lambda tab: tab.arrive(SimpleNamespace(query_params={}))),
        ("pictures.notes.queue.stored", lambda tab: tab.pictures.notes.load((RUN, "1"))),
        ("queue.stored", lambda tab: tab.pictures.notes.save_note(f"{RUN}/1", "", [], "", VISITOR)),
        ("pictures.notes._change", lambda tab: select_pair(tab)),
        ("running.form.own.benchmark", lambda tab: tab.running.form.own.look(VISITOR, "denoise")),
    ],
)
def test_other_faults_of_a_button_are_told_with_their_id(tab, monkeypatch, place, do):
    owner, _, name = place.rpartition(".")
    monkeypatch.setattr(attrgetter(owner)(tab), name, broken_disk)
    with pytest.raises(gr.Error, match="the fault is ours: .* error [0-9a-f]+"):
        do(tab)


def select_pair(tab: EvaluateTab):
    add = tab.pictures.notes.changing("add", lambda values: ViewState())
    return add("Mine", f"{RUN}/1", VISITOR)


@pytest.mark.parametrize("name", ["start", "watch"])
def test_a_fault_of_a_live_run_is_told_in_its_place_and_waits_for_nothing(tab, monkeypatch, name):
    monkeypatch.setattr(tab.queue, "status", broken_disk)
    monkeypatch.setattr(tab.running.form, "config", broken_disk)
    do = {"start": lambda: tab.running.start(VISITOR), "watch": lambda: watched(tab)}
    update: dict = {}
    with pytest.raises(gr.Error, match="the fault is ours"):
        for update in do[name]():
            assert "the fault is ours" in update[tab.running.bar]
            assert update[tab.running.timer].active is False
    assert name == "watch" or update[tab.running.form.start]["interactive"]


def watched(tab: EvaluateTab):
    return tab.running.watch(RUN, (None, 0))


def test_other_faults_of_the_methods_are_told_with_their_id(tmp_path, monkeypatch):
    with gr.Blocks() as page, gr.Tabs(), gr.Tab() as place:
        methods = MethodsTab(page, place, PhotoReader(1_000_000))
    monkeypatch.setattr(methods.photo, "read", broken_disk)
    monkeypatch.setattr(methods.own, "take", broken_disk)
    with pytest.raises(gr.Error, match="the fault is ours"):
        methods.take_network("network.onnx", VISITOR)
    update: dict = {}
    for done in (
        methods.photo.take("photo.png", "denoise", VISITOR),
        methods.compare("photo.png", "denoise", ["nlm", "tv"], False, None, VISITOR),
    ):
        with pytest.raises(gr.Error, match="the fault is ours"):
            for update in done:
                assert "the fault is ours" in update[methods.line]
    assert update[methods.go]["interactive"]


def test_other_faults_of_the_review_are_told_with_their_id(tmp_path, monkeypatch):
    stored = with_pictures(write_run(tmp_path, pairs=6, methods=METHODS), 40, 60)
    with gr.Blocks() as page:
        review = ReviewTab(page, lambda: RunStore(tmp_path))
    look, trial = ("whole", False, 50, 50, 640), start_trial(stored)
    monkeypatch.setattr(review.stage, "draw", broken_disk)
    monkeypatch.setattr(review, "_ended", broken_disk)
    for number in (0, len(trial.questions)):
        with pytest.raises(gr.Error, match="the fault is ours"):
            review._at(trial, number, *look)
    monkeypatch.setattr(review, "store", broken_disk)
    with pytest.raises(gr.Error, match="the fault is ours"):
        review.try_run(RUN, *look)
    link = SimpleNamespace(query_params={"tab": "review", "key": "k"})
    for update in (review.list_trials(None), review.open(link, *look)):
        assert "the fault is ours" in update[review.board]


def test_a_refused_photo_leaves_no_results_of_the_photo_before(tmp_path):
    with gr.Blocks() as page, gr.Tabs(), gr.Tab() as place:
        methods = MethodsTab(page, place, PhotoReader(1_000_000))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    visitor = SimpleNamespace(session_hash="one")
    (update,) = methods.photo.take(str(broken), "denoise", visitor)
    assert update[methods.photo.path] is None and update[methods.line]
    assert update[methods.stage.comparison] is None
    assert "Example:" in update[methods.stage.about]
