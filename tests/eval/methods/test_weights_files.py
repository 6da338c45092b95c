"""Weights files as methods: those of a training's steps, their curve, and what is refused."""

import json
import pickle

import numpy as np
import pytest
from typer.testing import CliRunner

from eval.analysis.plots import PLOTS, draw
from eval.analysis.run_comparison import compare_runs
from eval.analysis.score_tables import scores_frame
from eval.analysis.table_cache import TableCache
from eval.analysis.training_curve import curves_of_runs, curves_plot, training_curve
from eval.app.evaluate_tab import EvaluateTab
from eval.app.run_queue import RunQueue
from eval.app.view_state import ViewState
from eval.cli.main import app
from eval.methods.networks import training_files
from eval.methods.registry import get_method, resolve
from eval.reports.html import html_report
from eval.reports.repeat import repeat_commands
from eval.runs.document import Run
from eval.runs.store import RunStore
from eval.runs.verify import verify
from mirnet.errors import InvalidRequest
from mirnet.images.picture import Picture
from mirnet.weights.networks import STEP_NOTE, save_weights
from tests.support.runs_factory import method, write_run
from tests.support.weights_files import tiny_v2

STEPS = (200, 1000, 5000)


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """Folder of a training run that kept three steps; a file without a step lies beside them."""
    folder = tmp_path_factory.mktemp("train") / "tiny"
    (folder / "steps").mkdir(parents=True)
    for step in STEPS:
        file = folder / "steps" / f"step-{step:07d}.safetensors"
        save_weights(tiny_v2(step), file, {STEP_NOTE: str(step)})
    save_weights(tiny_v2(), folder / "steps" / "other.safetensors")
    save_weights(tiny_v2(), folder / "steps" / "wrong.safetensors", {STEP_NOTE: "-1"})
    return folder


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def stored(training, tmp_path_factory):
    out = tmp_path_factory.mktemp("state") / "runs"
    done = invoke(
        *("run", "--benchmark", "mini-denoise", "--n", 2, "--out", out),
        *("--methods", f"identity,ours=training:{training}"),
    )
    assert done.exit_code == 0, done.output
    store = RunStore(out)
    return store.run(store.headers()[0].id)


def test_every_kept_step_is_a_method_in_the_order_of_steps(training):
    names = resolve([f"ours=training:{training}"], "denoise")
    assert [name.partition("=")[0] for name in names] == ["ours-200", "ours-1000", "ours-5000"]
    assert [name for name, _ in training_files(str(training), "tiny")][0] == "tiny-200"
    made = get_method(names[1], "denoise", allow_files=True)
    assert (made.info.kind, made.info.training_step) == ("weights", 1000)
    assert made.info.parameters and len(made.info.weights_sha256) == 64
    pixels = np.full((32, 32, 3), 90, np.uint8)
    output = pickle.loads(pickle.dumps(made)).load()(Picture(pixels), (32, 32))
    assert output.pixels.shape == (32, 32, 3)


def test_files_are_refused_where_strangers_choose(training):
    path = training / "steps" / "step-0000200.safetensors"
    with pytest.raises(InvalidRequest, match="command line only"):
        get_method(f"ours=weights:{path}", "denoise")
    with pytest.raises(InvalidRequest, match="stands for several methods"):
        get_method(f"ours=training:{training}", "denoise", allow_files=True)
    with pytest.raises(InvalidRequest, match="no weights file"):
        get_method("ours=weights:/nowhere.safetensors", "denoise", allow_files=True)
    with pytest.raises(InvalidRequest, match="--keep-every"):
        resolve(["ours=training:/nowhere"], "denoise")


def test_a_file_that_is_no_weights_of_ours_is_refused_in_words(tmp_path):
    wrong = tmp_path / "x.safetensors"
    wrong.write_bytes(b"\x00" * 100)
    done = invoke(
        *("run", "--benchmark", "mini-denoise", "--n", 1, "--out", tmp_path / "runs"),
        *("--methods", f"ours=weights:{wrong}"),
    )
    assert done.exit_code == 2 and "Traceback" not in done.output


def test_a_changed_file_is_not_taken_for_the_one_that_was_scored(training, tmp_path):
    path = tmp_path / "w.safetensors"
    save_weights(tiny_v2(1), path)
    made = get_method(f"ours=weights:{path}", "denoise", allow_files=True)
    save_weights(tiny_v2(2), path)
    with pytest.raises(InvalidRequest, match="changed meanwhile"):
        made.load()


