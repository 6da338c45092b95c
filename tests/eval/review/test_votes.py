"""Blind review: questions, votes and their ranking."""

import concurrent.futures
import datetime
import io
import itertools
import json
import math
from collections import Counter
from multiprocessing import get_context

import numpy as np
import pytest
from PIL import Image

from eval.review import ranking as ranking_module
from eval.review.ranking import MIN_CLUSTERS, rank, ranking
from eval.review.votes import (
    MAX_COMMENT,
    MAX_QUESTIONS,
    Look,
    Vote,
    all_votes,
    can_store,
    cast,
    clean_reviewer,
    export,
    open_review,
    pictures,
    questions,
    reviewer_link,
    table,
    votes_of,
)
from eval.runs.document import SampleResult
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest
from tests.support.review_runs import NAMES, vote, vote_file, with_pictures
from tests.support.runs_factory import lines, method, sha, write_run


@pytest.fixture
def stored(tmp_path) -> StoredRun:
    """Eight pictures of three methods."""
    return with_pictures(write_run(tmp_path / "runs", methods=tuple(map(method, NAMES))))


# ---------------------------------------------------------------- questions


def test_the_same_link_gives_the_same_questions_and_another_reviewer_others(stored):
    first = questions(stored, "Anna", limit=12)
    assert first == questions(StoredRun(stored.folder), "Anna", limit=12)
    assert first == questions(stored, " anna ", limit=12)
    assert first != questions(stored, "Bert", limit=12)


def test_questions_are_balanced_over_methods_and_pictures(stored):
    asked = questions(stored, "anna", limit=12)
    assert len({question.key for question in asked}) == 12
    assert set(Counter(question.key[1:] for question in asked).values()) == {4}
    assert set(Counter(question.pair for question in asked).values()) <= {1, 2}


def test_both_sides_and_orders_occur(stored):
    asked = [q for name in "abcdefgh" for q in questions(stored, name)]
    share = np.mean([question.a < question.b for question in asked])
    assert 0.35 < share < 0.65
    assert len({questions(stored, name)[0].key for name in "abcdefgh"}) > 3


def test_every_question_is_asked_once_where_there_are_few(stored):
    asked = questions(stored, "anna", limit=100)
    assert len(asked) == len({question.key for question in asked}) == 3 * 8


def test_sides_carry_their_own_pictures(stored):
    names = {(row.pair, row.method): row.output_sha256 for row in stored.rows()}
    for question in questions(stored, "anna"):
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
    (only,) = questions(stored, "anna")
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
        questions(write_run(tmp_path, **header), "anna")


@pytest.mark.parametrize("limit", [0, -1, MAX_QUESTIONS + 1])
def test_the_number_of_questions_has_limits(stored, limit):
    with pytest.raises(InvalidRequest, match="questions"):
        questions(stored, "anna", limit)


def test_a_review_goes_on_where_it_was_left(stored):
    review = open_review(stored, "anna", 5)
    assert review.place() == 0
    cast(stored, "anna", review.questions[0], "a")
    cast(stored, "anna", review.questions[1], "skip")
    assert open_review(stored, "ANNA", 5).place() == 2
    assert open_review(stored, "bert", 5).place() == 0
    for question in review.questions:
        cast(stored, "anna", question, "tie")
    assert review.place() == 5


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a" * 5000, "..\\x\x00y", "<b>x</b>", "é😀\u202e1"]
)
def test_a_name_never_leaves_the_folder(stored, name):
    cast(stored, name, questions(stored, name)[0], "a")
    path = vote_file(stored)
    assert path.parent == stored.folder / "votes"
    assert len(path.stem) == 32 and set(path.stem) <= set("0123456789abcdef")
    assert len(lines(path)[0]["reviewer"]) <= 80
    assert len(votes_of(stored, name)) == 1


@pytest.mark.parametrize("name", ["", "  ", "..", "<>", "\x00"])
def test_a_name_needs_a_letter(stored, name):
    with pytest.raises(InvalidRequest, match="name"):
        questions(stored, name)


def test_a_link_carries_run_and_reviewer():
    link = reviewer_link("20260101-120000-abcdef", "Anna & Söhne")
    assert link.startswith("?tab=review&run=20260101-120000-abcdef&reviewer=")
    assert not set(link) & set(" <>\"'") and link.count("&") == 2
    assert clean_reviewer("<b>x</b>") == "_b_x_b_"


# ---------------------------------------------------------------- votes


def test_a_later_vote_replaces_the_earlier_one_and_both_lines_stay(stored):
    question = questions(stored, "anna")[0]
    cast(stored, "anna", question, "a", "hm")
    cast(stored, "anna", question, "b", "no, this one")
    assert [line["outcome"] for line in lines(vote_file(stored))] == ["a", "b"]
    (only,) = all_votes(stored)
    assert (only.outcome, only.comment, only.key) == ("b", "no, this one", question.key)


