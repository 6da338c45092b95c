"""Blind review: runs that can be tried, and trials."""

import pytest

from eval.analysis.pictures import Viewport
from eval.review.pictures import question_pictures
from eval.review.reviews import TRIAL_QUESTIONS, start_trial
from eval.review.trials import list_trials
from eval.review.votes import can_store, store_vote
from eval.runs.store import RunStore
from mirnet.errors import InvalidRequest
from tests.support.review_runs import with_pictures
from tests.support.runs_factory import method, write_run


def test_the_newest_run_of_each_benchmark_with_pictures_is_offered(stored):
    folder = stored.folder.parent
    newer = with_pictures(write_run(folder, id="20260102-120000-abcdef", thumbs=True))
    write_run(folder, id="20260103-120000-abcdef", benchmark__id="no-pictures")
    with_pictures(write_run(folder, id="20260104-120000-abcdef", status="running"))
    one = (method("ours"),)
    with_pictures(write_run(folder, id="20260105-120000-abcdef", methods=one))
    (only,) = [trial for trial in list_trials(RunStore(folder)) if not trial.recorded]
    assert only.run.id == newer.id and only.thumbnail is not None


def test_recorded_runs_can_be_tried_and_take_no_votes(tmp_path):
    store = RunStore(tmp_path / "none")
    trials = list_trials(store)
    assert trials and all(trial.recorded and trial.thumbnail for trial in trials)
    assert len({trial.thumbnail for trial in trials}) == len(trials)
    for trial in trials:
        review = start_trial(store.run(trial.run.id))
        question = review.questions[0]
        assert question.degraded_sha256 and question.target_sha256
        pictures = question_pictures(review.stored, question, Viewport(), with_context=True)
        assert len(pictures) == 4
        assert not can_store(review.stored)
        with pytest.raises(InvalidRequest, match="takes no votes"):
            store_vote(review.stored, "anna", question, "a")


def test_a_trial_keeps_its_votes_to_itself(stored):
    before = sorted(stored.folder.rglob("*"))
    trial = start_trial(stored)
    assert len(trial.questions) == TRIAL_QUESTIONS and trial.first_open() == 0
    trial.vote(0, "a", "hm")
    trial.vote(0, "b")
    assert trial.first_open() == 1 and trial.votes()[0].outcome == "b"
    assert sorted(stored.folder.rglob("*")) == before
    others = {start_trial(stored).questions for _ in range(3)}
    assert len(others | {trial.questions}) > 1
