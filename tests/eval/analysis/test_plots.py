"""Figures, by the data in them."""

import math

import numpy as np
import pytest

from eval.analysis import leaderboards, method_plots, picture_plots, plot_style, score_tables
from eval.analysis.plots import draw
from eval.analysis.published import published_beside
from eval.analysis.table_cache import TableCache
from eval.runs.document import SampleResult, SampleScore
from tests.support.runs_factory import method, sha, write_run


@pytest.fixture
def stored(tmp_path):
    return write_run(tmp_path, pairs=12)


@pytest.fixture
def scores(stored):
    return score_tables.scores_frame(stored)


def test_published_numbers_stand_beside_the_protocol_of_the_board(tmp_path):
    """The numbers of a chosen protocol are not labelled with the run's first one."""
    stored = write_run(tmp_path, pairs=3)
    drawn = draw(TableCache(), stored, "published", protocol="gt-mean")
    names = [line.name for line in drawn.figure.data]
    assert any("measured here, gt-mean/1" in name for name in names)
    assert not any("rgb/1" in name for name in names)
    measured = drawn.table[drawn.table.kind == "measured here"]
    assert set(measured.protocol) == {"gt-mean/1"}
    assert set(published_beside(stored.header(), "gt-mean").measured_protocol) == {"gt-mean/1"}


def every_figure(stored):
    scores = score_tables.scores_frame(stored)
    board = leaderboards.leaderboard(stored, "identity", scores=scores)
    paired = score_tables.paired_scores(scores, "clahe", "ours")
    return {
        "distribution": picture_plots.distribution(scores, score_tables.quartiles(scores)),
        "scatter": picture_plots.scatter(paired),
        "speed": method_plots.quality_speed(board),
        "cumulative": picture_plots.cumulative(score_tables.cumulative(scores)),
        "input": picture_plots.against_input(score_tables.input_quality(scores)),
        "differences": picture_plots.differences(paired),
        "published": method_plots.published(published_beside(stored.header()), board),
    }


def trace(figure, name: str):
    return next(trace for trace in figure.data if trace.name == name)


def test_every_point_leads_to_a_pair_and_a_method(stored):
    pairs, methods = set(stored.pairs()), {entry.id for entry in stored.header().methods}
    for name, figure in every_figure(stored).items():
        for line in figure.data:
            points = len(line.x) if line.type != "box" else 1
            assert len(line.customdata) == points, name
            assert {pair for pair, _ in line.customdata} <= pairs | {""}
            if name != "published":
                assert {found for _, found in line.customdata} <= methods | {""}


def test_looks_that_work_on_light_dark_and_phones(stored):
    for name, figure in every_figure(stored).items():
        layout = figure.layout
        assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
        assert layout.font.color == plot_style.TEXT
        assert (layout.legend.orientation, layout.legend.yanchor) == ("h", "bottom")
        titles = [axis.title.text for axis in (layout.xaxis, layout.yaxis) if axis.title.text]
        assert any("dB" in title for title in titles), name
        assert not figure.layout.template.layout.to_plotly_json()


def test_boxes_are_the_tables_quartiles(stored, scores):
    boxes = score_tables.quartiles(scores)
    figure = picture_plots.distribution(scores, boxes)
    drawn = [line for line in figure.data if line.type == "box"]
    assert [line.q3[0] for line in drawn] == boxes.q3.tolist()
    assert list(figure.layout.xaxis.ticktext) == ["identity", "clahe", "ours", "official"]
    points = [line for line in figure.data if line.type == "scatter" and len(line.x) > 1]
    assert sorted(points[2].y) == sorted(scores[scores.method == "ours"].psnr_db)


def test_the_scatter_has_both_methods_and_a_diagonal(scores):
    paired = score_tables.paired_scores(scores, "clahe", "ours")
    figure = picture_plots.scatter(paired)
    points, diagonal = trace(figure, "a picture"), trace(figure, "equal")
    assert list(points.x) == paired.a.tolist() and list(points.y) == paired.b.tolist()
    assert list(points.customdata[3]) == [paired.pair[3], "ours"]
    assert list(diagonal.x) == list(diagonal.y)
    assert figure.layout.xaxis.title.text == "PSNR (dB) of clahe"


def test_the_pareto_front_leaves_dominated_methods_out(stored, scores):
    board = leaderboards.leaderboard(stored, None, scores=scores)
    board.loc[board.method == "clahe", "pareto"] = False
    figure = method_plots.quality_speed(board)
    front = trace(figure, "Pareto front")
    assert "clahe" not in [name for _, name in front.customdata]
    assert list(front.x) == sorted(front.x) and len(front.x) == 3
    ours = board.set_index("method").loc["ours"]
    drawn = trace(figure, "ours")
    assert (drawn.x[0], drawn.y[0]) == (ours.s_per_mp, ours.psnr_db)
    assert drawn.error_y.array[0] == pytest.approx(ours.psnr_high - ours.psnr_db)
    assert figure.layout.xaxis.title.text == "Seconds per megapixel"


