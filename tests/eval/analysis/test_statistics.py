"""Intervals and paired comparisons."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import scipy.stats

from eval.analysis import statistics as stats
from eval.analysis.statistics import compare, summarise


def test_summary_by_hand():
    summary = summarise([30.0, 32.0, 37.0])
    assert (summary.count, summary.infinite, summary.mean, summary.median) == (3, 0, 33.0, 32.0)
    assert 30 <= summary.low < 33 < summary.high <= 37


def test_infinite_scores_are_counted_and_left_out():
    summary = summarise([30.0, math.inf, 32.0])
    assert (summary.count, summary.infinite, summary.mean) == (3, 1, 31.0)
    left = dataclasses.astuple(summarise([math.inf, math.inf, math.nan]))
    np.testing.assert_equal(left, (3, 0, 2, math.nan, math.nan, math.nan, math.nan))


def test_one_picture_or_one_scene_has_no_interval():
    assert math.isnan(summarise([31.0]).low)
    found = summarise([31.0, 30.0, 32.0], ["a"] * 3)
    assert (found.mean, found.clusters, math.isnan(found.low)) == (31.0, 1, True)
    assert [*stats._numbered(["b", None, "a", None], 4)] == [0, 1, 2, 1]


def covered(trials: int, truth: float, draw, clusters=None) -> float:
    """Share of simulated data sets whose interval holds the true mean."""
    found = [summarise(draw(np.random.default_rng(trial)), clusters) for trial in range(trials)]
    return np.mean([summary.low <= truth <= summary.high for summary in found])


@pytest.mark.parametrize("pictures", [6, 15, 40])
def test_the_interval_covers_the_true_mean_as_often_as_it_says(pictures):
    """Of 300 trials at 95 %, 276 to 294 are to be expected (binomial, 99.8 %)."""
    share = covered(300, 30, lambda rng: rng.normal(30, 2, pictures))
    assert 0.91 <= share <= 0.985


def test_the_interval_of_skewed_scores_covers_nearly_as_often():
    assert 0.90 <= covered(300, 1, lambda rng: rng.exponential(1, 40)) <= 0.985


SCENES = np.repeat(np.arange(40), 32)
"""Scenes of SIDD's 1280 validation blocks."""


def blocks(rng, gain: float = 0.0) -> np.ndarray:
    """Scores of blocks that differ more between scenes than within one."""
    return gain + np.repeat(rng.normal(0, 2, 40), 32) + rng.normal(0, 1, 1280)


def test_blocks_of_few_scenes_need_the_interval_of_scenes():
    """The interval of independent pictures covers a third of the time there."""
    assert 0.91 <= covered(300, 0, blocks, SCENES) <= 0.985
    assert covered(60, 0, blocks) < 0.6


def test_scenes_of_different_sizes_count_by_their_pictures():
    sizes = np.random.default_rng(0).integers(1, 9, 40)
    scenes = np.repeat(np.arange(40), sizes)

    def draw(rng):
        return np.repeat(rng.normal(0, 1, 40), sizes) + rng.normal(0, 1, len(scenes))

    assert 0.90 <= covered(300, 0, draw, scenes) <= 0.985
    found = summarise([1.0, 1.0, 4.0], ["a", "a", "b"])
    assert (found.mean, found.clusters) == (2.0, 2)


def test_blocks_of_few_scenes_are_tested_as_scenes():
    """Equal methods are called different 5 % of the time, and by blocks most of the time."""
    trials = [blocks(np.random.default_rng(trial)) for trial in range(150)]
    zero = np.zeros(1280)
    by_scene = np.mean([compare(trial, zero, SCENES).p_value < 0.05 for trial in trials])
    by_block = np.mean([compare(trial, zero).p_value < 0.05 for trial in trials[:30]])
    assert by_scene <= 0.10 and by_block > 0.4
    clear = compare(blocks(np.random.default_rng(0), gain=2.0), zero, SCENES)
    assert (clear.verdict, clear.clusters, clear.pairs) == ("better", 40, 1280)


@pytest.mark.parametrize("size", [2, 7, 300, 3001])
def test_shared_resamples_give_the_interval_of_scipy(size):
    rng = np.random.default_rng(size)
    sums, counts = rng.normal(30, 4, size), rng.integers(1, 5, size).astype(float)
    ours = stats._interval(sums, counts, 5)
    assert ours == pytest.approx(stats._scipy_interval(sums, counts, 5), abs=1e-9)


