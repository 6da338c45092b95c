"""Blind review: names of reviewers."""

import pytest

from eval.review.questions import choose_questions
from eval.review.reviewers import clean_reviewer
from eval.review.votes import store_vote, votes_of
from mirnet.errors import InvalidRequest
from tests.support.review_runs import vote_file
from tests.support.runs_factory import lines


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a" * 5000, "..\\x\x00y", "<b>x</b>", "é😀\u202e1"]
)
def test_a_name_never_leaves_the_folder(stored, name):
    store_vote(stored, name, choose_questions(stored, name)[0], "a")
    path = vote_file(stored)
    assert path.parent == stored.folder / "votes"
    assert len(path.stem) == 32 and set(path.stem) <= set("0123456789abcdef")
    assert len(lines(path)[0]["reviewer"]) <= 80
    assert len(votes_of(stored, name)) == 1


@pytest.mark.parametrize("name", ["", "  ", "..", "<>", "\x00"])
def test_a_name_needs_a_letter(stored, name):
    with pytest.raises(InvalidRequest, match="name"):
        choose_questions(stored, name)


def test_markup_in_a_name_is_replaced():
    assert clean_reviewer("<b>x</b>") == "_b_x_b_"