def test_ssim_has_its_own_axis_and_interval(stored, scores):
    board = leaderboards.leaderboard(stored, None, scores=scores)
    figure = method_plots.quality_speed(board, "ssim")
    assert "SSIM" in figure.layout.yaxis.title.text
    assert trace(figure, "ours").y[0] == board.set_index("method").ssim["ours"]
    drawn = picture_plots.distribution(scores, score_tables.quartiles(scores, "ssim"), "ssim")
    assert drawn.layout.yaxis.title.text == "SSIM"


def test_differences_are_sorted_and_coloured_by_sign(scores):
    paired = score_tables.paired_scores(scores, "ours", "official")
    figure = picture_plots.differences(paired)
    worse, better = figure.data
    assert [*worse.y, *better.y] == sorted(paired.difference)
    assert max(worse.y) <= 0 < min(better.y)
    assert [*worse.x, *better.x] == list(range(1, 13))
    ranked = paired.sort_values("difference").pair
    assert list(figure.layout.xaxis.ticktext) == list(ranked)  # few bars are named


def test_means_are_drawn_with_their_intervals(stored):
    drawn = draw(TableCache(), stored, "distribution")
    ours = leaderboards.leaderboard(stored, None).set_index("method").loc["ours"]
    mean = trace(drawn.figure, "mean of ours")
    assert mean.y[0] == pytest.approx(ours.psnr_db)
    assert mean.y[0] + mean.error_y.array[0] == pytest.approx(ours.psnr_high)
    assert mean.y[0] - mean.error_y.arrayminus[0] == pytest.approx(ours.psnr_low)
    figure = draw(TableCache(), stored, "differences", a="identity", b="ours").figure
    paired = leaderboards.leaderboard(stored, "identity").set_index("method").loc["ours"]
    line, band = figure.layout.shapes
    assert line.y0 == line.y1 == pytest.approx(paired.difference_db)
    assert (band.y0, band.y1) == pytest.approx((paired.difference_low, paired.difference_high))
    assert f"mean {paired.difference_db:+.2f} dB" in figure.layout.title.subtitle.text


def test_an_interval_with_an_unknown_end_is_no_bar():
    ends = np.array([0.5, math.nan, -math.inf]), np.array([2.0, 3.0, 4.0])
    bar = plot_style.interval_bar(np.array([1.0, 2.0, 3.0]), *ends)
    assert bar["array"].tolist() == [1, 0, 0] and bar["arrayminus"].tolist() == [0.5, 0, 0]
    alone = plot_style.interval_bar(1.0, math.nan, math.nan)
    assert alone["array"].tolist() == alone["arrayminus"].tolist() == [0]


@pytest.mark.parametrize("name", ["scatter", "input"])
def test_axes_that_are_both_scores_are_square(stored, name):
    figure = every_figure(stored)[name]
    assert figure.layout.xaxis.range == figure.layout.yaxis.range
    assert figure.layout.yaxis.scaleanchor == "x"
    low, high = figure.layout.xaxis.range
    *points, diagonal = figure.data
    assert tuple(diagonal.x) == tuple(diagonal.y) == (low, high)
    for line in points:
        assert all(low < value < high for value in [*line.x, *line.y])


def test_the_pictures_that_differ_most_are_named(scores):
    paired = score_tables.paired_scores(scores, "clahe", "ours")
    named = [name for name in trace(picture_plots.scatter(paired), "a picture").text if name]
    ranked = paired.sort_values("difference").pair
    assert sorted(named) == sorted([ranked.iloc[0], ranked.iloc[-1]])


def test_a_method_keeps_its_colour(stored):
    figures = every_figure(stored)
    colours = {name: {trace(figures[name], "ours").marker.color} for name in ("speed", "input")} | {
        "cumulative": {trace(figures["cumulative"], "ours").line.color}
    }
    assert set.union(*colours.values()) == {plot_style.COLOURS[2]}


def test_more_methods_than_colours_differ_by_symbol(tmp_path):
    methods = tuple(method(f"m{number}") for number in range(9))
    scores = score_tables.scores_frame(write_run(tmp_path, pairs=2, methods=methods))
    figure = picture_plots.distribution(scores, score_tables.quartiles(scores))
    looks = {
        (line.marker.color, line.marker.symbol) for line in figure.data if line.type == "scatter"
    }
    assert len(looks) == 9


def test_published_numbers_stay_apart_and_kinds_of_source_look_different(stored):
    figure = every_figure(stored)["published"]
    beside = published_beside(stored.header())
    *published, measured = figure.data
    looks = {(line.marker.color, line.marker.symbol) for line in published}
    assert len(looks) == len(published) == 4  # unverified ones are left out
    shown = {name for line in published for _, name in line.customdata}
    assert shown == set(beside.method[beside.verified & beside.psnr_db.notna()])
    assert measured.name == "measured here, rgb/1, 12 of 12"
    assert [name for _, name in measured.customdata][-1] == "official"
    assert min(measured.y) > max(place for line in published for place in line.y)
    line = trace(figure, "published, primary source")
    for (_, name), text in zip(line.customdata, line.text, strict=True):
        row = beside[(beside.method == name) & (beside.source_kind == "primary")].iloc[0]
        assert row.protocol[:30] in text


