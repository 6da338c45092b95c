"""The form of a new run: what cannot be started, and what a failed start shows."""

from types import SimpleNamespace

import pytest

from eval.app.evaluate_tab import EvaluateTab
from eval.app.run_queue import RunQueue
from eval.runs import live_runs
from eval.runs.store import RunStore, StoredRun
from tests.support.runs_factory import write_run

gr = pytest.importorskip("gradio")


@pytest.fixture
def tab(tmp_path) -> EvaluateTab:
    write_run(tmp_path, pairs=3, title="Another run")
    with gr.Blocks() as page:
        return EvaluateTab(page, gr.Tabs(), RunQueue(RunStore(tmp_path)))


def test_a_benchmark_without_files_cannot_be_started_before_its_folder_is_named(tab):
    form = tab.running.form
    update = form.change_benchmark("sidd", ["identity"])
    assert not update[form.start]["interactive"] and update[form.folder]["visible"]
    assert "abdokamel.github.io/sidd" in update[form.facts]
    assert not form.change_folder("sidd", "  ")["interactive"]
    assert form.change_folder("sidd", "/data/sidd")["interactive"]
    assert form.change_benchmark("mini-denoise", ["identity"])[form.start]["interactive"]


def test_a_failed_start_shows_its_error_and_nothing_of_another_run(tab):
    running = tab.running
    values = ["sidd", 2, 0, ["identity"], ["rgb-8bit"], "", ""]
    shown = [
        running.follow(tab.queue.newest(), 0),
        *running.start(SimpleNamespace(session_hash="anna"), *values),
    ]
    assert "Another run" in shown[0][running.table]
    update = shown[-1]
    assert "SIDD validation blocks is not on the Hub" in update[running.bar]
    assert "abdokamel.github.io/sidd" in update[running.bar]
    assert (
        update[running.table] == update[running.latest] == "" and update[running.followed] is None
    )
    assert not update[running.plot]["visible"] and not update[running.opens]["visible"]
    assert update[running.form.start]["interactive"]


def test_a_look_at_a_live_run_reads_and_sends_what_is_new(tab, tmp_path, monkeypatch):
    """However many rows there are: 5,000 pictures of 4 methods were read and drawn each second."""
    read: list[int] = []
    parsed = live_runs.parsed_row
    monkeypatch.setattr(
        live_runs,
        "parsed_row",
        lambda line, number, run: read.append(number) or parsed(line, number, run),
    )
    monkeypatch.setattr(StoredRun, "rows", None)  # nothing else reads all of them
    sent = {}
    for number, pairs in enumerate((40, 400)):
        stored = write_run(
            tmp_path, pairs=pairs, status="running", id=f"2026010{number}-120000-abc1"
        )
        path = stored.folder / "scores.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[:-2]))
        running = tab.running
        with stored.lock():  # as another process that executes it holds it
            found = tab.queue.status(stored.id)
            running.follow(stored.id, found.done, found)
            read.clear()
            with path.open("ab") as file:
                file.write(b"".join(lines[-2:]))
            update = running.tick(stored.id, (None, found.done))
            assert read == [len(lines) - 1, len(lines)]
            assert running.tick(stored.id, update[running.seen]).keys() == {running.timer}
        assert running.plot not in update  # it has not grown enough to be drawn again
        assert str(len(lines)) in update[running.bar]
        sent[pairs] = len("".join(value for value in update.values() if isinstance(value, str)))
    assert sent[400] < sent[40] + 100


def test_the_live_plot_is_drawn_as_often_as_its_data_grow_by_a_quarter(tab, tmp_path):
    stored = write_run(tmp_path, pairs=10, status="running", id="20260105-120000-abc1")
    with stored.lock():
        found = tab.queue.status(stored.id)
        update = tab.running.follow(stored.id, 32, found)  # 40 rows
        assert update[tab.running.plot]["visible"] and update[tab.running.seen][1] == 40
        assert tab.running.plot not in tab.running.follow(stored.id, 33, found)


def test_repeats_of_the_form_are_those_of_the_run_and_of_its_estimate(tab):
    form = tab.running.form
    values = ["mini-denoise", 1, 0, ["identity"], ["rgb-8bit"], "", "", "denoise"]
    assert form.config(*values, 3).repeats == 3 and form.config(*values, None).repeats == 1
    assert form.inputs.index(form.repeats) == len(values)
    once, often = (form.change_size("mini-denoise", 8, ["identity"], n) for n in (1, 100))
    assert once != often and "8 pairs" in often


@pytest.mark.parametrize(("local", "most"), [(True, 100), (False, 5)], ids=["laptop", "public"])
def test_no_more_repeats_are_offered_than_are_allowed(tmp_path, local, most):
    with gr.Blocks() as page:
        tab = EvaluateTab(page, gr.Tabs(), RunQueue(RunStore(tmp_path), local=local))
    repeats = tab.running.form.repeats
    assert repeats.maximum == most and f"At most {most} times" in repeats.info


def test_an_operator_of_a_public_page_is_offered_what_operators_may(tmp_path):
    queue = RunQueue(RunStore(tmp_path), local=False)
    with gr.Blocks() as page:
        tab = EvaluateTab(page, gr.Tabs(), queue)
    form = tab.running.form
    assert form.repeats in tab.running.arrival_outputs and form.repeats not in form.at_arrival()
    form.permissions.role = lambda request: "admin"
    assert form.at_arrival()[form.repeats]["maximum"] == 100
