"""Intervals and paired comparisons."""

import math

import numpy as np
import pytest

from eval.analysis import statistics as stats
from eval.analysis.statistics import compare, summarise


def test_summary_by_hand():
    summary = summarise([30.0, 32.0, 37.0])
    assert (summary.count, summary.infinite, summary.mean, summary.median) == (3, 0, 33.0, 32.0)
    assert 30 <= summary.low < 33 < summary.high <= 37


def test_infinite_scores_are_counted_and_left_out():
    summary = summarise([30.0, math.inf, 32.0])
    assert (summary.count, summary.infinite, summary.mean) == (3, 1, 31.0)
    assert math.isnan(summarise([math.inf]).mean)
    assert summarise([31.0]).low == 31.0


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(100):
        summary = summarise(rng.normal(30, 2, 40), seed=trial)
        hits += summary.low <= 30 <= summary.high
    assert 86 <= hits <= 100


@pytest.mark.parametrize("size", [2, 7, 300, 3001])
def test_shared_resamples_give_the_interval_of_scipy(size):
    values = np.random.default_rng(size).normal(30, 4, size)
    assert stats._interval(values, 5) == pytest.approx(stats._scipy_interval(values, 5), abs=1e-9)


def test_a_clear_difference_and_none():
    rng = np.random.default_rng(1)
    baseline = rng.normal(30, 4, 30)
    better = compare(baseline + 0.5 + rng.normal(0, 0.1, 30), baseline)
    assert better.difference == pytest.approx(0.5, abs=0.1)
    assert better.p_value < 1e-4
    assert (better.effect, better.wins, better.verdict) == (1.0, 30, "better")
    noise = compare(baseline + rng.normal(0, 1, 30), baseline)
    assert noise.verdict == "tied"
    assert noise.p_value > 0.05


def test_equal_methods_are_tied():
    same = compare([30.0] * 5, [30.0] * 5)
    assert (same.difference, same.p_value, same.effect, same.ties) == (0, 1, 0, 5)
    assert (same.verdict, same.win_rate) == ("tied", 0.5)


@pytest.mark.parametrize("pairs", [1, 2, 4])
def test_a_few_pictures_decide_nothing(pairs):
    found = compare([31.0 + place for place in range(pairs)], [30.0] * pairs)
    assert found.wins == pairs and found.low > 0
    assert found.verdict == "too few"


def test_a_constant_difference_needs_pictures_enough_for_its_p():
    """Its bootstrap interval has no width, so that only the test can say that it may be chance."""
    five, six = (compare([30.5] * pairs, [30.0] * pairs) for pairs in (5, 6))
    assert five.low == five.high == 0.5
    assert (five.p_value, five.verdict) == (0.0625, "tied")
    assert (six.p_value, six.verdict) == (0.03125, "better")
    assert compare([30.0] * 6, [30.5] * 6).verdict == "worse"


def test_a_tie_is_half_a_win():
    found = compare([31.0, 30.0, 29.0, 30.0], [30.0] * 4)
    assert (found.wins, found.ties, found.win_rate) == (1, 2, 0.5)


def test_an_exact_result_is_a_win_and_leaves_the_mean():
    paired = compare([30.0, math.inf, 35.0, math.inf], [29.0, 30.0, 33.0, math.inf])
    assert (paired.pairs, paired.difference) == (4, 1.5)
    assert (paired.wins, paired.ties, paired.effect) == (3, 1, 1.0)
    one_lost = compare([math.inf, 20.0, 31.0], [20.0, math.inf, 30.0])
    assert (one_lost.wins, one_lost.difference) == (2, 1.0)
    assert one_lost.effect == pytest.approx((2.5 + 1 - 2.5) / 6)  # the infinite ones rank highest


def test_comparing_needs_a_picture_with_finite_scores_of_both():
    with pytest.raises(ValueError, match="no picture"):
        compare([math.inf], [30.0])
    with pytest.raises(ValueError, match="cannot be paired"):
        compare([1.0], [1.0, 2.0])


def test_few_pictures_come_with_a_word_of_caution():
    assert [bool(stats.caution(pictures)) for pictures in (0, 1, 9, 10, 400)] == [0, 1, 1, 0, 0]
    for pairs in (2, 5, 6):  # the least p of the test that compare() makes, when all agree
        least = compare([1.0 + i for i in range(pairs)], [0.5] * pairs).p_value
        assert (f"below {least:.3g}." in stats.caution(pairs)) == (least > 0.05)
