"""A run's report below the browser: the board, its figures, and the pictures at both ends."""

import math
import re

import pytest

from eval.analysis.costs import costs
from eval.analysis.leaderboards import leaderboard
from eval.analysis.plots import PLOTS
from eval.analysis.score_tables import scores_frame
from eval.analysis.table_cache import TableCache
from eval.app.evaluate_tab import EvaluateTab
from eval.app.html.report import board_table
from eval.app.html.report_sections import cost_section, statistics_section
from eval.app.run_queue import RunQueue
from eval.app.view import ViewRequest
from eval.app.view_state import ViewState
from eval.data.benchmarks import custom_benchmark
from eval.reports.repeat import repeat_commands
from eval.runs.store import RunStore
from tests.support.runs_factory import method, write_run

gr = pytest.importorskip("gradio")

RUN = "20260101-120000-abcdef"
SINGLE = "20260102-120000-abcdef"
"""Run of one method."""
HOSTILE = '"><img src=x onerror=1>'


def request_of(tab: EvaluateTab, **state: str) -> ViewRequest:
    asked = ViewState(**{"view": "board", "run": RUN} | state)
    stored, found = tab.queue.stored(asked.run), tab.queue.status(asked.run)
    return ViewRequest(stored, found, asked, asked.for_run(found.run), "admin")


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


def columns_shown(table: str) -> list[str]:
    heads = re.findall(r"<th scope=.col.([^>]*)>(?:<[^>]*>)([^<]*)", table)
    return [title for attributes, title in heads if "hidden" not in attributes]


def test_columns_and_order_of_the_board_are_those_of_the_link(tmp_path):
    stored = write_run(tmp_path, pairs=12)
    board = leaderboard(stored, "identity")

    def table(**chosen: str) -> str:
        state = ViewState(view="board", run=RUN, **chosen).for_run(stored.header())
        return board_table(board, stored.header(), state)

    usual = ["Method", "PSNR (dB)", "SSIM", "Difference (dB)", "Wins", "s/MP", "Parameters"]
    assert columns_shown(table()) == usual
    assert columns_shown(table(columns="ssim,p,unknown")) == ["Method", "SSIM", "p"]
    assert columns_shown(table(columns="none")) == ["Method"]

    def order(**chosen: str) -> list[str]:
        return re.findall(r'scope="row" data-value="Method (\w+)"', table(**chosen))

    assert order() == order(sort="nothing") == [str(name) for name in board.method]
    assert order(sort="s") == ["identity", "clahe", "ours", "official"]
    assert order(sort="-s") == ["official", "ours", "clahe", "identity"]
    assert order(sort="method") == ["clahe", "identity", "official", "ours"]
    # Only weights have parameters: the others stay last in both directions.
    assert set(order(sort="-parameters")[:2]) == set(order(sort="parameters")[:2])
    assert 'aria-sort="descending"' in table(sort="-ssim") and "aria-sort" not in table()


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
    part = tab.report.plots
    (update,) = part.fill(request_of(tab))  # of several updates Gradio loses some
    titles = [update[plot]["value"].layout.title.text for plot in part.plots]
    assert len(titles) == 2 and "time" in titles[1].lower()
    tables, request = TableCache(), request_of(tab)
    board = tables.board(request.stored, None, request.state.protocol)
    assert board.s_per_mp.notna().any()


def test_the_ends_are_the_largest_and_the_smallest_gains_with_their_pictures(tab):
    strip = filled(tab.report.ends, request_of(tab))[tab.report.ends.strip]
    gains = [float(found) for found in re.findall(r"([+-]\d+\.\d+) dB", strip)]
    assert len(gains) == 8 and strip.count("<img") == 8
    assert gains[:4] == sorted(gains[:4], reverse=True) and gains[4:] == sorted(gains[4:])
    assert min(gains[:4]) >= max(gains[4:])
    assert "view=pictures" in strip and "which=disagree" in strip


def test_the_plots_are_together_and_the_chosen_one_is_not_drawn_twice(tab):
    part = tab.plots.others
    (update,) = part.fill(
        request_of(tab, view="plots", plot="scatter")
    )  # of several updates Gradio loses some
    shown = {name: update[plot]["visible"] for name, plot in part.plots.items()}
    empty = "perception"  # the run has no perceptual score
    assert shown == {
        name: name not in ("scatter", empty) and not plot.needs_steps
        for name, plot in PLOTS.items()
    }


def test_a_run_of_one_method_has_no_ends(tmp_path, tab):
    write_run(tmp_path, pairs=3, methods=(method("identity"),), id=SINGLE)
    assert filled(tab.report.ends, request_of(tab, run=SINGLE)) == {tab.report.ends.strip: ""}


def test_the_page_has_all_parts_and_a_list_that_leads_to_them_and_to_other_views(tab):
    view = tab.report
    update = filled(view, request_of(tab))
    for part in (view.plots, view.ends):
        update |= filled(part, request_of(tab))
    page = "".join(value for value in update.values() if isinstance(value, str))
    regions = re.findall(r'role="region" aria-label="([^"]*)"', page)
    assert {"Statistics", "Cost"} <= set(regions) and len(regions) == len(set(regions))
    led_to = re.findall(r'href="#(ev-part-\w+)"', update[view.nav])
    assert len(led_to) == 7 and all(f'id="{place}"' in page for place in led_to)
    assert [f"view={name}" in update[view.nav] for name in ("plots", "pictures", "votes")] == [
        True
    ] * 3


