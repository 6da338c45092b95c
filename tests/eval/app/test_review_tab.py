"""The review page below the browser: states, handlers, and what never reaches a reviewer."""

import json
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pandas as pd
import pytest
import requests

from eval.app.html.review import ANSWERS, ranking_table
from eval.app.permissions import Permissions
from eval.app.review_tab import ReviewTab
from eval.app.run_limits import RunPolicy
from eval.app.view import NO_BODY
from eval.app.votes_view import ReviewResults
from eval.review.invitations import Invitation, make_link, read_link
from eval.review.questions import choose_questions
from eval.review.ranking import rank_methods
from eval.review.reviews import Trial
from eval.review.votes import all_votes, store_vote
from eval.runs.recorded import recorded_headers
from eval.runs.store import RunStore, StoredRun
from tests.support.review_runs import NAMES, vote_file, with_pictures
from tests.support.runs_factory import method, write_run

gr = pytest.importorskip("gradio")

RUN = "20260101-120000-abcdef"
LOOK = ("whole", False, 50, 50, 640)


@pytest.fixture
def stored(tmp_path) -> StoredRun:
    """Eight pictures of three methods."""
    return with_pictures(write_run(tmp_path / "runs", methods=tuple(map(method, NAMES))))


def made(folder, read_only: bool = False, count: int = 4):
    with gr.Blocks() as page:
        review = ReviewTab(page, lambda: RunStore(folder), read_only=read_only, max_questions=count)
    return page, review


@pytest.fixture
def desk(stored) -> ReviewTab:
    return made(stored.folder.parent)[1]


def invited(desk, name: str, run: str = RUN) -> dict[str, str]:
    return dict(parse_qsl(make_link(desk.store(), Invitation(run, name))[1:]))


def opened(desk, name: str = "anna", run: str = RUN):
    return desk.open(SimpleNamespace(query_params=invited(desk, name, run)), *LOOK)


def visible(update, widget) -> bool | None:
    change = update.get(widget)
    return change.get("visible") if isinstance(change, dict) else None


def as_sent(update) -> str:
    """Everything of an update that the browser gets, but the pixels."""
    kept = [value for widget, value in update.items() if not isinstance(widget, gr.State)]
    return json.dumps(kept, default=lambda value: f"{value.shape}", ensure_ascii=False)


# ---------------------------------------------------------------- states


def test_without_a_link_runs_can_be_tried(desk, stored):
    update = desk.open(SimpleNamespace(query_params={"tab": "review"}), *LOOK)
    assert f'data-review-run="{RUN}"' in update[desk.board] and "3 methods" in update[desk.board]
    assert desk.stage.column not in update
    assert desk.open(SimpleNamespace(query_params={"tab": "evaluate"}), *LOOK) == {
        desk.review: None
    }


def test_a_trial_stores_nothing_and_ends_with_the_methods_names(desk, stored):
    update = desk.try_run(RUN, *LOOK)
    trial = update[desk.review]
    assert isinstance(trial, Trial) and "1 of 5" in update[desk.board]
    for place in range(5):
        assert "Method" not in as_sent(update)
        update = desk.answer(trial, place, "", "a", *LOOK)
    board = update[desk.board]
    assert "5 of 5 questions answered. Nothing was stored" in board and "Method clahe" in board
    assert visible(update, desk.others) and visible(update, desk.stage.column) is False
    assert all_votes(stored) == []
    assert "data-review-run" in desk.leave_trial(trial)[desk.board]


def test_a_trial_runs_on_a_read_only_page(stored):
    _, desk = made(stored.folder.parent, read_only=True)
    trial = desk.try_run(RUN, *LOOK)[desk.review]
    assert "2 of 5" in desk.answer(trial, 0, "", "b", *LOOK)[desk.board]


