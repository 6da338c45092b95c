"""Runs against a baseline run: what is compared, over which pictures, and what is refused."""

import csv
import io
import math

import pytest

from eval.analysis.run_comparison import comparable_runs, compare_runs
from eval.analysis.run_plots import gains_of_runs
from eval.app.html.compare import comparison
from eval.reports.comparison_export import export_comparison
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest
from tests.support.runs_factory import method, sha, write_run
from tests.support.score_rows import blocks_of, row

FIRST, OTHER, THIRD = "20260101-120000-abcdef", "20260102-120000-abcdef", "20260103-120000-abcdef"


def by_psnr(found):
    return found.summary[found.summary.metric == "psnr_db"].set_index("method")


def test_what_differs_and_what_changed(tmp_path):
    a = write_run(tmp_path / "a", pairs=6)
    changed = (method("identity"), method("ours", weights_sha256=sha("new"), settings={"tile": 64}))
    b = write_run(tmp_path / "b", pairs=6, seed=1, methods=changed, id=OTHER)
    found = compare_runs([a, b])
    what = found.differences.set_index("what")
    assert what.loc["ours: weights", OTHER] == sha("new")
    assert what.loc["ours: settings"].tolist() == ['{"tile": 0}', '{"tile": 64}']
    assert what.loc["method clahe"].tolist() == ["there", "not there"]
    assert not [name for name in what.index if name.startswith("clahe:")]  # one line says it
    assert "python" not in what.index and "data fingerprint" not in what.index
    assert set(found.changes.method) == {"identity", "ours"} and len(found.changes) == 12
    steps = found.changes.psnr_change.abs()
    assert steps.is_monotonic_decreasing
    ours = by_psnr(found).loc["ours"]
    own = found.changes[found.changes.method == "ours"]
    assert ours.change == pytest.approx(own.psnr_change.mean()) and ours.pairs == 6
    assert ours.mean_b - ours.mean_a == pytest.approx(ours.change)
    assert ours.same_outputs == 6 and found.left_out == 0


def test_equal_runs_do_not_differ(tmp_path):
    a, b = write_run(tmp_path / "a"), write_run(tmp_path / "b", id=OTHER)
    found = compare_runs([a, b])
    assert found.differences.empty
    assert (found.changes.psnr_change == 0).all() and set(found.summary.verdict) == {"tied"}
    shown = comparison(found, "psnr_db")
    assert "only 8 pictures" in shown
    assert ">same<" in shown and ">tied<" not in shown and ">tie<" not in shown


def test_several_runs_are_compared_with_the_first_and_corrected_for_all(tmp_path):
    runs = [
        write_run(tmp_path, pairs=8, seed=seed, id=name)
        for seed, name in enumerate((FIRST, OTHER, THIRD))
    ]
    found = compare_runs(runs)
    assert found.baseline.id == FIRST and set(found.summary.run) == {OTHER, THIRD}
    assert list(found.differences.columns) == ["what", FIRST, OTHER, THIRD]
    part = found.summary[found.summary.metric == "psnr_db"]
    assert len(part) == 8  # two runs by four methods
    least = part.sort_values("p_value").iloc[0]
    assert least.p_holm == pytest.approx(min(8 * least.p_value, 1))
    again = compare_runs([runs[2], runs[0], runs[1]])
    turned = again.summary[(again.summary.run == FIRST) & (again.summary.metric == "psnr_db")]
    ours = part[part.run == THIRD].set_index("method").change
    assert turned.set_index("method").change.to_dict() == pytest.approx((-ours).to_dict())


def test_a_method_is_compared_on_the_pictures_that_all_runs_have(tmp_path):
    def rows(*pairs):
        return [row(pair, "ours", 30.0 + number) for number, pair in enumerate(pairs)]

    made = {FIRST: rows("p0", "p1", "p2"), OTHER: rows("p0", "p1", "p2"), THIRD: rows("p1")}
    found = compare_runs(
        [write_run(tmp_path, 3, (method("ours"),), rows=own, id=name) for name, own in made.items()]
    )
    assert set(found.changes.pair) == {"p1"}
    assert by_psnr(found).mean_a.tolist() == [31.0, 31.0]


def means_in_three_runs(folder, *scores):
    """Three runs of one method, each with its scores of the same pictures, compared."""
    return compare_runs(
        [
            write_run(
                folder,
                len(own),
                (method("ours"),),
                rows=[row(f"p{number}", "ours", score) for number, score in enumerate(own)],
                id=name,
            )
            for name, own in zip((FIRST, OTHER, THIRD), scores, strict=True)
        ]
    )


