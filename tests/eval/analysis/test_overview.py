"""Methods by benchmarks: cells, standings, merged rows, and published numbers apart."""

import pytest

from eval.analysis.leaderboards import leaderboard
from eval.analysis.overview import GROUPS, Cell, Line, _rank, overview
from eval.analysis.table_cache import TableCache
from eval.runs.document import SampleResult
from eval.runs.store import StoredRun
from mirnet.metrics.registry import PSNR, SSIM, get_metric
from mirnet.tasks import TASKS
from tests.support.runs_factory import method, sha, write_run

OURS = method("ours")
BOTH = (method("identity"), OURS)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[StoredRun]:
    folder = tmp_path_factory.mktemp("runs")
    return [
        write_run(folder, pairs=12, methods=BOTH, task="lowlight"),
        write_run(folder, pairs=12, methods=(method("clahe"), OURS), task="lowlight",
                  id="20260102-120000-abcdef", seed=1),
        write_run(folder, pairs=3, methods=BOTH, task="lowlight", id="20260103-120000-abcdef"),
        write_run(folder, pairs=3, methods=BOTH, task="denoise", id="20260104-120000-abcdef"),
    ]  # fmt: skip


def test_every_task_is_in_one_table():
    assert sorted(task for _, tasks in GROUPS.values() for task in tasks) == sorted(TASKS)


def test_cells_are_the_means_of_each_runs_board_and_empty_where_nothing_was_run(runs):
    found = overview(TableCache(), runs, "lowlight", PSNR)
    assert [column.run.id for column in found.columns] == [run.id for run in runs[:3]]
    by_id = {line.ids[0]: line for line in found.lines}
    assert set(by_id) == {"identity", "ours", "clahe"}
    assert by_id["clahe"].cells[0] is None and by_id["identity"].cells[1] is None
    for place, stored in enumerate(runs[:2]):
        board = leaderboard(stored, None).set_index("method")
        cell = by_id["ours"].cells[place]
        expected = board.loc["ours", ["psnr_db", "psnr_low", "psnr_high"]]
        assert [cell.mean, cell.low, cell.high] == pytest.approx(list(expected))


def test_own_weights_come_first_and_the_input_last(runs):
    lines = overview(TableCache(), runs, "lowlight", SSIM).lines
    assert [line.ids[0] for line in lines] == ["ours", "clahe", "identity"]
    assert [line.is_own for line in lines] == [True, False, False]


def test_the_best_stands_out_a_clear_loser_is_behind_and_few_pictures_rank_nobody(runs):
    found = overview(TableCache(), runs, "lowlight", PSNR)
    standings = {line.ids[0]: [c and c.standing for c in line.cells] for line in found.lines}
    assert standings["ours"] == ["best", "best", "unranked"]
    assert standings["identity"] == ["behind", None, "unranked"]


def test_methods_that_no_test_tells_apart_are_tied(tmp_path):
    equal = (method("one"), method("two"))
    stored = write_run(tmp_path, pairs=12, methods=equal, task="retouch", seed=2)
    (first, second) = overview(TableCache(), [stored], "retouch", PSNR).lines
    assert {first.cells[0].standing, second.cells[0].standing} == {"best", "tied"}


def test_an_easy_benchmark_puts_no_method_first(tmp_path):
    """c has the highest mean of its cells, of the first benchmark alone, where b is better."""
    easy, hard = {"a": 40.0, "b": 42.0, "c": 41.0}, {"a": 19.0, "b": 20.0}
    runs = []
    for day, scores in enumerate((easy, hard), 1):
        rows = [
            SampleResult(pair=f"p000{n}", method=name, scores={"rgb/1": {"psnr_db": score + n}},
                         degraded_sha256=sha(f"p000{n}"))
            for name, score in scores.items() for n in range(3)
        ]  # fmt: skip
        runs.append(write_run(tmp_path, pairs=3, methods=tuple(map(method, scores)), rows=rows,
                              task="lowlight", protocols=["rgb/1"],
                              id=f"2026010{day}-120000-abcdef"))  # fmt: skip
    lines = overview(TableCache(), runs, "lowlight", PSNR).lines
    assert [line.ids[0] for line in lines] == ["b", "c", "a"]
    flip = get_metric("flip")
    assert flip.higher_is_better is False
    cells = [Cell(mean, 0.0, 1.0, "tied", "x") for mean in (0.1, 0.2)]
    for first, second in (((cells[0],), (cells[1],)), ((cells[1],), (None,))):
        one, two = (Line("", ("x",), False, None, each) for each in (first, second))
        assert _rank(one, flip, [0.1]) < _rank(two, flip, [0.1])


def test_weights_of_several_scales_share_a_row(tmp_path):
    runs = [
        write_run(tmp_path, methods=(method(f"sr-x{scale}-compact", title="Ours, for all"),),
                  task=f"sr-x{scale}", id=f"2026010{scale}-120000-abcdef")
        for scale in (2, 4)
    ]  # fmt: skip
    (line,) = overview(TableCache(), runs, "enlarge", PSNR).lines
    assert line.ids == ("sr-x2-compact", "sr-x4-compact") and None not in line.cells


def test_published_numbers_are_listed_apart(runs):
    found = overview(TableCache(), runs, "lowlight", PSNR)
    assert [row.method for row in found.published] == ["MIRNet", "MIRNet-v2"]
    assert found.published[0].numbers == ("LoL-v1 24.14",)
    assert not {row.method for row in found.published} & {line.title for line in found.lines}
