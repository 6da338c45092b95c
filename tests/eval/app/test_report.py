"""A run's report below the browser: the board, its figures, and the pictures at both ends."""

import re

import pytest

from eval.analysis.leaderboards import leaderboard
from eval.analysis.table_cache import TableCache
from eval.app.evaluate_tab import EvaluateTab
from eval.app.html.report import board_table
from eval.app.run_queue import RunQueue
from eval.app.view import ViewRequest
from eval.app.view_state import ViewState
from eval.runs.store import RunStore
from tests.support.runs_factory import method, write_run

gr = pytest.importorskip("gradio")

RUN = "20260101-120000-abcdef"
HOSTILE = '"><img src=x onerror=1>'


def request_of(tab: EvaluateTab, **state: str) -> ViewRequest:
    asked = ViewState(view="board", run=RUN, **state)
    found = tab.queue.status(RUN)
    return ViewRequest(tab.queue.stored(RUN), found, asked, asked.for_run(found.run), "admin")


@pytest.fixture
def tab(tmp_path) -> EvaluateTab:
    write_run(tmp_path, pairs=12, thumbs=True)
    with gr.Blocks() as page:
        return EvaluateTab(page, gr.Tabs(), RunQueue(RunStore(tmp_path)))


def filled(part, request: ViewRequest) -> dict:
    update: dict = {}
    for one in part.fill(request):
        update |= one
    return update


def words(markup: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", markup).split())


def test_the_board_names_people_first_and_shows_means_with_intervals(tmp_path):
    stored = write_run(tmp_path, pairs=12)
    state = ViewState(view="board", run=RUN).for_run(stored.header())
    board = leaderboard(stored, "identity")
    table = board_table(board, stored.header(), state)
    row = board[board.method == "ours"].iloc[0]
    shown = words(table)
    assert "Method ours ours" in shown and f"{row.psnr_db:.2f}" in shown
    assert f"{row.psnr_low:.2f} – {row.psnr_high:.2f}" in shown
    assert f"{row.difference_db:+.2f}" in shown
    best = board.psnr_db.max()
    assert f"<b>{best:.2f}</b>" in table and table.count('class="ev-own"') == 2
    assert "view=pictures" in table and "method=ours" in table


def test_bars_lie_within_their_column_and_the_lowest_and_highest_end_touch_its_sides(tmp_path):
    stored = write_run(tmp_path, pairs=12)
    state = ViewState(view="board", run=RUN).for_run(stored.header())
    table = board_table(leaderboard(stored, None), stored.header(), state)
    bars = [
        tuple(map(float, found)) for found in re.findall(r"left:([\d.]+)%;right:([\d.]+)%", table)
    ]
    assert len(bars) == 8 and all(0 <= end <= 100 for bar in bars for end in bar)
    assert min(left for left, _ in bars) == 0 and min(right for _, right in bars) == 0


def test_a_run_without_times_has_no_column_of_dashes_and_one_of_one_picture_no_bars(tmp_path):
    rows = [row.model_copy(update={"seconds": None})
            for row in write_run(tmp_path / "timed", pairs=1).rows()]  # fmt: skip
    stored = write_run(tmp_path, pairs=1, rows=rows)
    state = ViewState(view="board", run=RUN).for_run(stored.header())
    table = board_table(leaderboard(stored, "identity"), stored.header(), state)
    assert "s/MP" not in table and "too few" in table


def test_titles_from_outside_are_escaped(tmp_path):
    stored = write_run(tmp_path, methods=(method("identity"), method("ours", title=HOSTILE)))
    state = ViewState(view="board", run=RUN).for_run(stored.header())
    table = board_table(leaderboard(stored, "identity"), stored.header(), state)
    assert "<img" not in table and "onerror" in table


def test_two_figures_are_drawn_by_what_the_run_holds(tab):
    part = tab.board.plots
    update = filled(part, request_of(tab))
    titles = [update[plot]["value"].layout.title.text for plot in part.plots]
    assert len(titles) == 2 and "time" in titles[1].lower()
    tables, request = TableCache(), request_of(tab)
    board = tables.board(request.stored, None, request.state.protocol)
    assert board.s_per_mp.notna().any()


def test_the_ends_are_the_largest_and_the_smallest_gains_with_their_pictures(tab):
    strip = filled(tab.board.ends, request_of(tab))[tab.board.ends.strip]
    gains = [float(found) for found in re.findall(r"([+-]\d+\.\d+) dB", strip)]
    assert len(gains) == 8 and strip.count("<img") == 8
    assert gains[:4] == sorted(gains[:4], reverse=True) and gains[4:] == sorted(gains[4:])
    assert min(gains[:4]) >= max(gains[4:])
    assert "view=pictures" in strip and "which=disagree" in strip


def test_a_run_of_one_method_has_no_ends(tmp_path, tab):
    write_run(tmp_path, pairs=3, methods=(method("identity"),), id="20260102-120000-abcdef")
    state = ViewState(view="board", run="20260102-120000-abcdef")
    found = tab.queue.status(state.run)
    stored = tab.queue.stored(state.run)
    request = ViewRequest(stored, found, state, state.for_run(found.run), "admin")
    assert filled(tab.board.ends, request) == {tab.board.ends.strip: ""}
