"""Blind review: the pictures of a question."""

import numpy as np
from PIL import Image

from eval.analysis.pictures import Viewport
from eval.review.pictures import question_pictures
from eval.review.questions import choose_questions
from tests.support.review_runs import NAMES, with_pictures
from tests.support.runs_factory import method, write_run


def test_pictures_are_shown_as_they_are_stored(stored):
    question = choose_questions(stored, "anna")[0]
    found = question_pictures(stored, question, Viewport())
    assert set(found) == {"a", "b"}
    with Image.open(stored.output(question.a_sha256)) as picture:
        assert (found["a"] == np.asarray(picture)).all()
    assert set(question_pictures(stored, question, Viewport(), with_context=True)) == {
        "a",
        "b",
        "input",
        "target",
    }


def test_cut_outs_show_the_same_part_of_both(tmp_path):
    run = write_run(tmp_path, pairs=1, methods=tuple(map(method, NAMES)))
    stored = with_pictures(run, 300, 400)
    question = choose_questions(stored, "anna")[0]
    corner = Viewport(1, across=1.0, down=0.0, width_px=100, height_px=100)
    found = question_pictures(stored, question, corner, with_context=True)
    for name, sha256 in (("a", question.a_sha256), ("b", question.b_sha256)):
        with Image.open(stored.output(sha256)) as picture:
            assert (found[name] == np.asarray(picture)[:100, 300:]).all()
    huge = question_pictures(stored, question, Viewport(1, width_px=10**9, height_px=10**9))
    assert huge["a"].shape == (300, 400, 3)


def test_a_small_input_is_enlarged_to_the_outputs(stored):
    question = choose_questions(stored, "anna")[0]
    path = stored.output(question.degraded_sha256)
    Image.fromarray(np.full((20, 30, 3), 9, np.uint8)).save(path)
    found = question_pictures(stored, question, Viewport(), with_context=True)
    assert found["input"].shape == found["a"].shape and (found["input"] == 9).all()