def test_intervals_of_few_are_widened_as_hesterberg_does():
    for scenes in (2, 6, 40):
        wide = np.sqrt(scenes / (scenes - 1)) * scipy.stats.t.ppf(0.975, scenes - 1)
        assert stats._tail(scenes) == pytest.approx(scipy.stats.norm.cdf(-wide), rel=1e-9)


def test_scenes_are_ranked_by_their_means_whatever_their_sizes():
    found = compare([1.0] * 4 + [-2.0], [0.0] * 5, ["a"] * 4 + ["b"])
    assert found.effect == pytest.approx((1 - 2) / 3)


def test_scores_of_any_kind_of_number_are_taken():
    """A column of a table with an empty cell is one of objects."""
    a, b = np.array([31.0, 33.0], object), np.array([30, 31], object)
    assert summarise(a).mean == 32.0 and compare(a, b).difference == 1.5


def test_intervals_are_those_of_seed_0_at_every_call():
    values, zeros = np.random.default_rng(3).normal(0, 1, 40), np.zeros(40)
    wanted = stats._interval(values, np.ones(40), 0)
    assert wanted != stats._interval(values, np.ones(40), 1)
    for found in (summarise(values), compare(values, zeros)):
        assert (found.low, found.high) == wanted
    assert summarise(values, seed=1).low != wanted[0] != compare(values, zeros, seed=1).low


def test_a_comparison_in_a_table_has_its_numbers_and_none_has_none():
    paired = compare([31.0, 30.5, 29.0], [30.0, 30.0, 30.0])
    names = ("difference", "low", "high", "p_value", "p_holm", "effect", "win_rate", "verdict")
    assert stats.facts_of(paired) == {name: getattr(paired, name) for name in names}
    np.testing.assert_equal(
        stats.facts_of(None), dict.fromkeys(names[:-1], math.nan) | {"verdict": ""}
    )


def test_infinite_scores_of_both_raise_no_warning():
    with np.errstate(invalid="raise"):
        assert compare([math.inf, 31.0], [math.inf, 30.0]).ties == 1


@pytest.mark.parametrize(
    "differences",
    [
        np.round(np.random.default_rng(2).normal(0.4, 1, 8), 1) + 0.05,
        np.array([1.0, 1, -2, -2, -3, -3]),  # sums of half ranks lie closest together
        np.array([1.0, -1]),  # both tails hold more than half
    ],
)
def test_the_test_of_few_is_exact(differences):
    """All signs counted by hand, ties included, where an approximation would be off."""
    ranks = scipy.stats.rankdata(np.abs(differences))
    signs = np.array(list(itertools.product([-1, 1], repeat=len(ranks))))
    seen = abs(np.sign(differences) @ ranks)
    expected = np.mean(np.abs(signs @ ranks) >= seen - 1e-9)
    for either in (differences, -differences):
        found = compare(either, np.zeros(len(ranks))).p_value
        assert found == pytest.approx(expected, abs=1e-12)


def test_holm_is_that_of_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    for seed in range(20):
        values = np.random.default_rng(seed).uniform(0, 0.2, 7)
        expected = multitest.multipletests(values, method="holm")[1]
        assert stats.holm(list(values)) == pytest.approx(expected, abs=1e-12)
    assert stats.holm([]) == [] and stats.holm([0.6, 0.9]) == [1.0, 1.0]


def test_of_many_equal_methods_hardly_any_is_called_better():
    """Ten methods without a difference: uncorrected, two in five boards name a winner."""
    named = {"holm": 0, "none": 0}
    for trial in range(40):
        rng = np.random.default_rng(trial)
        found = [compare(rng.normal(0, 1, 20), np.zeros(20)) for _ in range(10)]
        named["none"] += any(paired.verdict in ("better", "worse") for paired in found)
        corrected = stats.corrected(found)
        named["holm"] += any(paired.verdict in ("better", "worse") for paired in corrected)
    assert named["holm"] <= 5 and named["none"] > 8


def test_a_lower_score_can_be_the_better_one():
    rng = np.random.default_rng(1)
    baseline = rng.normal(0.3, 0.05, 20)
    lower = compare(baseline - 0.1 - rng.uniform(0, 0.01, 20), baseline, higher_is_better=False)
    assert (lower.verdict, lower.wins, lower.effect, lower.win_rate) == ("better", 20, 1.0, 1.0)
    assert lower.difference < 0 and lower.high < 0
    assert compare(baseline + 0.1, baseline, higher_is_better=False).verdict == "worse"


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
    assert found.wins == pairs and found.low > 0 or pairs == 1
    assert found.verdict == "too few"


