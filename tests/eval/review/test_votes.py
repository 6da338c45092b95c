"""Blind review: votes, their files and limits."""

import concurrent.futures
import datetime
import io
import shutil
from multiprocessing import get_context

import pytest

from eval.analysis.csv_tables import csv_text
from eval.review.questions import choose_questions
from eval.review.ranking import rank_methods
from eval.review.votes import (
    MAX_COMMENT,
    all_votes,
    can_store,
    store_vote,
    votes_of,
    votes_table,
)
from eval.runs.merging import merge_run
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest
from mirnet.files import append_line
from tests.support.review_runs import vote_file
from tests.support.runs_factory import lines


def test_a_later_vote_replaces_the_earlier_one_and_both_lines_stay(stored):
    question = choose_questions(stored, "anna")[0]
    store_vote(stored, "anna", question, "a", "hm")
    store_vote(stored, "anna", question, "b", "no, this one")
    assert [line["outcome"] for line in lines(vote_file(stored))] == ["a", "b"]
    (only,) = all_votes(stored)
    assert (only.outcome, only.comment, only.key) == ("b", "no, this one", question.key)


def test_a_clock_that_was_ahead_does_not_win_for_good(stored, tmp_path):
    question = choose_questions(stored, "anna")[0]
    before = store_vote(stored, "anna", question, "a")
    there = StoredRun(shutil.copytree(stored.folder, tmp_path / "there" / stored.id))
    for days, outcome in ((0.9, "b"), (400, "tie")):
        ahead = before.time + datetime.timedelta(days=days)
        vote = before.model_copy(update={"time": ahead, "outcome": outcome})
        append_line(vote_file(there), vote.model_dump_json().encode())
    assert merge_run(there.folder, stored)
    assert [vote.outcome for vote in all_votes(stored)] == ["b"]  # of 400 days ahead: damaged
    store_vote(stored, "anna", question, "skip")
    assert merge_run(stored.folder, there)
    assert [[vote.outcome for vote in all_votes(run)] for run in (stored, there)] == [["skip"]] * 2


def test_reviewers_are_kept_apart(stored):
    question = choose_questions(stored, "anna")[0]
    store_vote(stored, "anna", question, "a")
    store_vote(stored, "bert", question, "b")
    assert [v.outcome for v in votes_of(stored, "anna").values()] == ["a"]
    assert [v.outcome for v in votes_of(stored, "bert").values()] == ["b"]
    assert votes_of(stored, "carla") == {}
    assert {v.reviewer for v in all_votes(stored)} == {"anna", "bert"}


def test_a_torn_last_line_is_dropped_and_written_over(stored):
    asked = choose_questions(stored, "anna")
    store_vote(stored, "anna", asked[0], "a")
    path = vote_file(stored)
    with path.open("ab") as file:
        file.write(b'{"pair": "p00')
    assert len(votes_of(stored, "anna")) == 1
    store_vote(stored, "anna", asked[1], "b")
    assert [line["outcome"] for line in lines(path)] == ["a", "b"]


def test_a_damaged_line_is_named(stored):
    store_vote(stored, "anna", choose_questions(stored, "anna")[0], "a")
    path = vote_file(stored)
    path.write_bytes(b'{"pair": 3}\n' + path.read_bytes())
    with pytest.raises(InvalidRequest, match=f"Line 1 of votes/{path.name} .* remove that line"):
        all_votes(stored)


def test_comments_are_cut_and_cleaned(stored):
    question = choose_questions(stored, "anna")[0]
    made = store_vote(stored, "anna", question, "a", "x\n\x1b[31m\u202e" + "y" * 9000)
    assert len(made.comment) <= MAX_COMMENT and made.comment.isprintable()
    assert len(vote_file(stored).read_bytes().splitlines()) == 1


def test_an_unknown_answer_is_refused(stored):
    with pytest.raises(InvalidRequest, match="'both' is no answer"):
        store_vote(stored, "anna", choose_questions(stored, "anna")[0], "both")  # type: ignore[arg-type]
    assert all_votes(stored) == []


def test_a_store_that_cannot_be_written_to_says_so_in_one_sentence(stored):
    (stored.folder / "votes").write_text("a file where the folder should be")
    with pytest.raises(InvalidRequest, match="cannot be stored") as refused:
        store_vote(stored, "anna", choose_questions(stored, "anna")[0], "a")
    assert str(stored.folder.parent) not in str(refused.value)


def test_a_read_only_folder_is_seen_before_the_first_vote(stored, monkeypatch):
    assert can_store(stored)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert not can_store(stored)


def test_reading_votes_writes_nothing(stored):
    before = sorted(stored.folder.rglob("*"))
    votes_of(stored, "anna"), all_votes(stored), votes_table(stored), rank_methods(stored)
    assert sorted(stored.folder.rglob("*")) == before


def test_there_is_an_end_to_reviewers_and_votes(stored, monkeypatch):
    question = choose_questions(stored, "anna")[0]
    store_vote(stored, "anna", question, "a")
    monkeypatch.setattr("eval.review.votes.MAX_REVIEWERS", 1)
    with pytest.raises(InvalidRequest, match="1 reviewers"):
        store_vote(stored, "bert", question, "a")
    monkeypatch.setattr("eval.review.votes.MAX_BYTES", vote_file(stored).stat().st_size)
    with pytest.raises(InvalidRequest, match="so often"):
        store_vote(stored, "anna", question, "b")
    assert [v.outcome for v in all_votes(stored)] == ["a"]


def _vote_all(folder, name, outcome):
    stored = StoredRun(folder)
    for question in choose_questions(stored, name, 10):
        store_vote(stored, name, question, outcome)


def test_processes_take_turns(stored):
    with concurrent.futures.ProcessPoolExecutor(3, mp_context=get_context("fork")) as pool:
        jobs = [
            pool.submit(_vote_all, stored.folder, name, outcome)
            for name, outcome in (("anna", "a"), ("anna", "b"), ("bert", "tie"))
        ]
        for job in jobs:
            job.result()
    files = sorted((stored.folder / "votes").glob("*.jsonl"))
    assert sorted(len(lines(path)) for path in files) == [10, 20]
    assert len(all_votes(stored)) == 20


def test_the_export_tells_who_said_what_when(stored):
    asked = choose_questions(stored, "anna")
    store_vote(stored, "anna", asked[0], "b", "less noise")
    store_vote(stored, "anna", asked[1], "skip")
    rows = votes_table(stored).to_dict("records")
    assert [row["preferred"] for row in rows] == [asked[0].b, ""]
    assert rows[0]["run"] == stored.id and rows[0]["pair"] == asked[0].pair
    assert (rows[0]["method_a"], rows[0]["method_b"]) == (asked[0].a, asked[0].b)
    assert datetime.datetime.fromisoformat(rows[0]["time"]).tzinfo is not None
    import pandas as pd

    assert len(pd.read_csv(io.StringIO(csv_text(votes_table(stored))))) == 2


def test_the_export_of_no_votes_has_its_heads(stored):
    assert csv_text(votes_table(stored)).startswith("run,pair,method_a,method_b,outcome,")


def test_the_export_is_safe_in_a_spreadsheet(stored):
    store_vote(stored, "+1+cmd", choose_questions(stored, "+1+cmd")[0], "a", "=HYPERLINK(1)")
    text = csv_text(votes_table(stored))
    assert "'=HYPERLINK(1)" in text and ",=HYPERLINK" not in text
    assert "'+1+cmd" in text
