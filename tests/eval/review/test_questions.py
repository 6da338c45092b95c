"""Blind review: which questions a reviewer is asked."""

from collections import Counter

import numpy as np
import pytest

from eval.review.questions import MAX_QUESTIONS, choose_questions
from eval.review.reviews import open_review
from eval.review.votes import store_vote
from eval.runs.document import SampleResult
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest
from tests.support.review_runs import with_pictures
from tests.support.runs_factory import method, sha, write_run


def test_the_same_link_gives_the_same_questions_and_another_reviewer_others(stored):
    first = choose_questions(stored, "Anna", limit=12)
    assert first == choose_questions(StoredRun(stored.folder), "Anna", limit=12)
    assert first == choose_questions(stored, " anna ", limit=12)
    assert first != choose_questions(stored, "Bert", limit=12)


def test_questions_are_balanced_over_methods_and_pictures(stored):
    asked = [q for q in choose_questions(stored, "anna", limit=13) if not q.repeat]
    assert len({question.key for question in asked}) == 12
    assert set(Counter(question.key[1:] for question in asked).values()) == {4}
    assert set(Counter(question.pair for question in asked).values()) <= {1, 2}


def test_every_tenth_question_comes_again_later_with_its_sides_exchanged(stored):
    asked = choose_questions(stored, "anna", limit=20)
    again = [(place, question) for place, question in enumerate(asked) if question.repeat]
    assert len(asked) == 20 and len(again) == 2
    for place, question in again:
        first = next(at for at, one in enumerate(asked) if one.key == question.key)
        assert place - first > 5 and not asked[first].repeat
        assert (asked[first].a, asked[first].a_sha256) == (question.b, question.b_sha256)


def test_a_third_of_the_questions_is_the_same_for_everybody(stored):
    keys = [{q.key for q in choose_questions(stored, name, 9)} for name in "abcdefgh"]
    assert len(set.intersection(*keys)) >= 3
    assert len(set(map(frozenset, keys))) > 4


def test_the_unchanged_input_takes_part_on_request_only(tmp_path):
    methods = tuple(method(name) for name in ("identity", "clahe", "ours"))
    stored = with_pictures(write_run(tmp_path, methods=methods))

    def asked(**choice):
        return {name for q in choose_questions(stored, "anna", **choice) for name in (q.a, q.b)}

    assert asked() == {"clahe", "ours"}
    assert asked(with_unchanged=True) == {"identity", "clahe", "ours"}


def test_both_sides_and_orders_occur(stored):
    asked = [q for name in "abcdefgh" for q in choose_questions(stored, name)]
    share = np.mean([question.a < question.b for question in asked])
    assert 0.35 < share < 0.65
    assert len({choose_questions(stored, name)[0].key for name in "abcdefgh"}) > 3


def test_every_question_is_asked_once_where_there_are_few(stored):
    asked = [q for q in choose_questions(stored, "anna", limit=100) if not q.repeat]
    assert len(asked) == len({question.key for question in asked}) == 3 * 8


def test_sides_carry_their_own_pictures(stored):
    names = {(row.pair, row.method): row.output_sha256 for row in stored.rows()}
    for question in choose_questions(stored, "anna"):
        assert question.a_sha256 == names[question.pair, question.a]
        assert question.b_sha256 == names[question.pair, question.b]


def test_failed_equal_and_missing_outputs_are_not_asked_about(tmp_path):
    common = {"degraded_sha256": sha("in"), "target_sha256": None}
    rows = [
        SampleResult(pair="p0000", method="identity", output_sha256=sha("same"), **common),
        SampleResult(pair="p0000", method="ours", output_sha256=sha("same"), **common),
        SampleResult(pair="p0001", method="identity", output_sha256=sha("1"), **common),
        SampleResult(pair="p0001", method="ours", error="out of memory", **common),
        SampleResult(pair="p0002", method="identity", output_sha256=sha("2"), **common),
        SampleResult(pair="p0002", method="ours", output_sha256=sha("3"), **common),
        SampleResult(pair="p0003", method="identity", output_sha256=sha("4"), **common),
        SampleResult(pair="p0003", method="ours", output_sha256=sha("5"), **common),
    ]
    methods = (method("identity"), method("ours"))
    stored = with_pictures(write_run(tmp_path, pairs=4, methods=methods, rows=rows))
    stored.output(sha("5")).unlink()
    (only,) = choose_questions(stored, "anna")
    assert only.pair == "p0002" and only.target_sha256 is None


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"status": "running"}, "has not ended"),
        ({"methods": (method("ours"),)}, "one method"),
        ({}, "nothing to review"),  # no pictures were stored
    ],
)
def test_a_run_that_cannot_be_reviewed_says_why(tmp_path, header, words):
    with pytest.raises(InvalidRequest, match=words):
        choose_questions(write_run(tmp_path, **header), "anna")


@pytest.mark.parametrize("limit", [0, -1, MAX_QUESTIONS + 1])
def test_the_number_of_questions_has_limits(stored, limit):
    with pytest.raises(InvalidRequest, match="questions"):
        choose_questions(stored, "anna", limit)


def test_a_review_goes_on_where_it_was_left(stored):
    review = open_review(stored, "anna", 5)
    assert review.first_open() == 0
    store_vote(stored, "anna", review.questions[0], "a")
    store_vote(stored, "anna", review.questions[1], "skip")
    assert open_review(stored, "ANNA", 5).first_open() == 2
    assert open_review(stored, "bert", 5).first_open() == 0
    for question in review.questions:
        store_vote(stored, "anna", question, "tie")
    assert review.first_open() == 5