def test_reviewers_are_kept_apart(stored):
    question = questions(stored, "anna")[0]
    cast(stored, "anna", question, "a")
    cast(stored, "bert", question, "b")
    assert [v.outcome for v in votes_of(stored, "anna").values()] == ["a"]
    assert [v.outcome for v in votes_of(stored, "bert").values()] == ["b"]
    assert votes_of(stored, "carla") == {}
    assert {v.reviewer for v in all_votes(stored)} == {"anna", "bert"}


def test_a_torn_last_line_is_dropped_and_written_over(stored):
    asked = questions(stored, "anna")
    cast(stored, "anna", asked[0], "a")
    path = vote_file(stored)
    with path.open("ab") as file:
        file.write(b'{"pair": "p00')
    assert len(votes_of(stored, "anna")) == 1
    cast(stored, "anna", asked[1], "b")
    assert [line["outcome"] for line in lines(path)] == ["a", "b"]


def test_a_damaged_line_is_named(stored):
    cast(stored, "anna", questions(stored, "anna")[0], "a")
    path = vote_file(stored)
    path.write_bytes(b'{"pair": 3}\n' + path.read_bytes())
    with pytest.raises(InvalidRequest, match=f"Line 1 of votes/{path.name} .* remove that line"):
        all_votes(stored)


def test_comments_are_cut_and_cleaned(stored):
    question = questions(stored, "anna")[0]
    made = cast(stored, "anna", question, "a", "x\n\x1b[31m\u202e" + "y" * 9000)
    assert len(made.comment) <= MAX_COMMENT and made.comment.isprintable()
    assert len(vote_file(stored).read_bytes().splitlines()) == 1


def test_an_unknown_answer_is_refused(stored):
    with pytest.raises(InvalidRequest, match="'both' is no answer"):
        cast(stored, "anna", questions(stored, "anna")[0], "both")  # type: ignore[arg-type]
    assert all_votes(stored) == []


def test_a_store_that_cannot_be_written_to_says_so_in_one_sentence(stored):
    (stored.folder / "votes").write_text("a file where the folder should be")
    with pytest.raises(InvalidRequest, match="cannot be stored") as refused:
        cast(stored, "anna", questions(stored, "anna")[0], "a")
    assert str(stored.folder.parent) not in str(refused.value)


def test_a_read_only_folder_is_seen_before_the_first_vote(stored, monkeypatch):
    assert can_store(stored)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert not can_store(stored)


def test_reading_votes_writes_nothing(stored):
    before = sorted(stored.folder.rglob("*"))
    votes_of(stored, "anna"), all_votes(stored), table(stored), ranking(stored)
    assert sorted(stored.folder.rglob("*")) == before


def test_there_is_an_end_to_reviewers_and_votes(stored, monkeypatch):
    question = questions(stored, "anna")[0]
    cast(stored, "anna", question, "a")
    monkeypatch.setattr("eval.review.votes.MAX_REVIEWERS", 1)
    with pytest.raises(InvalidRequest, match="1 reviewers"):
        cast(stored, "bert", question, "a")
    monkeypatch.setattr("eval.review.votes.MAX_BYTES", vote_file(stored).stat().st_size)
    with pytest.raises(InvalidRequest, match="so often"):
        cast(stored, "anna", question, "b")
    assert [v.outcome for v in all_votes(stored)] == ["a"]


def _vote_all(folder, name, outcome):
    stored = StoredRun(folder)
    for question in questions(stored, name, 10):
        cast(stored, name, question, outcome)


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


# ---------------------------------------------------------------- pictures


def test_pictures_are_shown_as_they_are_stored(stored):
    question = questions(stored, "anna")[0]
    found = pictures(stored, question, Look())
    assert set(found) == {"a", "b"}
    with Image.open(stored.output(question.a_sha256)) as picture:
        assert (found["a"] == np.asarray(picture)).all()
    assert set(pictures(stored, question, Look(context=True))) == {"a", "b", "input", "target"}


def test_cut_outs_show_the_same_part_of_both(tmp_path):
    run = write_run(tmp_path, pairs=1, methods=tuple(map(method, NAMES)))
    stored = with_pictures(run, 300, 400)
    question = questions(stored, "anna")[0]
    look = Look(close=True, context=True, across=1.0, down=0.0, room_px=100)
    found = pictures(stored, question, look)
    for name, sha256 in (("a", question.a_sha256), ("b", question.b_sha256)):
        with Image.open(stored.output(sha256)) as picture:
            assert (found[name] == np.asarray(picture)[:100, 300:]).all()
    huge = pictures(stored, question, Look(close=True, room_px=10**9))
    assert huge["a"].shape == (300, 400, 3)


def test_a_small_input_is_enlarged_to_the_outputs(stored):
    question = questions(stored, "anna")[0]
    path = stored.output(question.degraded_sha256)
    Image.fromarray(np.full((20, 30, 3), 9, np.uint8)).save(path)
    found = pictures(stored, question, Look(context=True))
    assert found["input"].shape == found["a"].shape and (found["input"] == 9).all()


# ---------------------------------------------------------------- export


