"""Blind review: strengths and their intervals."""

import itertools
import json
import math

import numpy as np
import pytest

from eval.review import ranking as ranking_module
from eval.review.questions import choose_questions
from eval.review.ranking import MIN_CLUSTERS, fit_strengths, rank_methods
from eval.review.votes import Vote, store_vote
from tests.support.review_runs import NAMES, vote, vote_file, with_pictures
from tests.support.runs_factory import method, write_run


def simulated(truth: dict[str, float], reviewers: int, pictures_: int, seed: int) -> list[Vote]:
    """Votes of people who follow the model, with ties where methods are close."""
    rng = np.random.default_rng(seed)
    votes = []
    for r, p in itertools.product(range(reviewers), range(pictures_)):
        for a, b in itertools.combinations(truth, 2):
            if rng.random() < 0.5:
                a, b = b, a
            chance = 1 / (1 + math.exp(truth[b] - truth[a]))
            outcome = "tie" if rng.random() < 0.15 else "a" if rng.random() < chance else "b"
            votes.append(vote(a, b, outcome, f"p{p}", f"r{r}"))
    return votes


TRUTH = {"w": 1.5, "x": 0.5, "y": -0.5, "z": -1.5}


def strengths(votes: list[Vote], names: list[str]) -> dict[str, float]:
    frame, _ = fit_strengths(votes, names)
    return dict(zip(frame.method, frame.strength, strict=True))


def test_a_planted_order_is_found_and_inside_its_intervals():
    frame, resampled = fit_strengths(simulated(TRUTH, 6, 12, 0), list(TRUTH))
    assert list(frame.sort_values("strength", ascending=False).method) == list(TRUTH)
    assert resampled == ("pictures", "reviewers")
    assert (frame.low < frame.strength).all() and (frame.strength < frame.high).all()
    # Ties as half wins draw strengths together a little, so the truth is scaled to them.
    assert np.corrcoef(frame.strength, list(TRUTH.values()))[0, 1] > 0.97
    assert abs(frame.strength.sum()) < 1e-6


def test_names_and_sides_and_order_of_votes_do_not_matter():
    votes = simulated(TRUTH, 3, 5, 1)
    found = strengths(votes, list(TRUTH))
    other = dict(zip(TRUTH, ("q", "b", "zz", "a"), strict=True))
    swap = {"a": "b", "b": "a", "tie": "tie"}
    turned = [
        vote(other[v.b], other[v.a], swap[v.outcome], v.pair, v.reviewer) for v in reversed(votes)
    ]
    again = strengths(turned, sorted(other.values()))
    assert {other[name]: value for name, value in found.items()} == pytest.approx(again, abs=1e-5)


def test_equal_votes_give_equal_strengths():
    votes = [vote(a, b, o) for a, b in itertools.permutations("xyz", 2) for o in ("a", "b", "tie")]
    assert strengths(votes, list("xyz")) == pytest.approx(dict.fromkeys("xyz", 0.0), abs=1e-6)
    ties = [vote("x", "y", "tie")] * 4
    assert strengths(ties, list("xy")) == pytest.approx({"x": 0, "y": 0}, abs=1e-6)


def test_two_methods_have_the_log_odds_of_their_votes():
    """Seven wins, one loss and two ties of ten: 8 to 2, and a tenth for either at the start."""
    votes = [vote("x", "y", "a")] * 7 + [vote("x", "y", "b")] + [vote("y", "x", "tie")] * 2
    found = strengths(votes, ["x", "y"])
    assert found["x"] - found["y"] == pytest.approx(math.log(8.1 / 2.1), abs=1e-4)


def test_wins_ties_and_losses_are_counted():
    votes = [vote("x", "y", "a"), vote("x", "y", "b"), vote("y", "x", "b"), vote("x", "y", "tie")]
    frame, _ = fit_strengths(votes, ["x", "y", "unseen"])
    rows = frame.set_index("method")
    assert list(rows.loc["x", ["wins", "ties", "losses", "comparisons"]]) == [2, 1, 1, 4]
    assert list(rows.loc["y", ["wins", "ties", "losses", "comparisons"]]) == [1, 1, 2, 4]
    assert rows.comparisons["unseen"] == 0 and math.isnan(rows.strength["unseen"])


