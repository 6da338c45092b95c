"""What a method costs: repeats, memory, multiply-adds, and where tables and plots show them."""

import copy
import itertools
import math

import pytest

from eval.analysis.costs import costs
from eval.analysis.leaderboards import leaderboard
from eval.analysis.method_plots import quality_speed
from eval.analysis.score_tables import scores_frame
from eval.app.html.report import board_table
from eval.app.html.report_sections import cost_section
from eval.app.view_state import ViewState
from eval.data.benchmarks import get_benchmark
from eval.methods.networks import multiply_adds_of
from eval.reports.board_text import board_cells
from eval.reports.html import html_report
from eval.runs import worker
from eval.runs.document import SampleResult
from eval.runs.runner import RunConfig, create_run, execute_run
from eval.runs.store import RunStore
from mirnet.errors import InvalidRequest
from mirnet.models.complexity import multiply_adds
from mirnet.weights import load
from tests.support.runs_factory import method, sha, write_run


def finished(folder, **more):
    config = RunConfig(get_benchmark("mini-denoise"), ("identity",), n=2, **more)
    stored = create_run(RunStore(folder), config)
    list(execute_run(stored))
    return stored.rows()


def test_repeats_are_timed_and_their_median_is_kept(tmp_path, monkeypatch):
    seconds = itertools.cycle([3.0, 1.0, 2.0])
    timed = worker._timed
    monkeypatch.setattr(worker, "_timed", lambda *given: (timed(*given)[0], next(seconds)))
    for row in finished(tmp_path, repeats=3):
        assert (row.seconds, row.seconds_low, row.seconds_high) == (2.0, 1.0, 3.0)
        assert row.repeats == 3 and not row.cached and row.own_peak_mb is not None
    for row in finished(tmp_path):  # one is enough, and three were stored
        assert (row.cached, row.seconds, row.repeats) == (True, 2.0, 3)
    assert [row.cached for row in finished(tmp_path, repeats=5)] == [False, False]
    with pytest.raises(InvalidRequest, match="cannot be timed 0 times"):
        finished(tmp_path, repeats=0)


def row(pair, seconds, own_peak_mb, **more):
    return SampleResult(
        pair=pair,
        method="ours",
        scores={"rgb/1": {"psnr_db": 30.0 + seconds, "ssim": 0.9}},
        seconds=seconds,
        megapixels=2.0,
        own_peak_mb=own_peak_mb,
        threads=2,
        output_sha256=sha(pair),
        degraded_sha256=sha(f"in {pair}"),
        **more,
    )


def test_the_board_shows_median_range_memory_and_conditions(tmp_path):
    rows = [
        row("p0000", 2.0, 100.0, repeats=5, seconds_low=1.0, seconds_high=4.0),
        row("p0001", 4.0, 300.0, repeats=5, seconds_low=3.0, seconds_high=8.0),
    ]
    entry = method("ours", settings={"engine": "torch"})
    stored = write_run(
        tmp_path, 2, (entry,), rows=rows, protocols=["rgb/1"], multiply_adds={"ours": 53.7}
    )
    board = leaderboard(stored, None)
    found = board.iloc[0]
    assert (found.s_per_mp, found.s_per_mp_low, found.s_per_mp_high) == (1.5, 1.0, 3.0)
    assert (found.repeats, found.peak_mb, found.gmac_per_mp) == (5, 300.0, 53.7)
    assert (found.device, found.threads, found.engine) == ("cpu", "2", "torch")
    (cells,) = board_cells(board)
    assert cells["s/MP"] == "1.50 (1.00 to 3.00, 5 repeats)"
    assert (cells["GMAC/MP"], cells["Memory (MB)"]) == ("53.7", "300")
    assert cells["Timed with"] == "cpu, 2 threads, torch"
    page = board_table(board, stored.header(), ViewState(run=stored.id))
    for words in ("1.000 – 3.000, 5 repeats", "cpu, 2 threads, torch", ">53.7<", ">300<"):
        assert words in page
    figure = quality_speed(board)
    point = next(line for line in figure.data if line.name == "ours")
    assert (point.error_x.arrayminus[0], point.error_x.array[0]) == (0.5, 1.5)
    assert figure.layout.xaxis.title.text.endswith("median, quickest and slowest of 5")
    assert "cpu, 2 threads, torch, 300 MB" in point.hovertemplate


def test_one_thread_is_said_in_the_singular(tmp_path):
    rows = [row("p0000", 2.0, 100.0).model_copy(update={"threads": 1})]
    stored = write_run(tmp_path, 1, (method("ours"),), rows=rows, protocols=["rgb/1"])
    header = stored.header()
    where = header.environment.model_copy(update={"threads": 1})
    header = header.model_copy(update={"environment": where})
    stored.write_header(header)
    board = leaderboard(stored, None)
    assert board_cells(board)[0]["Timed with"] == "cpu, 1 thread"
    texts = (
        board_table(board, header, ViewState(run=stored.id)),
        quality_speed(board).data[-1].hovertemplate,
        cost_section(costs(scores_frame(stored)), board, header),
        html_report(stored),
    )
    for text in texts:
        assert "1 thread" in text and "1 threads" not in text
    assert "1 method ·" in texts[-1]


def test_runs_of_before_have_no_costs_beside_their_time(tmp_path):
    stored = write_run(tmp_path, pairs=3)
    board = leaderboard(stored, None)
    assert (board.repeats == 1).all() and math.isfinite(board.s_per_mp[0])
    assert board[["s_per_mp_low", "peak_mb", "gmac_per_mp"]].isna().all(axis=None)
    cells = board_cells(board)[0]
    assert "repeats" not in cells["s/MP"] and cells["Memory (MB)"] == cells["GMAC/MP"] == "–"
    assert quality_speed(board).layout.xaxis.title.text == "Seconds per megapixel"


def test_multiply_adds_of_networks_are_in_the_header(tmp_path):
    config = RunConfig(get_benchmark("mini-denoise"), ("denoise-compact", "identity"), n=1)
    run = create_run(RunStore(tmp_path), config).header()
    network = copy.deepcopy(load.load("denoise-compact").model).to("meta")
    billions = multiply_adds(network, 960, 1088) / (960 * 1088) * 1e6 / 1e9
    assert run.multiply_adds == {"denoise-compact": pytest.approx(billions, rel=0.01)}
    entry = run.methods[0]
    eightfold = entry.model_copy(update={"settings": entry.settings | {"ensemble": True}})
    assert multiply_adds_of(eightfold) == 8 * multiply_adds_of(entry)