def test_the_export_tells_who_said_what_when(stored):
    asked = questions(stored, "anna")
    cast(stored, "anna", asked[0], "b", "less noise")
    cast(stored, "anna", asked[1], "skip")
    rows = table(stored).to_dict("records")
    assert [row["preferred"] for row in rows] == [asked[0].b, ""]
    assert rows[0]["run"] == stored.id and rows[0]["pair"] == asked[0].pair
    assert (rows[0]["method_a"], rows[0]["method_b"]) == (asked[0].a, asked[0].b)
    assert datetime.datetime.fromisoformat(rows[0]["time"]).tzinfo is not None
    import pandas as pd

    assert len(pd.read_csv(io.BytesIO(export(stored)))) == 2


def test_the_export_of_no_votes_has_its_heads(stored):
    assert export(stored).decode().startswith("run,pair,method_a,method_b,outcome,")


def test_the_export_is_safe_in_a_spreadsheet(stored):
    cast(stored, "+1+cmd", questions(stored, "+1+cmd")[0], "a", "=HYPERLINK(1)")
    text = export(stored).decode()
    assert "'=HYPERLINK(1)" in text and ",=HYPERLINK" not in text
    assert "'+1+cmd" in text


# ---------------------------------------------------------------- ranking


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
    frame, _ = rank(votes, names)
    return dict(zip(frame.method, frame.strength, strict=True))


def test_a_planted_order_is_found_and_inside_its_intervals():
    frame, resampled = rank(simulated(TRUTH, 6, 12, 0), list(TRUTH))
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
    frame, _ = rank(votes, ["x", "y", "unseen"])
    rows = frame.set_index("method")
    assert list(rows.loc["x", ["wins", "ties", "losses", "comparisons"]]) == [2, 1, 1, 4]
    assert list(rows.loc["y", ["wins", "ties", "losses", "comparisons"]]) == [1, 1, 2, 4]
    assert rows.comparisons["unseen"] == 0 and math.isnan(rows.strength["unseen"])


def test_a_method_that_always_loses_is_last_and_has_no_interval():
    votes = [v for v in simulated(TRUTH, 5, 5, 2) if "z" not in (v.a, v.b)]
    votes += [vote("z", "w", "b", f"p{n}", f"r{n}") for n in range(6)]
    frame, _ = rank(votes, list(TRUTH))
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
    frame, what = rank(simulated(TRUTH, reviewers, pictures_, 3), list(TRUTH))
    assert what == resampled
    assert frame.low.notna().any() == bool(resampled)


def test_votes_of_one_person_are_no_independent_witnesses(monkeypatch):
    """Everybody always repeats one answer: the interval must be as wide as eight votes make it."""
    many = [
        vote("x", "y", "a" if r < 5 else "b", f"p{p}", f"r{r}") for r in range(8) for p in range(10)
    ]
    clustered, _ = rank(many, ["x", "y"])
    alone = [vote("x", "y", v.outcome, f"p{n}", "one") for n, v in enumerate(many)]
    naive, _ = rank(alone, ["x", "y"])
    width = (clustered.high - clustered.low)[0], (naive.high - naive.low)[0]
    assert width[0] > 2 * width[1]


def test_the_ranking_stands_beside_the_scores_of_the_run(stored):
    for name in ("anna", "bert"):
        for question in questions(stored, name):
            better = "a" if question.a == "ours" else "b" if question.b == "ours" else "tie"
            cast(stored, name, question, better)
    cast(stored, "carla", questions(stored, "carla")[0], "skip")
    found = ranking(stored)
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
    for question in questions(stored, "anna", 100):
        if set(question.key[1:]) in ({"identity", "clahe"}, {"ours", "official"}):
            cast(stored, "anna", question, "tie")
    found = ranking(stored)
    assert set(found.groups) == {("identity", "clahe"), ("ours", "official")}
    assert "compare within them only" in found.words
    assert np.isfinite(found.table.strength).all()


def test_no_votes_are_no_ranking(stored):
    found = ranking(stored)
    assert found.words == "Nobody has voted yet." and found.table.strength.isna().all()
    assert all(row["strength"] is None for row in found.as_json()["methods"])


def test_votes_on_methods_the_run_does_not_have_are_left_out(stored):
    question = questions(stored, "anna")[0]
    cast(stored, "anna", question, "a")
    path = vote_file(stored)
    foreign = vote("ours", "somebody", "b").model_dump_json()
    path.write_text(path.read_text() + foreign + "\n")
    assert ranking(stored).votes == 1


def test_the_same_seed_gives_the_same_interval(monkeypatch):
    monkeypatch.setattr(ranking_module, "RESAMPLES", 50)
    votes = simulated(TRUTH, 5, 5, 4)
    assert rank(votes, list(TRUTH), seed=1)[0].equals(rank(votes, list(TRUTH), seed=1)[0])
    assert not rank(votes, list(TRUTH), seed=1)[0].equals(rank(votes, list(TRUTH), seed=2)[0])