def test_a_method_that_always_loses_is_last_and_has_no_interval():
    votes = [v for v in simulated(TRUTH, 5, 5, 2) if "z" not in (v.a, v.b)]
    votes += [vote("z", "w", "b", f"p{n}", f"r{n}") for n in range(6)]
    frame, _ = fit_strengths(votes, list(TRUTH))
    rows = frame.set_index("method")
    assert rows.strength.idxmin() == "z" and math.isfinite(rows.strength["z"])
    assert math.isnan(rows.low["z"]) and math.isnan(rows.high["z"])
    assert rows.low[["w", "x", "y"]].notna().all()


@pytest.mark.parametrize(
    ("reviewers", "pictures_", "resampled"),
    [
        (MIN_CLUSTERS, MIN_CLUSTERS, ("pictures", "reviewers")),
        (1, MIN_CLUSTERS, ("pictures",)),
        (MIN_CLUSTERS, 1, ("reviewers",)),
        (2, 2, ()),
    ],
)
def test_intervals_resample_only_what_there_is_enough_of(reviewers, pictures_, resampled):
    frame, what = fit_strengths(simulated(TRUTH, reviewers, pictures_, 3), list(TRUTH))
    assert what == resampled
    assert frame.low.notna().any() == bool(resampled)


def test_votes_of_one_person_are_no_independent_witnesses(monkeypatch):
    """Everybody always repeats one answer: the interval must be as wide as eight votes make it."""
    many = [
        vote("x", "y", "a" if r < 5 else "b", f"p{p}", f"r{r}") for r in range(8) for p in range(10)
    ]
    clustered, _ = fit_strengths(many, ["x", "y"])
    alone = [vote("x", "y", v.outcome, f"p{n}", "one") for n, v in enumerate(many)]
    naive, _ = fit_strengths(alone, ["x", "y"])
    width = (clustered.high - clustered.low)[0], (naive.high - naive.low)[0]
    assert width[0] > 2 * width[1]


def test_the_ranking_stands_beside_the_scores_of_the_run(stored):
    for name in ("anna", "bert"):
        for question in choose_questions(stored, name):
            better = "a" if question.a == "ours" else "b" if question.b == "ours" else "tie"
            store_vote(stored, name, question, better)
    store_vote(stored, "carla", choose_questions(stored, "carla")[0], "skip")
    found = rank_methods(stored)
    assert list(found.table.method)[0] == "ours" and found.groups == (NAMES,)
    assert (found.votes, found.skipped, found.reviewers, found.pictures) == (48, 1, 2, 8)
    means = {summary.method: summary.scores["psnr_db"] for summary in stored.header().summary}
    assert dict(zip(found.table.method, found.table.psnr_db, strict=True)) == pytest.approx(means)
    document = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert document["methods"][0]["method"] == "ours" and document["methods"][0]["low"] is None
    assert "half a win" in found.words and "bootstrap over pictures" in found.words


def test_groups_that_no_vote_connects_are_told(tmp_path):
    names = ("identity", "clahe", "ours", "official")
    stored = with_pictures(write_run(tmp_path, methods=tuple(map(method, names))))
    for question in choose_questions(stored, "anna", 100, with_unchanged=True):
        if set(question.key[1:]) in ({"identity", "clahe"}, {"ours", "official"}):
            store_vote(stored, "anna", question, "tie")
    found = rank_methods(stored)
    assert set(found.groups) == {("identity", "clahe"), ("ours", "official")}
    assert "compare within them only" in found.words
    assert np.isfinite(found.table.strength).all()


def test_no_votes_are_no_ranking(stored):
    found = rank_methods(stored)
    assert found.words == "Nobody has voted yet." and found.table.strength.isna().all()
    assert all(row["strength"] is None for row in found.as_json()["methods"])


def test_votes_on_methods_the_run_does_not_have_are_left_out(stored):
    question = choose_questions(stored, "anna")[0]
    store_vote(stored, "anna", question, "a")
    path = vote_file(stored)
    foreign = vote("ours", "somebody", "b").model_dump_json()
    path.write_text(path.read_text() + foreign + "\n")
    assert rank_methods(stored).votes == 1


def test_the_same_seed_gives_the_same_interval(monkeypatch):
    monkeypatch.setattr(ranking_module, "RESAMPLES", 50)
    votes = simulated(TRUTH, 5, 5, 4)
    assert fit_strengths(votes, list(TRUTH), seed=1)[0].equals(
        fit_strengths(votes, list(TRUTH), seed=1)[0]
    )
    assert not fit_strengths(votes, list(TRUTH), seed=1)[0].equals(
        fit_strengths(votes, list(TRUTH), seed=2)[0]
    )