def test_a_run_of_steps_is_drawn_as_a_curve_whose_points_open_pictures(stored):
    run = stored.header()
    assert [entry.training_step for entry in run.methods] == [None, *STEPS]
    drawn = draw(TableCache(), stored, "training")
    (curve,) = [trace for trace in drawn.figure.data if trace.mode == "lines+markers"]
    assert list(curve.x) == list(STEPS) and curve.name == "ours"
    assert [data[1] for data in curve.customdata] == [f"ours-{step}" for step in STEPS]
    means = {line.method: line.scores["psnr_db"] for line in run.summary}
    assert list(curve.y) == pytest.approx([means[f"ours-{step}"] for step in STEPS])
    ends = drawn.table.high - drawn.table.score
    assert list(curve.error_y.array) == pytest.approx(ends.tolist()) and (ends > 0).all()
    import gradio as gr

    with gr.Blocks() as page:
        tab = EvaluateTab(page, gr.Tabs(), RunQueue(RunStore(stored.folder.parent)))
    state = ViewState(view="plots", run=run.id)
    opened = tab.plots.pick_point(json.dumps(list(curve.customdata[2])), state)
    assert (opened.view, opened.method) == ("pictures", "ours-5000")
    assert "Score by training step" in html_report(stored)


def test_a_run_of_steps_is_verified_and_says_how_it_is_repeated(stored):
    assert {finding.outcome for finding in verify(stored, sample=4)} == {"same"}
    command = repeat_commands(stored.header())["Measure the same again"]
    assert "ours-200=weights:FILE" in command


def test_series_are_parted_by_name_and_other_runs_have_no_curve(tmp_path):
    methods = (
        method("identity"),
        *(method(f"{name}-{step}", training_step=step) for name in "ab" for step in (20, 10)),
    )
    found = write_run(tmp_path / "steps", methods=methods)
    tables = TableCache()
    table = training_curve(found.header(), tables.board(found, None), "psnr_db")
    assert table.series.tolist() == ["a", "a", "b", "b"]
    assert table.step.tolist() == [10, 20, 10, 20]
    plain = write_run(tmp_path / "plain")
    assert not PLOTS["training"].applies_to(plain.header(), 4)
    assert draw(tables, plain, "training").table.empty
    assert "Score by training step" not in html_report(plain)
    document = json.loads((plain.folder / "run.json").read_text())
    for entry in document["methods"]:
        del entry["training_step"]  # as versions before wrote it
    assert Run.model_validate(document).methods == plain.header().methods


def test_trainings_in_several_runs_share_one_plot(tmp_path):
    def steps(names: str, number: int):
        methods = (
            method("identity"),
            *(method(f"{name}-{step}", training_step=step) for name in names for step in (20, 10)),
        )
        run_id = f"2026010{number}-120000-abc1"
        return write_run(tmp_path, methods=methods, id=run_id, title=f"Run {number}")

    runs, tables = [steps("ab", 1), steps("b", 2)], TableCache()
    scored = [(stored.header(), tables.scores(stored)) for stored in runs]
    table = curves_of_runs(scored, "psnr_db")
    figure = curves_plot(table, "psnr_db")
    names = [curve.name for curve in figure.data]
    assert len(names) == 3 and names[0] == "a"
    assert [name.partition(" · ")[2].split(" · ")[0] for name in names[1:]] == ["Run 1", "Run 2"]
    assert all(list(curve.x) == [10, 20] for curve in figure.data)
    assert table.run.tolist() == [runs[0].id] * 4 + [runs[1].id] * 2


def trained(folder, number: int, pairs: int = 4, **header):
    """A run of two checkpoints of one training."""
    methods = tuple(method(f"ours-{step}", training_step=step) for step in (10, 20))
    run_id = f"2026010{number}-120000-abc1"
    return write_run(folder, pairs=pairs, methods=methods, id=run_id, **header)


@pytest.mark.parametrize("title", ["", "Same", "A long title of a training " * 4])
def test_runs_of_one_name_and_minute_are_drawn_apart(tmp_path, title):
    runs = [trained(tmp_path, number, title=title) for number in (1, 2)]
    scored = [(stored.header(), scores_frame(stored)) for stored in runs]
    figure = curves_plot(curves_of_runs(scored, "psnr_db"), "psnr_db")
    assert [list(curve.x) for curve in figure.data] == [[10, 20], [10, 20]]
    for texts in ([c.name for c in figure.data], [c.hovertemplate for c in figure.data]):
        assert len({*texts}) == 2, texts


def test_curves_are_over_the_pictures_that_the_table_compares(tmp_path):
    runs = [trained(tmp_path, 1), trained(tmp_path, 2, seed=1)]
    path = runs[1].folder / "scores.jsonl"
    rows = [row for row in runs[1].rows() if row.pair != "p0002"]
    path.write_text("".join(row.model_dump_json(exclude_defaults=True) + "\n" for row in rows))
    found = compare_runs(runs)
    table = curves_of_runs([(stored.header(), scores_frame(stored)) for stored in runs], "psnr_db")
    expected = found.summary[found.summary.metric == "psnr_db"].set_index("method")
    assert table.pictures.tolist() == [3] * 4 and set(expected.pairs) == {3}
    for run, column in zip(runs, ("mean_a", "mean_b"), strict=True):
        own = table[table.run == run.id].set_index("method").score
        assert own.to_dict() == pytest.approx(expected[column].to_dict())
    assert "3 pictures that all have" in str(curves_plot(table, "psnr_db").layout.title)
