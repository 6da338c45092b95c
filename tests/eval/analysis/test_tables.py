"""From stored runs to tables, and the published numbers beside them."""

import math

import numpy as np
import pytest
from typer.testing import CliRunner

from eval.analysis import leaderboards, score_tables
from eval.analysis import statistics as stats
from eval.app.html.board import board_notes
from eval.cli.main import app
from eval.data.benchmarks import custom_benchmark, get_benchmark
from eval.reports.board_text import left_out_words
from eval.runs.document import SampleResult, SampleScore
from eval.runs.summaries import summarise_methods
from mirnet.errors import InvalidRequest
from tests.support.runs_factory import method, sha, write_run
from tests.support.score_rows import blocks_of, row


def by_method(frame, name: str) -> dict:
    return frame.set_index("method").loc[name].to_dict()


@pytest.fixture
def small(tmp_path):
    """Four pictures, one identical to its target, one failed."""
    rows = [
        row("p0001", "ours", 32.0, seconds=1.0, megapixels=0.5),
        row("p0000", "ours", 30.0, seconds=3.0, megapixels=0.5),
        row("p0000", "identity", 25.0, seconds=0.1, megapixels=0.5),
        row("p0001", "identity", 26.0, seconds=0.1, megapixels=0.5),
        row("p0002", "identity", math.inf),
        row("p0002", "ours", 40.0),
        row("p0003", "identity", 20.0),
        row("p0003", "ours", None, error="It is too dark."),
    ]
    methods = (method("identity"), method("ours"))
    return write_run(tmp_path, pairs=4, methods=methods, rows=rows, protocols=["rgb/1"])


def test_scores_stand_in_the_runs_order_whatever_order_they_were_made_in(small):
    frame = score_tables.scores_frame(small)
    assert frame.pair.tolist() == [f"p000{n}" for n in range(4) for _ in range(2)]
    assert frame.method.tolist() == ["identity", "ours"] * 4
    assert frame.s_per_mp[1] == 6.0
    assert math.isinf(frame.psnr_db[4]) and math.isnan(frame.psnr_db[7])
    assert frame.error[7] == "It is too dark." and frame.degraded_sha256[0] == sha("dp0000")


def test_what_is_left_out_is_said_in_sentences(small):
    board = leaderboards.leaderboard(small, "identity")
    page = str(board_notes(board, "identity"))
    sentences = (
        "1 result failed; its picture is left out.",
        "1 result equals its target, so its picture is left out of all mean PSNRs.",
    )
    shown = CliRunner().invoke(app, ["show", small.id, "--out", str(small.folder.parent)])
    assert shown.exit_code == 0, shown.output
    printed = " ".join(shown.output.split())
    for method_id, sentence in zip(("ours", "identity"), sentences, strict=True):
        assert sentence in page and f"{method_id}: {sentence}" in printed
    assert left_out_words(2, 2) == [
        "2 results failed; their pictures are left out.",
        "2 results equal their targets, so their pictures are left out of all mean PSNRs.",
    ]
    assert left_out_words(0, 0) == []


def test_the_leaderboard_counts_what_it_cannot_average(small):
    board = leaderboards.leaderboard(small, "identity")
    assert board.method.tolist() == ["ours", "identity"]
    ours, identity = by_method(board, "ours"), by_method(board, "identity")
    assert (ours["count"], ours["failed"], identity["count"], identity["identical"]) == (3, 1, 4, 1)
    # Only the first two pictures have a finite PSNR of both: every mean is over those.
    assert (ours["psnr_db"], identity["psnr_db"], ours["pictures"]) == (31.0, 25.5, 2)
    assert ours["psnr_low"] <= 31 <= ours["psnr_high"] and ours["psnr_median"] == 31
    assert (ours["difference_db"], ours["verdict"], ours["tied"]) == (5.5, "too few", False)
    assert ours["win_rate"] == pytest.approx(2 / 3)  # the input was exact on the third
    assert ours["s_per_mp"] == 4.0 and ours["parameters"] == 5_858_560
    assert math.isnan(identity["difference_db"]) and identity["protocol"] == "rgb/1"
    assert ours["pareto"] and identity["pareto"]