def test_means_are_over_the_pictures_that_are_finite_in_all_runs(tmp_path):
    found = means_in_three_runs(tmp_path, (25.0, 26.0), (25.5, math.inf), (26.0, 27.0))
    psnr = found.summary[found.summary.metric == "psnr_db"].set_index("run")
    assert psnr.pairs.tolist() == [1, 1] and psnr.matched.tolist() == [2, 2]
    assert psnr.mean_a.tolist() == [25.0, 25.0]
    assert psnr.change.to_dict() == {OTHER: 0.5, THIRD: 1.0}
    ssim = found.summary[found.summary.metric == "ssim"]
    assert ssim.pairs.tolist() == [2, 2]
    table = export_comparison(found, "latex").decode().splitlines()
    assert [line for line in table if line.endswith("\\\\")][1].endswith("& 25.00 \\\\")
    assert ">25.00</td>" in comparison(found, "psnr_db")


def test_a_picture_that_became_exact_counts_in_the_test_and_in_no_mean(tmp_path):
    rest = [30.0 + number for number in range(7)]
    better = [score + 0.1 for score in rest]
    with_exact = means_in_three_runs(
        tmp_path / "a", [*rest, 30.0], [*better, math.inf], [*better, 30.1]
    )
    psnr = with_exact.summary[with_exact.summary.metric == "psnr_db"].set_index("run")
    assert psnr.pairs.tolist() == [7, 7]
    assert psnr.p_value.tolist() == pytest.approx([2 / 2**8] * 2)
    assert psnr.change.tolist() == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize("without", [OTHER, THIRD])
def test_the_baseline_run_has_its_mean_where_another_run_lacks_the_metric(without, tmp_path):
    def rows(name):
        made = [row(f"p{number}", "ours", 30.0) for number in range(2)]
        only = {"rgb/1": {"psnr_db": 30.0}}
        return (
            [one.model_copy(update={"scores": only}) for one in made] if name == without else made
        )

    found = compare_runs(
        [
            write_run(tmp_path, 2, (method("ours"),), rows=rows(name), id=name)
            for name in (FIRST, OTHER, THIRD)
        ]
    )
    assert found.baseline_means("ssim") == {"ours": 0.5}
    latex = export_comparison(found, "latex", "ssim").decode()
    assert "& 0.5000 \\\\" in latex and "& -- \\\\" in latex
    assert ">0.5000</td>" in comparison(found, "ssim")


def test_a_metric_that_the_runs_lack_is_said_in_words(hostile):
    with pytest.raises(InvalidRequest, match="no FLIP in common: choose one of psnr_db, ssim"):
        export_comparison(hostile, "latex", "flip")
    page = comparison(hostile, "flip")
    assert "no FLIP in common" in page and '<th scope="row">first' not in page


def test_identical_pictures_in_both_runs_have_not_changed(tmp_path):
    rows = [row("p0000", "ours", math.inf), row("p0001", "ours", math.inf)]
    later = [row("p0000", "ours", math.inf), row("p0001", "ours", 40.0)]
    a, b = (
        write_run(tmp_path, pairs=2, methods=(method("ours"),), rows=made, id=name)
        for name, made in ((FIRST, rows), (OTHER, later))
    )
    changes = compare_runs([a, b]).changes.set_index("pair").psnr_change
    assert changes["p0000"] == 0 and changes["p0001"] == -math.inf


def test_pictures_of_one_id_and_other_content_are_not_compared(tmp_path):
    same = [row("p0000", "ours", 30.0), row("p0001", "ours", 31.0)]
    other = [row("p0000", "ours", 30.0), row("p0001", "ours", 31.0, target_sha256=sha("other"))]
    a, b = (
        write_run(tmp_path, pairs=2, methods=(method("ours"),), rows=rows, id=name)
        for name, rows in ((FIRST, same), (OTHER, other))
    )
    found = compare_runs([a, b])
    assert found.changes.pair.tolist() == ["p0000"] and found.left_out == 1


def test_other_tasks_and_protocols_are_refused(tmp_path):
    a = write_run(tmp_path / "a")
    with pytest.raises(InvalidRequest, match="different tasks cannot be compared"):
        compare_runs([a, write_run(tmp_path / "b", task="denoise", id=OTHER)])
    other = write_run(tmp_path / "c", protocols=["matlab-rgb-3d/1"], id=OTHER)
    with pytest.raises(InvalidRequest, match="not under rgb/1.*different protocols"):
        compare_runs([a, other])
    newer = write_run(tmp_path / "d", protocols=["rgb/2"], id=OTHER)
    with pytest.raises(InvalidRequest, match="not under rgb/1"):
        compare_runs([a, newer])
    with pytest.raises(InvalidRequest, match="named twice"):
        compare_runs([a, a])
    with pytest.raises(InvalidRequest, match="name a second one"):
        compare_runs([a])