def test_the_board_says_nothing_untrue_before_and_after_a_fault(desk, monkeypatch):
    assert "Opening" in desk.board.value and "No review" not in desk.board.value

    def fails():
        raise OSError("broken disk")

    monkeypatch.setattr(desk, "store", fails)
    for query in ({"tab": "review"}, {"tab": "review", "run": RUN, "reviewer": "a", "key": "b"}):
        update = desk.open(SimpleNamespace(query_params=query), *LOOK)
        assert "could not be opened" in update[desk.board]
    assert "could not be opened" in desk.list_trials(None)[desk.board]


def test_an_open_review_stays_when_the_tab_is_opened_again(desk):
    review = opened(desk)[desk.review]
    assert desk.list_trials(review)[desk.board] == gr.skip()


def test_a_store_without_pictures_says_so(tmp_path, monkeypatch):
    write_run(tmp_path)
    _, desk = made(tmp_path)
    assert "recorded by us" in desk.list_trials(None)[desk.board]
    monkeypatch.setattr("eval.review.trials.recorded_headers", list)
    assert "No review is open" in desk.list_trials(None)[desk.board]


@pytest.mark.parametrize(
    "change", [{"reviewer": "bert"}, {"key": "00000000.x"}, {"key": ""}, {"run": "../.."}]
)
def test_a_link_that_was_not_made_here_opens_nothing(desk, stored, change):
    query = invited(desk, "anna") | change
    update = desk.open(SimpleNamespace(query_params=query), *LOOK)
    assert "was not made here" in update[desk.board] and desk.review not in update
    assert str(desk.store().folder) not in update[desk.board]


@pytest.mark.parametrize("run", ["20260101-120000-ffffff", "../..", "x" * 5000, "<script>"])
def test_a_run_that_is_not_there_is_told_without_a_path(desk, run):
    update = opened(desk, run=run)
    assert "leads to no run" in update[desk.board] and desk.stage.column not in update
    assert str(desk.store().folder) not in update[desk.board]
    tried = desk.try_run(run, *LOOK)
    assert "There is no run" in tried[desk.board] and desk.stage.column not in tried


def test_a_run_of_one_method_says_so(tmp_path):
    write_run(tmp_path, methods=(method("ours"),))
    _, desk = made(tmp_path)
    update = opened(desk)
    assert "one method" in update[desk.board] and desk.stage.column not in update


def test_a_read_only_page_shows_no_question(stored):
    _, desk = made(stored.folder.parent, read_only=True)
    update = opened(desk)
    assert "cannot be stored here" in update[desk.board] and desk.stage.column not in update
    writable = made(stored.folder.parent)[1]
    session = opened(writable)[writable.review]
    with pytest.raises(gr.Error, match="read-only"):
        desk.answer(session, 0, "", "a", *LOOK)
    assert all_votes(stored) == []


def test_a_page_whose_session_is_gone_asks_to_reload(desk):
    for call in (
        lambda: desk.answer(None, 0, "", "a", *LOOK),
        lambda: desk.stage.show(None, 0, *LOOK),
        lambda: desk.go_back(None, 0, *LOOK),
    ):
        with pytest.raises(gr.Error, match="reload"):
            call()


# ---------------------------------------------------------------- answering


def test_a_way_through_from_the_first_question_to_thanks(desk, stored):
    update = opened(desk)
    review = update[desk.review]
    assert "1 of 4" in update[desk.board] and update[desk.number] == 0
    assert desk.stage.back in update and update[desk.stage.back]["interactive"] is False
    update = desk.answer(review, 0, "too <soft>", "a", *LOOK)
    assert "2 of 4" in update[desk.board] and update[desk.stage.comment] == ""
    update = desk.pass_over(review, 1, "", *LOOK)
    update = desk.go_back(review, update[desk.number], *LOOK)
    assert "Your answer: Skipped" in update[desk.board] and update[desk.stage.skip] == "Next →"
    desk.answer(review, 1, "", "tie", *LOOK)
    desk.answer(review, 2, "", "b", *LOOK)
    update = desk.answer(review, 3, "", "skip", *LOOK)
    assert visible(update, desk.stage.column) is False and visible(update, desk.again)
    board = update[desk.board]
    assert "Thank you" in board and "3 of 4 questions answered" in board
    assert "too &lt;soft&gt;" in board and "<soft>" not in board
    for words in ANSWERS.values():
        assert f"<td>{words}</td>" in board
    assert "Thank you" in opened(desk)[desk.board]
    assert "1 of 4" in desk.first(review, *LOOK)[desk.board]
    assert {vote.outcome for vote in all_votes(stored)} == {"a", "tie", "b", "skip"}