def test_a_run_of_one_method_is_not_said_to_have_pictures_at_both_ends(tmp_path, tab):
    write_run(tmp_path, pairs=3, methods=(method("identity"),), id=SINGLE)
    nav = filled(tab.report, request_of(tab, run=SINGLE))[tab.report.nav]
    assert "ev-part-ends" not in nav and "ev-part-cost" in nav


def test_a_best_method_paired_with_itself_has_no_ends(tab):
    request = request_of(tab)
    request = request_of(tab, baseline=str(request.state.b))
    nav = filled(tab.report, request)[tab.report.nav]
    assert (
        "ev-part-ends" not in nav and filled(tab.report.ends, request)[tab.report.ends.strip] == ""
    )


def test_a_method_without_the_ranking_score_is_named_in_the_first_line_of_its_statistics(tmp_path):
    stored = write_run(tmp_path, pairs=12)
    board = leaderboard(stored, "identity")
    board.loc[board.method == "ours", "difference_db"] = math.nan
    lines = re.findall(r"<tr>(.*?)</tr>", statistics_section(board, "identity"), re.DOTALL)
    named = [line for line in map(words, lines) if line.startswith("ours ")]
    assert len(named) == 1 and named[0].startswith("ours SSIM")


def test_statistics_cost_and_commands_are_those_of_the_run(tab):
    update = filled(tab.report, request_of(tab))
    board = tab.queue.tables.board(tab.queue.stored(RUN), "identity")
    ours = board[board.method == "ours"].iloc[0]
    statistics = words(update[tab.report.statistics])
    assert f"ours PSNR (dB) better {ours.difference_db:+.2f}" in statistics
    assert f"SSIM {ours.ssim_verdict} {ours.ssim_difference:+.4f}" in statistics
    cost = words(update[tab.report.cost])
    # 12 pictures of 0.25 megapixels, 0.3 s each
    assert "ours 1.200 4 s 3.0" in cost and "5,858,560" in cost and "test processor" in cost
    repeat = words(update[tab.report.repeat])
    assert f"python -m eval verify {RUN}" in repeat
    assert (
        "python -m eval run --benchmark lol --methods identity,clahe,ours,official "
        "--protocol rgb --protocol gt-mean" in repeat
    )


def test_commands_name_subset_and_placeholders_for_files_but_no_folder_of_this_machine(tmp_path):
    methods = (method("identity"), method("mine", kind="onnx"), method("theirs", kind="imported"))
    stored = write_run(tmp_path, pairs=3, methods=methods, benchmark__of=15, benchmark__seed=4,
                       benchmark__folder="/home/anna/LoL")  # fmt: skip
    command = repeat_commands(stored.header())["Measure the same again"]
    assert "identity,mine=onnx:FILE,theirs=folder:RESULTS" in command
    assert "--n 3 --seed 4" in command and "--folder YOUR_FILES" in command
    assert "anna" not in command and "--repeats" not in command
    own = write_run(tmp_path, pairs=3, benchmark__id="own-photos").header()
    assert "--benchmark YOUR_DATA --task lowlight" in repeat_commands(own)["Measure the same again"]


def test_the_command_times_as_often_and_pairs_own_files_as_the_run_did(tmp_path):
    photos = custom_benchmark(
        str(tmp_path), "sr-x4", degraded="low/*.png", target="target", scale=2, same_size=True,
        split="dev", scenes="numbered",
    )  # fmt: skip
    stored = write_run(
        tmp_path, pairs=3, task="sr-x4", repeats=5, benchmark__id=photos.id,
        benchmark__source=photos.model_dump(mode="json"),
    )  # fmt: skip
    assert repeat_commands(stored.header())["Measure the same again"].startswith(
        "python -m eval run --benchmark YOUR_DATA --task sr-x4 --degraded 'low/*.png' --split dev "
        "--scale 2 --scenes numbered --same-size --methods identity,clahe,ours,official "
        "--repeats 5 --protocol"
    )


def test_the_command_names_the_revision_of_own_pairs_of_the_hub(tmp_path):
    photos = custom_benchmark("org/photos", "denoise", degraded="noisy", target="clean")
    stored = write_run(
        tmp_path, pairs=3, task="denoise", benchmark__id=photos.id, benchmark__revision="c0ffee",
        benchmark__source=photos.model_dump(mode="json"),
    )  # fmt: skip
    command = repeat_commands(stored.header())["Measure the same again"]
    assert "--degraded noisy --target clean --revision c0ffee --methods" in command


def test_a_run_without_times_has_a_cost_table_of_what_is_known(tmp_path):
    rows = [row.model_copy(update={"seconds": None, "cached": False})
            for row in write_run(tmp_path / "timed", pairs=2).rows()]  # fmt: skip
    stored = write_run(tmp_path, pairs=2, rows=rows)
    scores, board = scores_frame(stored), leaderboard(stored, None)
    shown = words(cost_section(costs(scores), board, stored.header()))
    assert shown.startswith("Cost Method Parameters ") and "Times were not kept" in shown
    assert "Measured on" not in shown


def test_costs_leave_out_what_was_not_measured(tmp_path):
    rows = write_run(tmp_path / "all", pairs=4).rows()
    rows = [
        row.model_copy(update={"seconds": None} if row.method == "clahe" else {"peak_mb": 100.0})
        for row in rows
    ]
    stored = write_run(tmp_path, pairs=4, rows=rows)
    found = costs(scores_frame(stored)).set_index("method")
    assert math.isnan(found.s_per_mp["clahe"]) and math.isnan(found.seconds["clahe"])
    assert found.s_per_mp["ours"] == pytest.approx(1.2) and found.peak_mb["ours"] == 100
    assert list(found.results) == [4, 4, 4, 4]