def test_paired_numbers_are_those_of_eval_stats(tmp_path):
    stored = write_run(tmp_path, pairs=30)
    scores = score_tables.scores_frame(stored)
    board = leaderboards.leaderboard(stored, "ours", scores=scores)
    a, b = (scores[scores.method == name].psnr_db for name in ("official", "ours"))
    paired, found = stats.compare(a, b), by_method(board, "official")
    assert (found["difference_db"], found["p_value"]) == (paired.difference, paired.p_value)
    assert (found["effect"], found["verdict"]) == (paired.effect, paired.verdict)


def test_a_method_that_fails_on_hard_pictures_does_not_win(tmp_path):
    """On every picture that both have, "ours" is better; the other has only the easy ones."""
    rows = [row(f"p000{n}", "ours", psnr) for n, psnr in enumerate([20.0, 21.0, 35.0, 36.0])]
    rows += [row(f"p000{n}", "official", None, error="no memory") for n in (0,)]
    rows += [row(f"p000{n}", "official", psnr) for n, psnr in ((1, 20.0), (2, 34.5), (3, 35.5))]
    rows += [row(f"p000{n}", "clahe", 99.0 if n else None) for n in range(2)]
    rows += [row(f"p000{n}", "identity", 10.0) for n in range(4)]
    methods = tuple(method(name) for name in ("identity", "ours", "official", "clahe"))
    stored = write_run(tmp_path, pairs=4, methods=methods, rows=rows, protocols=["rgb/1"])
    board = leaderboards.leaderboard(stored, "identity")
    assert board.method.tolist() == ["ours", "official", "identity", "clahe"]
    assert board.psnr_db.tolist()[:3] == [pytest.approx(92 / 3), 30.0, 10.0]
    assert board.ranked.tolist() == [True, True, True, False] and set(board.pictures) == {3}
    assert board["count"].tolist() == [4, 3, 4, 1] and math.isnan(board.psnr_db[3])
    words = leaderboards.caution(board)
    assert "over the 3 of 4 pictures" in words and "official failed on 1." in words
    assert "clahe has results on 1 picture and is not ranked" in words
    summary = summarise_methods(stored.header(), rows)
    assert [line.scores["psnr_db"] for line in summary[:3]] == [10.0, pytest.approx(92 / 3), 30.0]
    header = stored.header().model_copy(update={"summary": summary})
    assert score_tables.leader(header) == "ours"


def test_an_exact_result_leaves_the_means_of_all_methods(tmp_path):
    """Else the method that was exact on a hard picture would lose that picture from its mean."""
    rows = [row(f"p000{n}", "ours", psnr) for n, psnr in enumerate([40.0, 30.0, math.inf])]
    rows += [row(f"p000{n}", "clahe", psnr) for n, psnr in enumerate([41.0, 31.0, 10.0])]
    methods = (method("ours"), method("clahe"))
    stored = write_run(tmp_path, pairs=3, methods=methods, rows=rows, protocols=["rgb/1"])
    board = leaderboards.leaderboard(stored, None)
    assert board.psnr_db.tolist() == [36.0, 35.0] and board.method.tolist() == ["clahe", "ours"]
    assert board.identical.tolist() == [0, 1] and set(board.pictures) == {2}
    assert board.ssim.tolist() == [0.5, 0.5]  # over all three


