"""Means of rows that grow: the same as of all rows at once, and only new rows are read."""

import math

import numpy as np
import pytest

from eval.runs import live_runs
from eval.runs.common_pictures import common_pictures
from eval.runs.document import Run, SampleResult, SampleScore
from eval.runs.live_runs import GrowingFile, LiveRuns
from eval.runs.store import StoredRun
from eval.runs.summaries import RunningSummary, summarise_methods
from mirnet.errors import InvalidRequest
from tests.support.runs_factory import method, sha, write_run

METHODS = tuple(method(name) for name in ("identity", "clahe", "ours"))


def lines_of(stored: StoredRun) -> list[bytes]:
    return (stored.folder / "scores.jsonl").read_bytes().splitlines(keepends=True)


def random_row(rng: np.random.Generator, pair: int) -> SampleResult:
    """A row of any kind: scored, exact, without a target, failed, or of an unreadable pair."""
    kind = rng.choice(["scored"] * 6 + ["exact", "unscored", "failed", "unreadable"])
    psnr = math.inf if kind == "exact" else float(rng.normal(25, 3))
    score = SampleScore(psnr_db=psnr, ssim=float(rng.uniform()))
    has_score = kind in ("scored", "exact")
    return SampleResult(
        pair=f"p{pair}",
        method=METHODS[rng.integers(3)].id,
        scores={"rgb/1": score} if has_score else {},
        seconds=None if kind == "failed" else float(rng.uniform(0.1, 1)),
        megapixels=None if kind == "failed" else 0.25,
        degraded_sha256=None if kind == "unreadable" else sha("x"),
        error="no" if kind in ("failed", "unreadable") else None,
        cached=bool(rng.integers(2)),
    )


def means_by_definition(run: Run, rows: list[SampleResult]) -> dict[tuple[str, str], float]:
    """Means over the pictures of `CommonPictures`, computed from all rows at once."""
    scores = {
        key: {
            entry.id: {
                row.pair: row.scores["rgb/1"][key]
                for row in rows
                if row.method == entry.id and "rgb/1" in row.scores
            }
            for entry in run.methods
        }
        for key in ("psnr_db", "ssim")
    }
    common = common_pictures(scores["psnr_db"])
    return {
        (name, key): float(
            np.mean([own[name][pair] for pair in common.averaged(own)] or [math.nan])
        )
        for key, own in scores.items()
        for name in common.methods
    }


@pytest.mark.parametrize("seed", range(8))
def test_a_growing_run_has_the_means_of_all_its_rows_at_every_look(tmp_path, seed):
    rng = np.random.default_rng(seed)
    stored = write_run(tmp_path, pairs=20, methods=METHODS, rows=[])
    run, looks = stored.header(), LiveRuns()
    for _ in range(12):
        for _ in range(rng.integers(8)):
            stored.append(random_row(rng, int(rng.integers(20))))  # some are tried again
        found, latest = looks.look(stored, run)
        rows = stored.rows()
        whole = summarise_methods(run, rows)
        assert [line.count for line in found] == [line.count for line in whole]
        means = means_by_definition(run, rows)
        for line in found:
            assert line.failed == sum(
                row.method == line.method and row.error is not None and not row.unusable_pair
                for row in rows
            )
            for key, mean in line.scores.items():
                right = means.get((line.method, key), math.nan)
                assert mean == pytest.approx(right, nan_ok=True, rel=1e-12)
        assert (latest is None) == (not rows)


def test_many_rows_are_summed_once_though_the_ranked_methods_change_on_the_way(
    tmp_path, monkeypatch
):
    stored = write_run(tmp_path, pairs=300, methods=METHODS)
    run, rows = stored.header(), stored.rows()
    summed: list[str] = []
    sum_up = RunningSummary._sum_up
    monkeypatch.setattr(
        RunningSummary, "_sum_up", lambda self, pair: summed.append(pair) or sum_up(self, pair)
    )
    summary = RunningSummary(run)
    summary.add(sorted(rows, key=lambda row: row.method))  # method after method
    assert len(summed) == 300
    summary.add(rows[:600])  # pictures that were tried again
    assert len(summed) == 600
    assert summary.methods() == summarise_methods(run, rows)


def test_a_look_reads_new_rows_only(tmp_path, monkeypatch):
    stored = write_run(tmp_path, pairs=300, methods=METHODS)
    path, lines = stored.folder / "scores.jsonl", lines_of(stored)
    path.write_bytes(b"".join(lines[:600]))
    read: list[int] = []
    parsed = live_runs.parsed_row
    monkeypatch.setattr(
        live_runs,
        "parsed_row",
        lambda line, number, run: read.append(number) or parsed(line, number, run),
    )
    looks, run = LiveRuns(), stored.header()
    looks.look(stored, run)
    assert len(read) == 600
    with path.open("ab") as file:
        file.write(b"".join(lines[600:603]) + lines[603][:40])  # the fourth is being written
    read.clear()
    _, latest = looks.look(stored, run)
    assert read == [601, 602, 603] and (latest.pair, latest.method) == ("p0200", "ours")
    assert looks.count(stored) == 603
    looks.look(stored, run)  # another visitor
    assert len(read) == 3


def test_a_file_that_was_replaced_is_read_anew(tmp_path):
    path = tmp_path / "rows"
    growing = GrowingFile(path)
    assert growing.new_lines() == ([], False)
    path.write_bytes(b"a\nb\n")
    assert growing.new_lines() == ([b"a", b"b"], True)
    assert growing.new_lines() == ([], False) and growing.lines == 2
    path.write_bytes(b"c\n")
    assert growing.new_lines() == ([b"c"], True) and growing.lines == 1
    path.unlink()
    assert growing.new_lines() == ([], True) and growing.lines == 0


def test_a_damaged_row_is_named_by_its_line_at_every_look(tmp_path):
    stored = write_run(tmp_path, pairs=2, methods=METHODS)
    looks, run = LiveRuns(), stored.header()
    looks.look(stored, run)
    with (stored.folder / "scores.jsonl").open("ab") as file:
        file.write(b"{}\n")
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="Line 7 of scores.jsonl"):
            looks.look(stored, run)
