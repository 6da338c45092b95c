"""Pictures worth a look, from scores made by hand."""

import warnings

import numpy as np
import pandas as pd
import pytest

from eval.analysis.score_tables import (
    best,
    cumulative,
    disagreements,
    gains,
    input_quality,
    other_metrics,
    paired_scores,
    quartiles,
    worst,
)
from eval.analysis.statistics import summarise

PSNR = {"a": [20, 21, 22, 23, 24, 25, 26], "b": [30, 21, 20, 24, np.inf, 25, 29]}
"""Scores of two methods; b gains 10, 0, -2, 1, no finite number, 0 and 3."""


@pytest.fixture
def scores() -> pd.DataFrame:
    rows = [
        {"pair": f"p{number}", "method": method, "psnr_db": float(value), "gmsd": 1 / (1 + value)}
        for number, both in enumerate(zip(*PSNR.values(), strict=True))
        for method, value in zip(PSNR, both, strict=True)
    ]
    frame = pd.DataFrame(rows)
    frame["method"] = pd.Categorical(frame.method, list(PSNR), ordered=True)
    return frame


def pairs(frame: pd.DataFrame) -> list[str]:
    assert list(frame.index) == list(range(len(frame))) and "index" not in frame
    return list(frame.pair)


def test_the_worst_and_the_best_five(scores):
    assert pairs(worst(scores, "a")) == ["p0", "p1", "p2", "p3", "p4"]
    assert pairs(best(scores, "a")) == ["p6", "p5", "p4", "p3", "p2"]
    assert pairs(worst(scores, "a", 2, "gmsd")) == ["p0", "p1"]
    assert pairs(best(scores, "a", 2, "gmsd")) == ["p6", "p5"]


def test_five_disagreements_of_any_sign_in_the_runs_order_where_equal(scores):
    assert pairs(disagreements(scores, "a", "b")) == ["p0", "p6", "p2", "p3", "p1"]
    assert pairs(disagreements(scores, "a", "b", 2)) == ["p0", "p6"]
    assert "p4" in pairs(disagreements(scores, "a", "b", metric="gmsd"))


def test_gains_and_losses_of_a_method_over_another(scores):
    found = gains(scores, "b", "a")
    assert pairs(found) == ["p0", "p6", "p3", "p1", "p5"]
    assert list(found) == ["pair", "method_a", "method_b", "a", "b", "difference"]
    assert (found.method_a[0], found.method_b[0], found.difference[0]) == ("a", "b", 10)
    assert pairs(gains(scores, "b", "a", 2, largest=False)) == ["p2", "p1"]
    assert pairs(gains(scores, "a", "b", 1)) == ["p2"]
    assert pairs(gains(scores, "b", "a", 1, "gmsd")) == ["p4"]
    assert pairs(gains(scores, "b", "a", 1, "gmsd", largest=False)) == ["p2"]


def test_equal_scores_of_many_pictures_stay_in_the_runs_order():
    """Of more than 16 rows, the sorts that are not stable mix those that are equal."""
    rows = [
        {"pair": f"p{number:02d}", "method": method, "psnr_db": 30.0 + (method == "b") * gain}
        for number, gain in enumerate([1, 2] * 20)
        for method in "ab"
    ]
    frame = pd.DataFrame(rows)
    frame["method"] = pd.Categorical(frame.method, ["a", "b"], ordered=True)
    ones, twos = ([f"p{number:02d}" for number in range(first, 40, 2)] for first in (0, 1))
    assert pairs(worst(frame, "b", 40)) == ones + twos
    assert pairs(best(frame, "b", 40)) == twos + ones
    assert pairs(disagreements(frame, "a", "b", 40)) == twos + ones
    assert pairs(gains(frame, "b", "a", 40)) == twos + ones
    assert pairs(gains(frame, "b", "a", 40, largest=False)) == ones + twos


def test_two_exact_results_are_paired_without_a_warning(scores):
    scores.loc[scores.pair == "p4", "psnr_db"] = np.inf
    with warnings.catch_warnings(action="error"):
        both = paired_scores(scores, "a", "b")
    assert np.isnan(both.difference[4])


def test_without_the_input_among_the_methods_nothing_is_joined_with_it(scores):
    found = input_quality(scores)
    assert list(found) == ["pair", "method", "psnr_db", "input", "reference"] and found.empty
    named = scores.assign(method=scores.method.cat.rename_categories({"a": "identity"}))
    beside = input_quality(named)
    assert set(beside.method) == {"b"} and set(beside.reference) == {"identity"}
    assert beside.input.tolist() == [20, 21, 22, 23, 25, 26]


def test_boxes_by_hand_with_intervals_over_scenes():
    values = [10.0, 20.0, 21.0, 22.0, 23.0, 24.0, 40.0, np.inf]
    frame = pd.DataFrame({"method": "a", "psnr_db": values, "scene": [*"xxyyzzww"]})
    frame["method"] = pd.Categorical(frame.method, ["b", "a"], ordered=True)
    (row,) = quartiles(frame).to_dict("records")
    assert (row["method"], row["count"], row["mean"]) == ("a", 7, 160 / 7)
    assert (row["q1"], row["median"], row["q3"]) == (20.5, 22.0, 23.5)
    assert (row["low"], row["high"]) == (20.0, 24.0)  # the fences are 16 and 28
    of_scenes = summarise(values, [*"xxyyzzww"])
    assert (row["mean_low"], row["mean_high"]) == (of_scenes.low, of_scenes.high)
    assert of_scenes.low != summarise(values).low
    assert list(quartiles(frame).method.cat.categories) == ["b", "a"]
    edge = frame.assign(psnr_db=[16.0, 20.5, 20.5, 22.0, 23.5, 23.5, 28.0, np.nan])
    assert quartiles(edge)[["low", "high"]].to_numpy().tolist() == [[16.0, 28.0]]


def test_shares_that_reach_a_score_by_hand():
    frame = pd.DataFrame({"pair": [*"pqrs"], "method": "a", "psnr_db": [3.0, 1.0, 3.0, np.inf]})
    frame["gmsd"] = [0.3, 0.1, 0.3, np.nan]
    frame["method"] = pd.Categorical(frame.method, ["a"], ordered=True)
    found = cumulative(frame)
    assert list(found) == ["pair", "method", "psnr_db", "share"]
    assert list(found.index) == [0, 1, 2] and list(found.pair) == ["q", "p", "r"]
    assert found.share.tolist() == pytest.approx([100, 200 / 3, 200 / 3])
    lower = cumulative(frame, "gmsd")
    assert lower.share.tolist() == pytest.approx([100 / 3, 100, 100])


def test_other_metrics_are_all_but_the_ranking_one():
    assert [metric.key for metric in other_metrics()] == ["ssim"]
