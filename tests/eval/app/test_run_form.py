"""The form of a new run: what cannot be started, and what a failed start shows."""

from types import SimpleNamespace

import pytest

from eval.app.evaluate_tab import EvaluateTab
from eval.app.run_queue import RunQueue
from eval.runs.store import RunStore
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