def test_passing_over_an_answered_question_keeps_the_answer(desk, stored):
    review = opened(desk)[desk.review]
    desk.answer(review, 0, "", "b", *LOOK)
    assert desk.pass_over(review, 0, "", *LOOK)[desk.number] == 1
    assert [vote.outcome for vote in all_votes(stored)] == ["b"]


def test_two_quick_presses_answer_the_question_that_was_seen(desk, stored):
    review = opened(desk)[desk.review]
    desk.answer(review, 0, "", "a", *LOOK)
    desk.answer(review, 0, "", "b", *LOOK)  # sent before the browser showed question 2
    (vote,) = all_votes(stored)
    assert vote.outcome == "b" and vote.key == review.questions[0].key


@pytest.mark.parametrize("place", [-5, 10**9, None])
def test_a_place_from_the_browser_stays_in_range(desk, place):
    review = opened(desk)[desk.review]
    assert desk.stage.show(review, place, *LOOK)[desk.stage.a].shape == (40, 60, 3)


def test_two_reviewers_do_not_see_each_other(desk, stored):
    anna = opened(desk)[desk.review]
    desk.answer(anna, 0, "mine", "a", *LOOK)
    assert "1 of 4" in opened(desk, "bert")[desk.board]
    assert "2 of 4" in opened(desk)[desk.board]


def test_votes_that_cannot_be_stored_keep_the_question(desk, stored):
    review = opened(desk)[desk.review]
    (stored.folder / "votes").write_text("not a folder")
    with pytest.raises(gr.Error, match="cannot be stored"):
        desk.answer(review, 0, "", "a", *LOOK)


# ---------------------------------------------------------------- looking


def test_a_click_shows_true_pixels_around_it_and_another_the_whole(tmp_path):
    with_pictures(write_run(tmp_path, methods=tuple(map(method, NAMES))), 400, 600)
    _, desk = made(tmp_path)
    review = opened(desk)[desk.review]
    click = SimpleNamespace(index=[599, 0])
    update = desk.stage.zoom(review, 0, "whole", True, 50, 50, 200, click)
    assert (update[desk.stage.view], update[desk.stage.across], update[desk.stage.down]) == (
        "close",
        100,
        0,
    )
    assert {update[w].shape for w in (desk.stage.a, desk.stage.b)} == {(200, 200, 3)}
    assert update[desk.stage.input]["value"].shape == (200, 200, 3)
    whole = desk.stage.show(review, 0, *LOOK)[desk.stage.a]
    assert (update[desk.stage.a] == whole[:200, 400:]).all()
    update = desk.stage.zoom(review, 0, "close", True, 100, 0, 200, click)
    assert update[desk.stage.view] == "whole" and (update[desk.stage.a] == whole).all()


def test_input_and_target_stand_beside_only_when_asked_for(desk):
    review = opened(desk)[desk.review]
    assert visible(desk.stage.show(review, 0, *LOOK), desk.stage.context_row) is False
    update = desk.stage.show(review, 0, "whole", True, 50, 50, 640)
    assert visible(update, desk.stage.context_row) and visible(update, desk.stage.target)


def test_the_runs_to_try_are_not_listed_over_a_question_that_is_being_opened(desk):
    link = SimpleNamespace(query_params=invited(desk, "anna", RUN))
    assert set(desk.list_trials(None, link)) == {desk.board}
    assert desk.list_trials(None, link)[desk.board] == gr.skip()
    for query in ({"tab": "review"}, {"tab": "evaluate", "run": RUN}, {}):
        listed = desk.list_trials(None, SimpleNamespace(query_params=query))[desk.board]
        assert "You were invited?" in listed