def test_a_board_without_a_mean_says_why(tmp_path):
    rows = [row(f"p000{n}", "ours", math.inf) for n in range(3)]
    rows += [row(f"p000{n}", "clahe", 30.0 + n) for n in range(3)]
    methods = (method("ours"), method("clahe"))
    stored = write_run(tmp_path, pairs=3, methods=methods, rows=rows, protocols=["rgb/1"])
    board = leaderboards.leaderboard(stored, None)
    assert board.method.tolist() == ["ours", "clahe"]  # the exact one first
    assert board.psnr_db.isna().all()
    assert "There is no mean PSNR: on every picture" in leaderboards.caution(board)
    some = write_run(
        tmp_path / "some", pairs=3, methods=methods, rows=rows[1:], protocols=["rgb/1"]
    )
    assert "no mean PSNR" in leaderboards.caution(leaderboards.leaderboard(some, None))
    fine = write_run(tmp_path / "fine", pairs=3, methods=methods, protocols=["rgb/1"])
    assert "no mean PSNR" not in leaderboards.caution(leaderboards.leaderboard(fine, None))


def test_a_dominated_method_is_off_the_front(tmp_path):
    rows = [
        row("p0000", name, psnr, seconds=seconds, megapixels=1.0)
        for name, psnr, seconds in (("identity", 20, 1), ("clahe", 19, 2), ("ours", 30, 3))
    ]
    methods = tuple(method(name) for name in ("identity", "clahe", "ours"))
    stored = write_run(tmp_path, pairs=1, methods=methods, rows=rows)
    front = leaderboards.leaderboard(stored, None).set_index("method").pareto
    assert front.to_dict() == {"ours": True, "identity": True, "clahe": False}


def test_a_run_without_scores_gives_empty_tables(tmp_path):
    stored = write_run(tmp_path, pairs=2, rows=[])
    scores = score_tables.scores_frame(stored)
    assert scores.empty and "psnr_db" in scores
    board = leaderboards.leaderboard(stored, "identity")
    assert len(board) == 4 and board["count"].sum() == 0 and not board.pareto.any()
    assert score_tables.quartiles(scores).empty and score_tables.cumulative(scores).empty
    assert score_tables.worst(scores, "ours").empty and score_tables.input_quality(scores).empty


def test_a_board_has_the_numbers_of_its_protocol(tmp_path):
    stored = write_run(tmp_path, pairs=3)
    for protocol in stored.header().protocols:
        board = leaderboards.leaderboard(stored, "identity", protocol).set_index("method")
        for name in board.index:
            scores = [row.scores[protocol] for row in stored.rows() if row.method == name]
            assert board.psnr_db[name] == pytest.approx(np.mean([s["psnr_db"] for s in scores]))
            assert board.ssim[name] == pytest.approx(np.mean([s["ssim"] for s in scores]))


def test_protocols_are_found_with_and_without_version(tmp_path):
    stored = write_run(tmp_path)
    run = stored.header()
    assert score_tables.chosen_protocol(run) == "rgb/1"
    assert score_tables.chosen_protocol(run, "gt-mean") == "gt-mean/1"
    with pytest.raises(InvalidRequest, match="not scored under protocol 'y-sr'.*rgb/1, gt-mean/1"):
        score_tables.scores_frame(stored, "y-sr")
    with pytest.raises(InvalidRequest, match="no method 'nobody': choose one of identity"):
        leaderboards.leaderboard(stored, "nobody")


def test_worst_best_and_disagreements(small):
    assert score_tables.worst(small, "identity", 2).pair.tolist() == ["p0003", "p0000"]
    assert score_tables.best(small, "identity", 1).pair.tolist() == ["p0002"]
    assert score_tables.worst(small, "ours").pair.tolist() == ["p0000", "p0001", "p0002"]
    found = score_tables.disagreements(small, "identity", "ours", 5)
    assert found.pair.tolist() == ["p0001", "p0000"]
    assert found.difference.tolist() == [6.0, 5.0]
    with pytest.raises(InvalidRequest, match="no method 'clahe'"):
        score_tables.worst(small, "clahe")