def test_published_numbers_of_one_setting_stand_together_under_its_name(stored):
    figure = every_figure(stored)["published"]
    beside = published_beside(stored.header())
    ticks = list(figure.layout.yaxis.ticktext)
    heads = {text[3:-4]: place for place, text in enumerate(ticks) if text.startswith("<b>")}
    assert list(heads) == [*sorted(set(beside.setting[beside.verified])), "measured here"]
    line = trace(figure, "published, primary source")
    for place, (_, name) in zip(line.y, line.customdata, strict=True):
        assert ticks[place] == plot_style.plain_text(name, plot_style.MAX_TICK)
        setting = min((at, head) for head, at in heads.items() if at > place)[1]
        assert setting in beside.setting[beside.method == name].tolist()


def test_unverified_numbers_are_drawn_in_grey_where_asked_for(stored):
    drawn = draw(TableCache(), stored, "published", unverified=True)
    beside = published_beside(stored.header())
    grey = trace(drawn.figure, "unverified")
    assert grey.marker.color == plot_style.GREY
    assert {name for _, name in grey.customdata} == set(
        beside.method[~beside.verified & beside.psnr_db.notna()]
    )
    assert False in drawn.table.verified.tolist()
    assert False not in draw(TableCache(), stored, "published").table.verified.tolist()


def test_the_data_of_published_numbers_hold_what_the_figure_shows(stored):
    drawn = draw(TableCache(), stored, "published")
    table = drawn.table
    shown = {name for line in drawn.figure.data for _, name in line.customdata}
    assert shown <= set(table.method)
    measured = table[table.kind == "measured here"]
    assert set(measured.method) == {method.id for method in stored.header().methods}
    assert set(measured.protocol) == {"rgb/1"}
    beside = published_beside(stored.header())
    assert set(table[table.kind == "published"].protocol) == set(beside.protocol[beside.verified])


def test_many_pictures_are_thinned_with_both_ends_and_told(tmp_path):
    stored = write_run(tmp_path, pairs=1000, methods=(method("identity"), method("ours")))
    scores = score_tables.scores_frame(stored)
    figure = picture_plots.distribution(scores, score_tables.quartiles(scores))
    points = figure.data[5]  # a box, a mean and points of each method
    own = scores[scores.method == "ours"].psnr_db
    assert len(points.y) == plot_style.MAX_POINTS
    assert (max(points.y), min(points.y)) == (own.max(), own.min())
    assert str(plot_style.MAX_POINTS) in figure.layout.title.subtitle.text


def test_identical_pictures_are_no_points(tmp_path):
    rows = [
        SampleResult(
            pair=f"p000{number}",
            method=name,
            scores={"rgb/1": SampleScore(psnr_db=psnr, ssim=1)},
            output_sha256=sha("o"),
        )
        for number, psnr in enumerate([math.inf, 30.0])
        for name in ("identity", "ours")
    ]
    methods = (method("identity"), method("ours"))
    stored = write_run(tmp_path, pairs=2, methods=methods, rows=rows)
    for name, figure in every_figure_of(stored).items():
        for line in figure.data:
            values = np.array(line.q3 if line.type == "box" else line.y, float)
            assert np.isfinite(values).all(), name


def every_figure_of(stored, rival="ours"):
    scores = score_tables.scores_frame(stored)
    paired = score_tables.paired_scores(scores, "identity", rival)
    return {
        "distribution": picture_plots.distribution(scores, score_tables.quartiles(scores)),
        "scatter": picture_plots.scatter(paired),
        "cumulative": picture_plots.cumulative(score_tables.cumulative(scores)),
        "input": picture_plots.against_input(score_tables.input_quality(scores)),
        "differences": picture_plots.differences(paired),
    }


def test_without_scores_there_are_words(tmp_path):
    stored = write_run(tmp_path, pairs=2, rows=[], benchmark__id="mini")
    for name, figure in every_figure(stored).items():
        assert len(figure.layout.annotations) == 1 and figure.layout.annotations[0].text, name


def test_names_from_outside_are_no_markup(tmp_path):
    evil = '<a href="https://example.org">%{x}</a>'
    methods = (method("identity"), method(evil))
    stored = write_run(tmp_path, pairs=2, methods=methods)
    for name, figure in every_figure_of(stored, evil).items():
        for line in figure.data:
            shown = [line.name, line.hovertemplate]
            assert not [words for words in shown if "<a" in (words or "")], name
            assert "%{x}" not in line.name
        axes = (figure.layout.xaxis, figure.layout.yaxis)
        words = [figure.layout.title.text, *(axis.title.text for axis in axes)]
        words += [tick for axis in axes for tick in axis.ticktext or ()]
        assert not [text for text in words if "<a" in (text or "")], name
