"""Pictures worth a look, from scores made by hand."""

import numpy as np
import pandas as pd
import pytest

from eval.analysis.score_tables import best, disagreements, gains, other_metrics, worst

PSNR = {"a": [20, 21, 22, 23, 24, 25, 26], "b": [30, 21, 20, 24, np.inf, 25, 29]}
"""Scores of two methods; b gains 10, 0, -2, 1, no finite number, 0 and 3."""


@pytest.fixture
def scores() -> pd.DataFrame:
    rows = [
        {"pair": f"p{number}", "method": method, "psnr_db": float(value), "gmsd": 1 / (1 + value)}
        for number, both in enumerate(zip(*PSNR.values(), strict=True))
        for method, value in zip(PSNR, both, strict=True)
    ]
    frame = pd.DataFrame(rows)
    frame["method"] = pd.Categorical(frame.method, list(PSNR), ordered=True)
    return frame


def pairs(frame: pd.DataFrame) -> list[str]:
    assert list(frame.index) == list(range(len(frame))) and "index" not in frame
    return list(frame.pair)


def test_the_worst_and_the_best_five(scores):
    assert pairs(worst(scores, "a")) == ["p0", "p1", "p2", "p3", "p4"]
    assert pairs(best(scores, "a")) == ["p6", "p5", "p4", "p3", "p2"]
    assert pairs(worst(scores, "a", 2, "gmsd")) == ["p0", "p1"]
    assert pairs(best(scores, "a", 2, "gmsd")) == ["p6", "p5"]


def test_five_disagreements_of_any_sign_in_the_runs_order_where_equal(scores):
    assert pairs(disagreements(scores, "a", "b")) == ["p0", "p6", "p2", "p3", "p1"]
    assert pairs(disagreements(scores, "a", "b", 2)) == ["p0", "p6"]
    assert "p4" in pairs(disagreements(scores, "a", "b", metric="gmsd"))


def test_gains_and_losses_of_a_method_over_another(scores):
    found = gains(scores, "b", "a")
    assert pairs(found) == ["p0", "p6", "p3", "p1", "p5"]
    assert (found.method_a[0], found.method_b[0], found.difference[0]) == ("a", "b", 10)
    assert pairs(gains(scores, "b", "a", 2, largest=False)) == ["p2", "p1"]
    assert pairs(gains(scores, "a", "b", 1)) == ["p2"]
    assert pairs(gains(scores, "b", "a", 1, "gmsd")) == ["p4"]
    assert pairs(gains(scores, "b", "a", 1, "gmsd", largest=False)) == ["p2"]


def test_other_metrics_are_all_but_the_ranking_one():
    assert [metric.key for metric in other_metrics()] == ["ssim"]
