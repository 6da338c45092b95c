"""A metric is added in one place: what `METRICS` holds goes through a run to tables and plots."""

import csv
import io
import shutil
from dataclasses import replace

import numpy as np
import pytest

from eval.analysis import plots, published, score_tables
from eval.analysis.leaderboards import leaderboard
from eval.analysis.overview import overview
from eval.analysis.run_comparison import compare_runs
from eval.analysis.table_cache import TableCache
from eval.app.html.board import published_table
from eval.app.html.compare import comparison
from eval.app.html.overview import overview_table
from eval.app.html.report import board_table
from eval.app.tables import changes_value
from eval.app.view_state import ViewState
from eval.data.benchmarks import get_benchmark
from eval.reports.export import export
from eval.reports.html import html_report
from eval.runs.runner import RunConfig, create_run, execute_run
from eval.runs.store import RunStore, StoredRun
from eval.runs.verify import verify
from mirnet.errors import InvalidRequest
from mirnet.metrics.registry import METRICS, Metric

OTHER = "20300101-000001-aaaaaa"


def mean_error(restored: np.ndarray, reference: np.ndarray, peak: float) -> float:
    return float(np.abs(restored.astype(float) - reference).mean()) / peak


MEAN_ERROR = Metric(
    key="mae",
    title="Mean error",
    unit="%",
    higher_is_better=False,
    decimals=3,
    function=mean_error,
    source="a test",
    reference_value=0.0,
)


