"""How often metrics agree with votes: simulated votes whose right value is known."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from eval.review import metric_agreement as module
from eval.review.metric_agreement import (
    COLUMNS,
    MIN_VOTES,
    agreement_words,
    metric_agreement,
    verdict_of,
)
from eval.runs.store import StoredRun
from mirnet.metrics.registry import get_metric
from tests.support.review_runs import vote

PSNR, FLIP = get_metric("psnr_db"), get_metric("flip")


def measured(votes, values, metric=PSNR, seed=0):
    """Columns of one metric, each picture a scene of its own."""
    compared = list(module._compared(votes, values, metric))
    return module._measured(compared, [vote.pair for vote, _ in compared], seed)


def test_shares_are_counted_in_the_direction_of_the_metric():
    values = {("p0", "x"): 30.0, ("p0", "y"): 20.0, ("p0", "z"): 20.0}
    votes = [
        vote("x", "y", "a"),  # agrees where higher is better
        vote("y", "x", "a"),  # disagrees
        vote("y", "x", "b"),  # agrees
        vote("y", "z", "a"),  # equal scores
        vote("x", "z", "tie"),  # no preference
        vote("x", "gone", "a"),  # no score
    ]
    found = measured(votes, values)
    assert (found["votes"], found["agree"], found["equal"], found["ties"]) == (4, 2, 1, 1)
    assert found["share"] == (2 + 0.5) / 4
    assert measured(votes, values, FLIP)["share"] == (1 + 0.5) / 4


def test_identical_results_are_better_than_any_and_equal_to_each_other():
    values = {("p0", "x"): math.inf, ("p0", "y"): 20.0, ("p0", "z"): math.inf}
    votes = [vote("x", "y", "a"), vote("x", "z", "a")]
    found = measured(votes, values)
    assert (found["agree"], found["equal"], found["share"]) == (1, 1, 0.75)


def test_correlations_do_not_depend_on_which_side_a_method_was_shown():
    rng = np.random.default_rng(0)
    names = [f"m{n}" for n in range(6)]
    values = {("p0", name): float(rng.normal()) for name in names}
    turn = {"a": "b", "b": "a", "tie": "tie"}
    votes = [
        vote(a, b, str(rng.choice(["a", "b", "tie"], p=[0.6, 0.3, 0.1])))
        for a, b in itertools.combinations(names, 2)
    ]
    turned = [vote(v.b, v.a, turn[v.outcome], v.pair, v.reviewer) for v in votes]
    found, again = measured(votes, values), measured(turned, values)
    for column in ("share", "kendall", "spearman"):
        assert found[column] == pytest.approx(again[column])
    # Reviewers who always prefer the higher score: full agreement, and ranks as far as signs go.
    perfect = [vote(a, b, "a" if values["p0", a] > values["p0", b] else "b")
               for a, b in itertools.combinations(names, 2)]  # fmt: skip
    best = measured(perfect, values)
    assert best["share"] == 1
    signs = [1 if v.outcome == "a" else -1 for v in perfect]
    gains = [values["p0", v.a] - values["p0", v.b] for v in perfect]
    both = pd.DataFrame({"x": [*gains, *(-g for g in gains)], "y": [*signs, *(-s for s in signs)]})
    assert best["kendall"] == pytest.approx(both.corr("kendall").iloc[0, 1])
    assert best["spearman"] == pytest.approx(both.corr("spearman").iloc[0, 1])


def simulated(chance, scenes, reviewers, rng, spread=0.0):
    """Votes that share the metric's preference with a known chance, which varies by scene."""
    votes, values = [], {}
    for p in range(scenes):
        own = float(np.clip(chance + spread * rng.choice([-1, 1]), 0, 1))
        values |= {(f"p{p}", "x"): 30.0, (f"p{p}", "y"): 29.0}
        for r in range(reviewers):
            votes.append(vote("x", "y", "a" if rng.random() < own else "b", f"p{p}", f"r{r}"))
    return votes, values


@pytest.mark.parametrize("spread", [0.0, 0.25])
def test_intervals_cover_the_known_share(spread):
    rng = np.random.default_rng(1)
    inside, width = 0, []
    for seed in range(80):
        found = measured(*simulated(0.7, 30, 8, rng, spread), seed=seed)
        inside += found["low"] <= 0.7 <= found["high"]
        width.append(found["high"] - found["low"])
    assert inside >= 72  # 95 % of 80 are 76; fewer than 72 have a chance of 3 %
    assert np.mean(width) < 0.4


def test_one_opinion_of_each_scene_is_no_evidence_of_many_votes():
    rng = np.random.default_rng(2)
    votes, values = [], {}
    for p in range(6):
        agreed = "a" if p < 4 else "b"
        values |= {(f"p{p}", "x"): 30.0, (f"p{p}", "y"): 29.0}
        votes += [vote("x", "y", agreed, f"p{p}", f"r{r}") for r in range(20)]
    found = measured(votes, values)
    assert found["share"] == pytest.approx(4 / 6) and found["low"] < 0.5
    assert found["verdict"] == "not told from chance"
    alone = [vote("x", "y", v.outcome, f"q{n}", "one") for n, v in enumerate(votes)]
    own = {(f"q{n}", m): s for n in range(120) for m, s in (("x", 30.0), ("y", 29.0))}
    assert measured(alone, own)["verdict"] == "above chance"
    assert measured(*simulated(0.1, 30, 8, rng))["verdict"] == "below chance"
    assert measured(*simulated(0.5, 30, 8, rng))["verdict"] == "not told from chance"


def test_few_votes_or_scenes_have_no_verdict():
    good = {"votes": MIN_VOTES, "scenes": 5, "low": 0.9, "high": 1.0}
    assert verdict_of(good) == "above chance"
    assert verdict_of(good | {"votes": MIN_VOTES - 1}) == "too few"
    assert verdict_of(good | {"scenes": 4}) == "too few"
    unbounded = measured(*simulated(1.0, 2, 3, np.random.default_rng(0)))
    assert math.isnan(unbounded["low"]) and unbounded["verdict"] == "too few"


def test_the_table_of_a_run(stored: StoredRun, monkeypatch):
    assert metric_agreement(stored).empty
    assert agreement_words(metric_agreement(stored)).startswith("No vote yet")
    scores = module.scores_frame(stored)
    psnr = {(row.pair, str(row.method)): row.psnr_db for row in scores.itertuples()}
    votes = []
    for pair in sorted(set(scores.pair)):
        for a, b in itertools.combinations(sorted({str(m) for m in scores.method}), 2):
            better = "a" if psnr[pair, a] > psnr[pair, b] else "b"
            votes += [vote(a, b, better, pair, f"r{r}") for r in range(2)]
    votes.append(votes[0].model_copy(update={"repeat": True, "outcome": "tie"}))
    votes.append(votes[0].model_copy(update={"outcome": "skip"}))
    monkeypatch.setattr(module, "all_votes", lambda run: votes)
    table = metric_agreement(stored)
    assert tuple(table.columns) == COLUMNS
    row = table[table.metric == "psnr_db"].iloc[0]
    assert row.votes == len(votes) - 2 and row.agree + row.equal == row.votes and row.ties == 0
    assert row.share == 1 - row.equal / 2 / row.votes
    assert (row.protocol, row.title, row.reviewers) == (stored.header().protocol, "PSNR", 2)
    assert list(table.share) == sorted(table.share, reverse=True)
    assert "not corrected for their number" in agreement_words(table)