def test_quartiles_and_shares_by_hand(tmp_path):
    rows = [row(f"p000{n}", "ours", psnr) for n, psnr in enumerate([20.0, 21.0, 21.0, 23.0, 60.0])]
    stored = write_run(tmp_path, pairs=5, methods=(method("ours"),), rows=rows)
    scores = score_tables.scores_frame(stored)
    box = score_tables.quartiles(scores).iloc[0]
    assert (box.q1, box["median"], box.q3, box.low, box.high) == (21, 21, 23, 20, 23)
    assert score_tables.cumulative(scores).share.tolist() == pytest.approx([100, 80, 80, 40, 20])


def test_input_quality_takes_the_untouched_input(tmp_path):
    stored = write_run(tmp_path, pairs=3)
    scores = score_tables.scores_frame(stored)
    joined = score_tables.input_quality(scores)
    assert set(joined.reference) == {"identity"} and len(joined) == 9
    first = joined.iloc[0]
    inputs = scores[(scores.method == "identity") & (scores.pair == first.pair)]
    assert first.input == inputs.psnr_db.item()


def test_default_baseline(tmp_path):
    header = write_run(tmp_path).header()
    assert score_tables.default_baseline(header) == "identity"
    learned = header.model_copy(update={"methods": [method("ours"), method("clahe")]})
    assert score_tables.default_baseline(learned) == "clahe"
    assert (
        score_tables.default_baseline(header.model_copy(update={"methods": [method("ours")]}))
        is None
    )


# ---------------------------------------------------------------- scenes, metrics, the leader


def board_of(folder, rows, names, **header):
    methods = tuple(method(name) for name in names)
    pairs = len({found.pair for found in rows})
    stored = write_run(folder, pairs, methods, rows=rows, protocols=["rgb/1"], **header)
    return leaderboards.leaderboard(stored, names[0])


def test_blocks_of_one_photograph_are_one_piece_of_evidence(tmp_path):
    rows, names = blocks_of(8, 0.5), ("identity", "ours")
    as_sidd = board_of(tmp_path / "a", rows, names, benchmark__id="sidd")
    as_lol = board_of(tmp_path / "b", rows, names)
    sidd, lol = by_method(as_sidd, "ours"), by_method(as_lol, "ours")
    assert (sidd["pictures"], sidd["scenes"], lol["scenes"]) == (128, 8, 128)
    assert sidd["psnr_db"] == lol["psnr_db"] and lol["verdict"] == "better"
    width, narrow = (row["difference_high"] - row["difference_low"] for row in (sidd, lol))
    assert width > 2 * narrow and sidd["p_value"] > 100 * lol["p_value"]
    assert "only 8 scenes (128 pictures)" in leaderboards.caution(as_sidd)
    few = board_of(tmp_path / "c", blocks_of(4, 3), names, benchmark__id="sidd")
    assert by_method(few, "ours")["verdict"] == "too few"


def test_a_persons_own_bursts_are_scenes_where_asked_for(tmp_path):
    source = custom_benchmark(
        str(tmp_path), "denoise", degraded="a/*", target="b/*", scenes="numbered"
    ).model_dump(mode="json")
    rows = blocks_of(8, 0.5)
    board = board_of(tmp_path, rows, ("identity", "ours"), benchmark__source=source)
    assert by_method(board, "ours")["scenes"] == 8
    subset = get_benchmark("cc15").model_dump(mode="json") | {"pairs": 8, "scenes": None}
    rows = [r.model_copy(update={"pair": f"d_{r.pair.replace('-', '_')}"}) for r in rows]
    part = board_of(
        tmp_path / "cc15", rows, ("identity", "ours"), benchmark__id="cc15",
        benchmark__source=subset,
    )  # fmt: skip
    assert by_method(part, "ours")["scenes"] == 8  # a part of a benchmark keeps its rule
    with pytest.raises(InvalidRequest, match="no rule of scenes 'burst': choose numbered"):
        custom_benchmark(str(tmp_path), "denoise", degraded="a/*", target="b/*", scenes="burst")