@pytest.fixture(autouse=True, scope="module")
def registered():
    """The metric is registered while this module's tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METRICS, "mae", MEAN_ERROR)
        yield


@pytest.fixture(scope="module")
def stored(registered, tmp_path_factory):
    """A run of two shipped pairs, made while the metric was registered."""
    config = RunConfig(get_benchmark("mini-lowlight"), ("identity", "clahe"), n=2)
    stored = create_run(RunStore(tmp_path_factory.mktemp("runs")), config)
    list(execute_run(stored))
    return stored


@pytest.fixture
def with_published(stored, tmp_path, monkeypatch):
    """A published number of the metric, for the pictures of the run."""
    path = tmp_path / "published.csv"
    path.write_text(
        "task,dataset,method,year,psnr,mae,setting,protocol,source,verified,source_kind,quote\n"
        "t,Mini,MIRNet,2020,24.1,7.25,all,RGB,a paper,read-primary,primary,7.25\n"
    )
    read = published.read_published
    monkeypatch.setattr(published, "read_published", lambda: read(path))
    monkeypatch.setitem(published.DATASETS, "mini-lowlight", "Mini")
    monkeypatch.setitem(published.DATASETS_OF, "lowlight", ("Mini",))


def test_a_run_stores_and_verifies_it(stored):
    scores = [row.scores["rgb-8bit/1"]["mae"] for row in stored.rows() if row.method == "clahe"]
    summary = {line.method: line.scores["mae"] for line in stored.header().summary}
    assert summary["clahe"] == pytest.approx(np.mean(scores))
    outcomes = {finding.outcome for finding in verify(stored, sample=None)}
    assert outcomes == {"same"}


def test_the_board_and_files_show_it(stored):
    board = leaderboard(stored, "identity").set_index("method")
    assert board.mae_low["clahe"] <= board.mae["clahe"] <= board.mae_high["clahe"]
    lines = list(csv.DictReader(io.StringIO(export(stored, "csv").decode())))
    assert float(lines[0]["mae"]) > 0
    shown = board_table(leaderboard(stored, "identity"), stored.header(), ViewState())
    latex, markdown = (export(stored, form).decode() for form in ("latex", "markdown"))
    assert "Mean error (\\%)" in latex and f"{board.mae['clahe']:.3f}" in latex
    for text in (markdown, html_report(stored), shown):
        assert "Mean error (%)" in text and f"{board.mae['clahe']:.3f}" in text


def test_the_overview_shows_it(stored, with_published):
    found = overview(TableCache(), [stored], "lowlight", MEAN_ERROR)
    shown = overview_table(found)
    means = leaderboard(stored, "identity").mae
    assert [line.cells[0].mean for line in found.lines] == sorted(means)  # less is better
    assert "Mean error" in shown and f"{means.min():.3f}" in shown
    assert "Mini 7.25" in shown


def test_published_numbers_of_it_stand_beside_the_run(stored, with_published):
    beside = published.published_beside(stored.header())
    assert beside[["psnr_db", "mae"]].values.tolist() == [[24.1, 7.25]]
    for text in (published_table(beside), html_report(stored)):
        assert "Mean error (%)</th>" in text and ">7.250</td>" in text and ">24.10</td>" in text
    drawn = plots.draw(TableCache(), stored, "published", "mae")
    assert [trace.x for trace in drawn.figure.data if "primary" in trace.name] == [(7.25,)]
    assert drawn.figure.layout.xaxis.title.text == "Mean error (%), lower is better"
    assert drawn.table.mae.notna().all()


def test_a_published_number_above_the_largest_is_named(stored, with_published, monkeypatch):
    monkeypatch.setitem(METRICS, "mae", replace(MEAN_ERROR, max_value=5.0))
    with pytest.raises(InvalidRequest, match=r"Line 2 .* mae = '7.25': .* between 0 and 5\."):
        published.read_published()


def test_the_table_of_changes_shows_it(stored):
    again = StoredRun(shutil.copytree(stored.folder, stored.folder.parent / OTHER))
    again.write_header(stored.header().model_copy(update={"id": OTHER}))
    found = compare_runs([stored, again])
    assert "Mean error (%)" in comparison(found, "mae")
    changes = changes_value(found.changes)
    assert changes["headers"] == [
        "Picture", "Method", "Run", "Baseline run (dB)", "Run (dB)", "Change (dB)", "Change SSIM",
        "Change Mean error (%)", "Output",
    ]  # fmt: skip
    assert changes["metadata"]["display_value"][0][5:] == ["+0.000", "+0.0000", "+0.000", "same"]


def test_plots_show_it_with_its_unit_and_direction(stored):
    for name, plot in plots.PLOTS.items():
        # Nobody has published on the bundled pictures, and the run has no perceptual metric.
        if name not in ("published", "perception") and plot.applies_to(stored.header(), 2):
            drawn = plots.draw(TableCache(), stored, name, "mae").figure
            titles = [drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text]
            assert any("Mean error (%), lower is better" in str(title) for title in titles), name


def test_its_worst_picture_is_the_one_with_the_largest_error(stored):
    scores = score_tables.scores_frame(stored)
    own = scores[scores.method == "clahe"]
    worst = score_tables.worst(stored, "clahe", 1, "mae")
    assert worst.pair.item() == own.pair[own.mae.idxmax()]
    shares = score_tables.cumulative(scores, "mae")
    assert shares[shares.method == "clahe"].share.tolist() == [50, 100]


def test_runs_of_before_open_without_it(stored, monkeypatch):
    monkeypatch.delitem(METRICS, "mae")
    assert "mae" not in score_tables.scores_frame(stored)
    assert {finding.outcome for finding in verify(stored, sample=None)} == {"same"}


def test_optional_metrics_show_where_a_run_has_them(tmp_path):
    config = RunConfig(
        get_benchmark("mini-lowlight"), ("identity", "clahe"), ("perceptual", "rgb-8bit"), n=2
    )
    stored = create_run(RunStore(tmp_path), config)
    list(execute_run(stored))
    optional = {"ms_ssim", "gmsd", "delta_e"}
    board, usual = (leaderboard(stored, "identity", name) for name in ("perceptual", "rgb-8bit"))
    assert optional < set(board.columns)
    assert not optional & set(usual.columns)
    row = board.set_index("method").loc["clahe"]
    assert row.delta_e_low <= row.delta_e <= row.delta_e_high
    assert stored.header().summary[1].scores["delta_e"] == pytest.approx(row.delta_e)
    for text in (export(stored, "markdown").decode(), html_report(stored)):
        assert "CIEDE2000" in text
        assert f"{row.delta_e:.2f}" in text
    other = export(stored, "markdown", protocol="rgb-8bit").decode()
    assert "CIEDE2000" not in other
    run = stored.header()
    shown = board_table(board, run, ViewState(run=run.id))
    assert shown.index("CIEDE2000") > shown.index("SSIM")
    assert f"{row.delta_e:.2f}" in shown
    assert "CIEDE2000" not in board_table(usual, run, ViewState(run=run.id))
    drawn = plots.draw(TableCache(), stored, "distribution", "delta_e").figure
    assert "CIEDE2000, lower is better" in str(drawn.layout.yaxis.title.text)
    assert {finding.outcome for finding in verify(stored, sample=None)} == {"same"}
    colour = ViewState(metric="delta_e")
    assert colour.for_run(run).metric == "delta_e"
    assert colour.model_copy(update={"protocol": "rgb-8bit/1"}).for_run(run).metric == "psnr_db"
