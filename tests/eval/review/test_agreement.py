"""Blind review: agreement of reviewers with themselves and with each other."""

import pytest

from eval.review.agreement import measure_agreement
from eval.review.questions import choose_questions
from eval.review.ranking import rank_methods
from eval.review.votes import store_vote
from tests.support.review_runs import vote


def test_votes_of_nobody_say_nothing():
    found = measure_agreement([])
    assert (found.repeated, found.shared, found.alike, found.alpha) == (0, 0, None, None)
    assert found.words == ""


def test_exchanged_sides_count_as_the_same_answer():
    again = vote("clahe", "ours", "b").model_copy(update={"repeat": True})
    found = measure_agreement([vote("ours", "clahe", "a"), again])
    assert (found.repeated, found.consistent) == (1, 1)
    found = measure_agreement([vote("clahe", "ours", "a"), again])
    assert (found.repeated, found.consistent) == (1, 0)
    assert found.words == "Asked twice: 0 of 1 answered alike."


def test_agreement_is_counted_over_questions_that_two_answered():
    votes = [
        vote("ours", "clahe", outcome, pair, reviewer)
        for reviewer, outcomes in (("anna", "aab"), ("bert", "aaa"))
        for pair, outcome in zip(("p0", "p1", "p2"), outcomes, strict=True)
    ]
    votes += [vote("ours", "clahe", "a", "p3", "anna"), vote("ours", "clahe", "skip", "p3", "bert")]
    found = measure_agreement(votes)
    assert (found.shared, found.alike) == (3, pytest.approx(2 / 3))
    # By hand: 6 values, 5 of one kind; 1 of 3 units differs: 1 - (2/6) / (2*5*1/(6*5)) = 0.
    assert found.alpha == pytest.approx(0.0, abs=1e-9)
    assert "67 % of answers to 3 shared questions" in found.words


def test_full_agreement_has_alpha_one_and_one_kind_of_answer_has_none():
    def both(outcome, pair):
        return [vote("ours", "clahe", outcome, pair, name) for name in ("anna", "bert")]

    assert measure_agreement(both("a", "p0") + both("b", "p1")).alpha == 1
    found = measure_agreement(both("a", "p0") + both("a", "p1"))
    assert (found.alike, found.alpha) == (1, None) and "alpha" not in found.words


def test_a_repeated_question_counts_once_in_the_ranking(stored):
    asked = choose_questions(stored, "anna", 20)
    for question in asked:
        store_vote(stored, "anna", question, "a")
    ranking = rank_methods(stored)
    assert ranking.votes == 18 and ranking.agreement.repeated == 2
    assert "Asked twice: 0 of 2 answered alike." in ranking.words
    assert ranking.as_json()["agreement"]["consistent"] == 0