def test_many_pictures_of_a_few_scenes_decide_nothing():
    scenes = [place // 8 for place in range(32)]
    found = compare([31.0 + place for place in range(32)], [30.0] * 32, scenes)
    assert (found.pairs, found.clusters, found.verdict) == (32, 4, "too few")


def test_a_constant_difference_needs_pictures_enough_for_its_p():
    """Its bootstrap interval has no width, so that only the test can say that it may be chance."""
    five, six = (compare([30.5] * pairs, [30.0] * pairs) for pairs in (5, 6))
    assert five.low == five.high == 0.5
    assert (five.p_value, five.verdict) == (0.0625, "tied")
    assert (six.p_value, six.verdict) == (0.03125, "better")
    assert compare([30.0] * 6, [30.5] * 6).verdict == "worse"
    assert compare([30.0] * 5, [30.5] * 5).verdict == "tied"


def test_a_leader_chosen_by_looking_is_not_better_than_equals_too_often():
    """Of 200 trials at 5 %, up to 18 are to be expected (binomial, 99 %)."""

    def found(seed: int, among: int | None) -> bool:
        rng = np.random.default_rng(seed)
        scores = rng.normal(0, 3, 12) + rng.normal(0, 0.5, (6, 12))
        leader = scores.mean(axis=1).argmax()
        tests = [stats._signed_ranks(own - scores[leader])[0] for own in scores]
        return min(stats.holm(np.delete(tests, leader), among)) < 0.05

    assert sum(found(seed, stats.pairs_of(6)) for seed in range(200)) <= 12
    assert stats.pairs_of(6) == 15
    assert stats.holm([0.01, 0.04, 0.03], 6) == pytest.approx([0.06, 0.16, 0.15])


def test_what_floats_round_is_no_difference():
    """Scores of one output that were summed in another order differ in their last digit."""
    scores = np.linspace(25, 35, 12)
    found = compare(scores + 1e-13, scores)
    assert (found.ties, found.p_value, found.effect, found.verdict) == (12, 1.0, 0.0, "tied")
    balanced = compare([30.3, 30.1] * 6, [30.1, 30.3] * 6)
    assert (balanced.p_value, balanced.effect) == (1.0, 0.0)
    within = compare([0.3, 0.1, 0.5] * 6, [0.1, 0.2, 0.6] * 6, np.repeat(range(6), 3))
    assert within.p_value == 1.0  # 0.2 - 0.1 - 0.1 in every scene


def test_ranks_decide_where_only_one_picture_has_a_finite_difference():
    exact = compare([math.inf] * 9 + [31.0], [30.0] * 10)
    assert (math.isnan(exact.low), exact.p_value, exact.verdict) == (True, 2 / 2**10, "better")
    assert compare([30.0] * 10, [math.inf] * 9 + [31.0]).verdict == "worse"
    assert compare([math.inf] * 4 + [31.0], [30.0] * 5).verdict == "tied"
    lower = compare([math.inf] * 9 + [31.0], [30.0] * 10, higher_is_better=False)
    assert lower.verdict == "worse"


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
    with pytest.raises(ValueError, match="^no picture has a finite score of both methods$"):
        compare([math.inf], [30.0])
    with pytest.raises(ValueError, match="cannot be paired"):
        compare([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="3 clusters"):
        compare([1.0, 2.0], [1.0, 2.0], ["a", "b", "c"])


def test_few_pictures_come_with_a_word_of_caution():
    assert [bool(stats.caution(pictures)) for pictures in (0, 1, 9, 10, 400)] == [0, 1, 1, 0, 0]
    assert stats.caution(1).startswith("With only 1 picture,")
    assert stats.caution(2, 1).startswith("With only 1 scene (2 pictures),")
    assert stats.caution(8) == ("With only 8 pictures, these intervals understate the uncertainty.")
    for pairs in (2, 5, 6):  # the least p of the test that compare() makes, when all agree
        least = compare([1.0 + i for i in range(pairs)], [0.5] * pairs).p_value
        assert (f"below {least:.3g}." in stats.caution(pairs)) == (least > 0.05)


def test_few_clusters_are_counted_as_scipy_counts_them():
    rng = np.random.default_rng(1)
    for size in (1, 4, 7, 9):
        ours = rng.integers(-4, 6, size).astype(float)  # ties, and differences of zero
        moved = ours[ours != 0]
        wanted = 1.0
        if moved.size > 1:
            wanted = scipy.stats.wilcoxon(moved, method=scipy.stats.PermutationMethod()).pvalue
        assert compare(ours, np.zeros(size)).p_value == pytest.approx(wanted)