# ---------------------------------------------------------------- blindness


def test_nothing_that_is_sent_names_a_method_or_a_pair(stored):
    page, desk = made(stored.folder.parent, count=24)
    run = stored.header()
    secrets = [name for m in run.methods for name in (m.id, m.title)]
    secrets += stored.pairs() + [row.output_sha256 for row in stored.rows()]
    update = opened(desk)
    review = update[desk.review]
    sent = [json.dumps(page.get_config_file(), default=str), as_sent(update)]
    for place, _ in enumerate(review.questions):
        sent.append(as_sent(desk.answer(review, place, "", "a", *LOOK)))
        sent.append(as_sent(desk.stage.show(review, place, "close", True, 50, 50, 300)))
    for secret in secrets:
        assert not [text for text in sent if str(secret) in text]


def test_the_server_sends_neutral_file_names_and_no_session(stored, tmp_path):
    """Through Gradio's own machinery: what an answer puts on the wire."""
    page, _ = made(stored.folder.parent)
    page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        fn = next(f for f in page.fns.values() if f.name == "open")
        body = {"data": list(LOOK), "fn_index": fn._id, "session_hash": "s1", "trigger_id": None}
        url = f"{page.local_url}gradio_api/"
        query = make_link(RunStore(stored.folder.parent), Invitation(RUN, "anna"))
        requests.post(f"{url}queue/join{query}", json=body, timeout=20).raise_for_status()
        lines = []
        stream = requests.get(f"{url}queue/data?session_hash=s1", stream=True, timeout=20)
        for line in stream.iter_lines(decode_unicode=True):
            lines.append(line)
            if "process_completed" in line:
                break
    finally:
        page.close()
    wire = "\n".join(lines)
    assert "1 of 4" in wire and wire.count("/image.png") >= 2
    for secret in [*NAMES, *(f"Method {name}" for name in NAMES), "p000", "degraded_sha256"]:
        assert secret not in wire


def test_only_the_ranking_is_public(stored):
    page, _ = made(stored.folder.parent)
    assert list(page.get_api_info()["named_endpoints"]) == ["/review_results"]


# ---------------------------------------------------------------- results


def test_a_program_gets_the_ranking_or_one_sentence(desk, stored):
    for question in choose_questions(stored, "anna"):
        store_vote(stored, "anna", question, "a")
    found = desk.results(RUN)
    assert found["votes"] == 24 and len(found["methods"]) == 3
    json.dumps(found, allow_nan=False)
    with pytest.raises(gr.Error, match="There is no run") as refused:
        desk.results("../../etc")
    assert str(stored.folder.parent) not in str(refused.value)


def panel_of(folder, policy: RunPolicy | None = None) -> ReviewResults:
    with gr.Blocks():
        permissions = Permissions(policy or RunPolicy())
        return ReviewResults(gr.Textbox(), lambda: RunStore(folder), permissions)


def test_the_panel_shows_ranking_and_file(stored):
    panel = panel_of(stored.folder.parent)
    store_vote(stored, "anna", choose_questions(stored, "anna")[0], "a")
    shown = panel.show(RUN)
    update = next(shown)
    assert "<table" in update[panel.board] and "1 vote of 1 reviewer" in update[panel.board]
    assert "–" in update[panel.board]  # no interval of one vote
    file = update[panel.download]["value"]
    assert file.endswith(f"votes-{RUN}.csv")
    with open(file, encoding="utf-8") as written:
        assert len(written.readlines()) == 2
    shown.close()
    assert "No run is open" in next(panel.show(None))[panel.board]


def test_a_recorded_run_offers_no_form_that_would_refuse(stored):
    panel = panel_of(stored.folder.parent)
    (update,) = panel.show(recorded_headers()[0].id)
    assert "start a run of your own under Run" in update[panel.board]
    assert update[panel.form]["elem_classes"] == [NO_BODY]
    for shown in (panel.show(RUN), panel.show(None), panel.show("no-run")):
        assert next(shown)[panel.form]["elem_classes"] == []  # comes back


