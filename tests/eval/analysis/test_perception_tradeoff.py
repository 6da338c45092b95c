"""Perception against distortion: axes, directions, the front, runs without such a metric."""

import json

import numpy as np
import pytest

from eval.analysis.leaderboards import leaderboard
from eval.analysis.perception_tradeoff import NO_PERCEPTUAL, axes, perception_distortion
from eval.analysis.plots import draw
from eval.analysis.table_cache import TableCache
from eval.reports.html import html_report
from eval.runs.document import SampleResult
from tests.support.runs_factory import method, sha, write_run

MEANS = {  # PSNR, FLIP, SSIMULACRA 2.1
    "identity": (20.0, 0.40, 10.0),
    "clahe": (22.0, 0.10, 70.0),
    "ours": (26.0, 0.20, 60.0),
    "official": (25.0, 0.30, 50.0),
}
"""Nothing beats ours in PSNR or clahe in perception; official is beaten by ours in both."""


def rows() -> list[SampleResult]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(8):
        for name, (psnr, flip, visible) in MEANS.items():
            usual = {"psnr_db": psnr + rng.normal(0, 0.2), "ssim": 0.8}
            seen = {"flip": flip + rng.normal(0, 0.01), "ssimulacra2": visible + rng.normal()}
            found.append(
                SampleResult(
                    pair=f"p{number:04d}",
                    method=name,
                    scores={"rgb-8bit/1": usual, "perceptual/1": usual | seen},
                    output_sha256=sha(f"{name}{number}"),
                    degraded_sha256=sha(f"in{number}"),
                    target_sha256=sha(f"out{number}"),
                )
            )
    return found


@pytest.fixture
def stored(tmp_path):
    methods = tuple(map(method, MEANS))
    protocols = ["rgb-8bit/1", "perceptual/1"]
    return write_run(tmp_path, 8, methods, rows=rows(), protocols=protocols)


def test_the_plot_is_square_and_says_which_way_is_better(stored):
    drawn = draw(TableCache(), stored, "perception")  # the first protocol has no perceptual metric
    layout = drawn.figure.layout
    assert layout.xaxis.title.text == "Distortion: PSNR (dB), higher is better"
    assert layout.yaxis.title.text == "Perception: SSIMULACRA 2.1, higher is better"
    across, upright = (np.ptp(axis.range) for axis in (layout.xaxis, layout.yaxis))
    assert layout.yaxis.scaleanchor == "x"
    assert layout.yaxis.scaleratio == pytest.approx(across / upright)
    assert "perceptual/1" in layout.title.text
    table = drawn.table.set_index("method")
    assert table.front.to_dict() == {
        "identity": False, "clahe": True, "ours": True, "official": False
    }  # fmt: skip
    board = leaderboard(stored, None, "perceptual").set_index("method")
    assert table.x["ours"] == board.psnr_db["ours"]
    assert table.y_low["ours"] == board.ssimulacra2_low["ours"]
    points = {line.name: (line.x[0], line.y[0]) for line in drawn.figure.data}
    assert points["ours"] == (table.x["ours"], table.y["ours"])


def test_a_metric_of_which_lower_is_better_runs_backwards(stored):
    drawn = draw(TableCache(), stored, "perception", "flip", "perceptual")
    axis = drawn.figure.layout.yaxis
    assert axis.title.text == "Perception: FLIP, lower is better"
    assert axis.range[0] > 0.4 > 0.1 > axis.range[1]
    assert set(drawn.table.method[drawn.table.front]) == {"clahe", "ours"}


def test_a_run_without_a_perceptual_metric_says_so(tmp_path):
    stored = write_run(tmp_path, pairs=3)
    board = leaderboard(stored, None)
    assert axes(board) is None and perception_distortion(board).empty
    drawn = draw(TableCache(), stored, "perception")
    assert [note.text for note in drawn.figure.layout.annotations] == [NO_PERCEPTUAL]
    assert "Perception against distortion" not in html_report(stored)


def test_the_report_has_the_plot(stored):
    assert json.dumps("Distortion: PSNR (dB), higher is better") in html_report(stored)