def test_every_metric_is_compared_in_its_own_right(tmp_path):
    """Better by PSNR on each picture, and worse by SSIM."""
    rows = [row(f"p{n:04d}", "identity", 20.0 + n) for n in range(8)]
    for n in range(8):
        score = SampleScore(psnr_db=20.5 + n, ssim=0.4 - n / 100)
        ours = row(f"p{n:04d}", "ours", None)
        rows.append(ours.model_copy(update={"scores": {"rgb/1": score}}))
    found = by_method(board_of(tmp_path, rows, ("identity", "ours")), "ours")
    assert (found["verdict"], found["ssim_verdict"]) == ("better", "worse")
    assert found["ssim_difference"] == pytest.approx(-0.135)
    assert found["ssim_difference_high"] < 0 and found["ssim_p_holm"] == 2 / 2**8


def test_p_is_corrected_for_the_methods_of_the_board(tmp_path):
    board = leaderboards.leaderboard(write_run(tmp_path, pairs=12), "identity")
    others = board[board.method != "identity"]
    expected = stats.holm(others.p_value.tolist())
    assert others.p_holm.tolist() == expected != others.p_value.tolist()


def test_the_leader_is_compared_with_the_runner_up(tmp_path):
    rng = np.random.default_rng(0)
    rows = []
    for n in range(20):
        base = rng.normal(20, 3)
        for name, gain in (("identity", 0), ("clahe", 2), ("ours", 5.0), ("official", 5.02)):
            rows.append(row(f"p{n:04d}", name, base + gain + rng.normal(0, 0.3)))
    names = ("identity", "clahe", "ours", "official")
    board = board_of(tmp_path, rows, names)
    first, second = board.method[0], board.method[1]
    assert {first, second} == {"ours", "official"}
    found = by_method(board, second)
    paired = stats.compare(
        [r.scores["rgb/1"]["psnr_db"] for r in rows if r.method == second],
        [r.scores["rgb/1"]["psnr_db"] for r in rows if r.method == first],
    )
    assert found["leader_difference_db"] == pytest.approx(paired.difference)
    assert (found["leader_verdict"], by_method(board, "clahe")["leader_verdict"]) == (
        "tied",
        "worse",
    )
    assert math.isnan(by_method(board, first)["leader_difference_db"])
    words = leaderboards.lead(board)
    assert words.startswith(f"{first} leads by +") and f"before {second}" in words
    assert words.endswith("they are tied.")
    alone = board_of(tmp_path / "alone", [r for r in rows if r.method == "ours"], ("ours",))
    assert leaderboards.lead(alone) == ""


def test_methods_without_a_time_or_a_score_are_on_no_front():
    times, means = np.array([1.0, 2.0, math.nan, 3.0]), np.array([math.nan, 30.0, 31.0, 30.0])
    assert leaderboards.pareto_front(times, means) == [False, True, False, False]


def test_a_pair_that_could_not_be_read_is_no_methods_failure(tmp_path):
    rows = [row(f"p{n:04d}", name, 20.0 + n) for n in range(6) for name in ("identity", "ours")]
    rows += [
        SampleResult(pair="p0006", method=name, error="cut off") for name in ("identity", "ours")
    ]
    board = board_of(tmp_path, rows, ("identity", "ours"))
    assert board.failed.tolist() == [0, 0] and board.unusable.tolist() == [1, 1]
    assert "1 pair could not be read" in leaderboards.caution(board)


def test_a_large_leaderboard_has_no_missing_numbers(tmp_path):
    board = leaderboards.leaderboard(write_run(tmp_path, pairs=200), "identity")
    numbers = board[board.method != "identity"][["psnr_low", "difference_low", "p_value"]]
    assert np.isfinite(numbers).all(axis=None)