def test_the_panel_makes_the_link_of_the_name_that_stands_there(stored):
    panel = panel_of(stored.folder.parent)
    made = panel.make_link(RUN, "Anna", True)
    assert made["label"] == "Link of Anna"
    found = read_link(panel.store(), dict(parse_qsl(made["value"][1:])))
    assert found == Invitation(RUN, "Anna", True)
    for run, name in ((RUN, " "), (None, "Anna"), (RUN, ".."), (RUN, None)):
        assert panel.make_link(run, name, False)["value"] == ""


def test_visitors_make_no_links_and_see_no_form_for_them(stored):
    panel = panel_of(stored.folder.parent, RunPolicy(local=False))
    assert not panel.inviting.visible
    for role, may_invite in (("viewer", False), ("runner", False), ("admin", True)):
        update = panel.invitations(role)
        assert update[panel.inviting]["visible"] is may_invite
        assert ("made by the operator" in update[panel.not_inviting]) is not may_invite
    with pytest.raises(gr.Error, match="Only the operator makes links"):
        panel.make_link(RUN, "Anna", False)


def test_text_from_outside_is_escaped_in_the_table(tmp_path):
    bad = method("ours", title="<img src=x onerror=alert(1)>")
    stored = with_pictures(write_run(tmp_path, methods=(bad, method("clahe"))))
    store_vote(stored, "anna", choose_questions(stored, "anna")[0], "a")
    html = ranking_table(rank_methods(stored))
    assert "<img" not in html and "&lt;img" in html


def test_damaged_votes_are_told_in_a_sentence(desk, stored):
    review = opened(desk)[desk.review]
    desk.answer(review, 0, "", "a", *LOOK)
    path = vote_file(stored)
    path.write_bytes(b"{}\n" + path.read_bytes())
    update = desk.answer(review, 1, "", "a", *LOOK)
    assert "Line 1" in update[desk.board] and update[desk.stage.column]["visible"] is False
    assert "Line 1" in opened(desk)[desk.board]


def test_a_picture_that_is_gone_is_told_and_can_be_skipped(desk, stored):
    review = opened(desk)[desk.review]
    stored.output(review.questions[1].a_sha256).write_bytes(b"no picture")
    update = desk.answer(review, 0, "", "a", *LOOK)
    assert "missing or damaged: skip it" in update[desk.board] and update[desk.stage.a] is None
    assert visible(update, desk.stage.column) and update[desk.number] == 1
    with pytest.raises(gr.Error, match="missing or damaged"):
        desk.stage.show(review, 1, *LOOK)
    assert desk.pass_over(review, 1, "", *LOOK)[desk.stage.a] is not None


def test_the_panel_compares_metrics_with_votes(stored):
    panel = panel_of(stored.folder.parent)
    (update,) = panel.show(None)
    assert update[panel.metrics]["interactive"] is False
    for update in panel.show(RUN):
        assert "Nobody has voted on this run yet" in update[panel.board]
        assert "<table" not in update[panel.board]
    for question in choose_questions(stored, "anna"):
        store_vote(stored, "anna", question, "a")
    for update in panel.show(RUN):
        assert "PSNR · rgb/1" in update[panel.board] and "too few" in update[panel.board]
        table = pd.read_csv(update[panel.metrics]["value"])
        assert list(table.metric) and (table.votes > 0).all()


def test_skipped_questions_are_counted_where_nobody_has_answered(stored):
    panel, questions = panel_of(stored.folder.parent), choose_questions(stored, "anna")
    for number, words in ((0, "1 question was skipped."), (1, "2 questions were skipped.")):
        store_vote(stored, "anna", questions[number], "skip")
        for update in panel.show(RUN):
            assert words in update[panel.board] and "Nobody has voted" not in update[panel.board]
    assert rank_methods(stored).words == "Nobody has given an answer yet: 2 questions were skipped."
