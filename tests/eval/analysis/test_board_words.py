"""Sentences above and below a leaderboard, from boards made by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from eval.analysis import leaderboards

ROW = {
    "ranked": True,
    "psnr_db": 30.0,
    "count": 20,
    "failed": 0,
    "unusable": 0,
    "identical": 0,
    "pictures": 20,
    "scenes": 20,
    "leader_difference_db": math.nan,
    "leader_low": math.nan,
    "leader_high": math.nan,
    "leader_p_holm": math.nan,
    "leader_verdict": "",
}


def board(*rows: dict) -> pd.DataFrame:
    named = [{"method": "abcdefg"[number]} for number in range(len(rows))]
    return pd.DataFrame([ROW | name | row for name, row in zip(named, rows, strict=True)])


def behind(difference: float, verdict: str, p: float = 0.01, **more) -> dict:
    return {
        "psnr_db": 30 + difference,
        "leader_difference_db": difference,
        "leader_low": difference - 0.5,
        "leader_high": difference + 0.25,
        "leader_p_holm": p,
        "leader_verdict": verdict,
    } | more


@pytest.mark.parametrize(
    ("verdict", "p", "words"),
    [
        ("worse", 0.0124, "p = 0.012: it is better."),
        ("worse", 0.00099, "p = less than 0.001: it is better."),
        ("worse", 0.001, "p = 0.001: it is better."),
        ("better", 0.5, "p = 0.500: the runner-up is better on the pictures that both have."),
        ("tied", 1.0, "p = 1.000: they are tied."),
        ("too few", 0.25, "p = 0.250: too few pictures to tell."),
    ],
)
def test_the_leader_is_told_from_the_runner_up(verdict, p, words):
    found = leaderboards.lead(board({}, behind(-1, verdict, p), behind(-3, "worse")))
    assert found == f"a leads by +1.00 dB (+0.75 to +1.50) before b, {words}"


def test_a_lead_without_an_interval_has_none():
    row = behind(-1, "too few", leader_low=math.nan, leader_high=math.nan)
    assert leaderboards.lead(board({}, row)).startswith("a leads by +1.00 dB before b, p =")


@pytest.mark.parametrize(
    ("first", "second", "verdict", "words"),
    [
        (0, 19, "better", "b are identical to the target on 19 more pictures than those of a"),
        (3, 2, "worse", "a are identical to the target on 1 more picture than those of b"),
    ],
)
def test_exact_results_decide_where_they_leave_no_interval(first, second, verdict, words):
    row = behind(-0.5, verdict, leader_low=math.nan, leader_high=math.nan, identical=second)
    found = leaderboards.lead(board({"identical": first}, row))
    assert found.startswith(f"a leads before b: the results of {words}, p = 0.010: ")
    assert " dB" not in found


def test_all_that_tie_with_the_leader_are_named():
    rows = [{}, behind(-0.1, "tied"), behind(-0.2, "tied"), behind(-9, "worse")]
    assert leaderboards.lead(board(*rows)).endswith("tied. Not told apart from it: b, c.")
    assert "Not told" not in leaderboards.lead(board(*rows[:2], rows[3]))


def test_nobody_leads_alone_and_unranked_methods_do_not_count():
    unranked = behind(-1, "worse", ranked=False)
    assert leaderboards.lead(board({}, unranked)) == ""
    exact = {"psnr_db": math.inf}
    assert leaderboards.lead(board(exact, {})) == ""
    found = leaderboards.lead(board({"ranked": False}, {}, behind(-1, "worse")))
    assert found.startswith("b leads by +1.00 dB")


def test_an_empty_board_and_a_full_one_need_no_caution():
    assert leaderboards.caution(board()) == ""
    assert leaderboards.caution(board({}, {})) == ""


def test_a_caution_counts_what_is_compared():
    few = {"count": 4, "pictures": 4, "scenes": 4}
    assert leaderboards.caution(board(few)).startswith("With only 4 pictures, these intervals")
    scenes = leaderboards.caution(board(ROW | {"scenes": 3}))
    assert "only 3 scenes (20 pictures)" in scenes
    none = leaderboards.caution(board({"pictures": 0, "count": 4, "scenes": 0}))
    assert none.startswith("With only 4 pictures") and "Means are" not in none


@pytest.mark.parametrize("shared", [1, 19])
def test_a_caution_says_over_which_pictures_means_are(shared):
    words = leaderboards.caution(board({"pictures": shared, "scenes": 20}))
    assert words.endswith(
        f"Means are over the {shared} of 20 pictures on which every ranked method has a result "
        "that is not identical to its target."
    )
    assert "Means are" not in leaderboards.caution(board({"pictures": 20}))


def test_a_least_p_is_named_only_where_the_tests_are_over_the_same_pictures():
    """Two methods are tested on the pictures that both have, which may be more than all share."""
    same = {"pictures": 3, "count": 3, "scenes": 3}
    assert "p cannot be below 0.25" in leaderboards.caution(board(same))
    assert "p cannot" not in leaderboards.caution(board(same | {"count": 6}))


def test_a_caution_names_methods_that_failed_or_are_not_ranked():
    rows = [
        {"failed": 2},
        {"ranked": False, "count": 1, "failed": 1},
        {"ranked": False, "count": 0, "failed": 0},
        {"unusable": 1},
    ]
    assert leaderboards.caution(board(*rows)) == (
        "1 pair could not be read, and no method is scored on it. b has results on 1 picture and "
        "is not ranked. a failed on 2."
    )


def test_what_a_method_was_timed_with():
    row = {"device": "cpu", "threads": "1", "engine": "torch"}
    assert leaderboards.timed_with(row) == "cpu, 1 thread, torch"
    assert leaderboards.timed_with(row | {"threads": "2, 4"}) == "cpu, 2, 4 threads, torch"
    assert leaderboards.timed_with(dict.fromkeys(row, "")) == ""


@pytest.mark.parametrize(
    ("cost", "gain", "front"),
    [
        ([1, 2, 3], [1, 2, 3], [True, True, True]),
        ([1, 1, 2], [2, 1, 2], [True, False, False]),
        ([1, 1], [2, 2], [True, True]),
        ([np.nan, 1, 2], [9, np.nan, 1], [False, False, True]),
        ([np.inf, 1], [9, 1], [False, True]),
    ],
)
def test_the_front_is_what_nothing_beats(cost, gain, front):
    assert leaderboards.pareto_front(np.array(cost, float), np.array(gain, float)) == front