def test_only_runs_on_the_same_pictures_under_the_protocol_are_offered(tmp_path):
    run = write_run(tmp_path / "a").header()
    others = {
        name: write_run(tmp_path / name, id=OTHER, **changes).header()
        for name, changes in {
            "same": {},
            "task": {"task": "denoise"},
            "benchmark": {"benchmark__id": "fivek"},
            "pictures": {"data_sha256": sha("other data")},
            "protocol": {"protocols": ["gt-mean/1"]},
            "going": {"data_sha256": None},
            "going-elsewhere": {"data_sha256": None, "benchmark__seed": 1},
        }.items()
    }
    assert comparable_runs(run, others.values()) == [others["same"], others["going"]]
    under = comparable_runs(run, others.values(), "gt-mean/1")
    assert others["protocol"] in under and len(under) == 3
    assert comparable_runs(run, [run]) == []


def test_two_runs_are_compared_by_scenes_and_by_every_metric(tmp_path):
    names = ("ours", "identity")
    for place, gain in (("a", 0.0), ("b", 1.0)):
        rows = blocks_of(8, gain, names[::-1])
        write_run(
            tmp_path / place, 128, tuple(method(name) for name in names), rows=rows,
            protocols=["rgb/1"], benchmark__id="sidd", id=f"20260101-120000-{place * 6}",
        )  # fmt: skip
    stored = [StoredRun(next((tmp_path / place).glob("2026*"))) for place in "ab"]
    found = compare_runs(stored)
    summary = by_psnr(found)
    ssim = found.summary[found.summary.metric == "ssim"].set_index("method")
    assert summary.scenes.tolist() == [8, 8] and summary.pairs.tolist() == [128, 128]
    assert (summary.verdict["ours"], ssim.verdict["ours"]) == ("better", "tied")
    assert summary.p_holm["ours"] == 2 * summary.p_value["ours"]


# ---------------------------------------------------------------- pages and files


@pytest.fixture
def hostile(tmp_path):
    """Three runs, one of whose titles and methods are attacks."""
    attack = '=HYPERLINK("x")<script>alert(1)</script>%{x}&\\input{y}'
    methods = (method("identity"), method("<img onerror=1>"))
    return compare_runs(
        [
            write_run(tmp_path, methods=methods, seed=seed, id=name, title=title)
            for seed, (name, title) in enumerate(
                ((FIRST, "first"), (OTHER, attack), (THIRD, "third"))
            )
        ]
    )


def test_texts_from_outside_are_escaped_in_page_plot_and_files(hostile):
    page = comparison(hostile, "psnr_db")
    assert "<script" not in page and "<img onerror" not in page and "&lt;script" in page
    figure = gains_of_runs(hostile, "psnr_db").to_json()
    assert "<script" not in figure and "\\u003cscript" not in figure and "<img" not in figure
    rows = list(csv.DictReader(io.StringIO(export_comparison(hostile, "csv").decode())))
    assert {one["title"][:2] for one in rows if one["run"] == OTHER} == {"'="}
    latex = export_comparison(hostile, "latex").decode()
    table = latex[latex.index("\\begin{tabular}") :]
    assert "\\input{" not in table and "\\textbackslash input" in table


def test_files_hold_what_the_numbers_depend_on(hostile):
    rows = list(csv.DictReader(io.StringIO(export_comparison(hostile, "csv").decode())))
    assert len(rows) == 2 * 2 * 2  # runs, methods, metrics
    assert {one["protocol"] for one in rows} == {"rgb/1"}
    assert {one["baseline_run"] for one in rows} == {FIRST}
    assert {one["data_sha256"] for one in rows} == {sha("data")}
    pictures = export_comparison(hostile, "pictures").decode()
    assert pictures.count("\n") == 1 + 2 * 2 * 8
    latex = export_comparison(hostile, "latex").decode()
    assert sha("data") in latex and "p (Holm)" in latex and "\\toprule" in latex
    with pytest.raises(InvalidRequest, match="no comparison as 'pdf'"):
        export_comparison(hostile, "pdf")


def test_the_plot_has_an_interval_for_every_run_and_method(hostile):
    figure = gains_of_runs(hostile, "psnr_db")
    assert len(figure.data) == 2 and all(len(trace.x) == 2 for trace in figure.data)
    ours = hostile.summary[
        (hostile.summary.metric == "psnr_db") & (hostile.summary.method == "identity")
    ]
    trace = figure.data[0]
    assert list(trace.x) == ours.change.tolist()
    assert list(trace.x + trace.error_x.array) == pytest.approx(ours.high.tolist())
