"""What the Evaluate page costs with many stored pictures and runs, in processor seconds and bytes.

Processor time of this process, so that other work on the machine does not count. The targets are
those of a page that answers at once: a run of 5,000 pictures within 1 s, a list of 1,000 runs
within 0.3 s, and a look at a run under way at the cost of its new rows.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.app.evaluate_tab import EvaluateTab
from eval.app.run_queue import RunQueue
from eval.app.view import Part, ViewRequest
from eval.app.view_state import ViewState
from eval.runs.store import RunStore
from tests.support.runs_factory import write_run

RUN = "20260101-120000-abcdef"


@dataclass(frozen=True)
class Cost:
    """One measurement."""

    what: str
    """What was asked of the page."""
    seconds: float
    """Processor seconds of the server."""
    bytes: int
    """Size of what is sent to the browser as JSON, pictures and plots included."""
    target: float | None = None
    """Most seconds that it may take."""


def page_costs(pictures: int = 5000, runs: int = 1000) -> Iterator[Cost]:
    """Measure a large run and a long list.

    Args:
        pictures: Pictures of the large run, which has four methods.
        runs: Number of runs in the list.
    """
    import plotly.graph_objects  # noqa: F401 - the page imports both when it starts
    import scipy.stats  # noqa: F401

    with tempfile.TemporaryDirectory() as temporary:
        yield from _large_run(Path(temporary) / "large", pictures)
        yield from _live_run(Path(temporary) / "live", pictures)
        yield from _long_list(Path(temporary) / "many", runs)


def _tab(folder: Path) -> EvaluateTab:
    import gradio as gr

    with gr.Blocks() as page:
        return EvaluateTab(page, gr.Tabs(), RunQueue(RunStore(folder)))


def _measured(what: str, call: Callable[[], Any], target: float | None = None) -> Cost:
    began = time.process_time()
    content = call()
    seconds = time.process_time() - began
    return Cost(what, seconds, _size(content), target)


def _size(content: Any) -> int:
    """Bytes of an update as JSON; plots are written by plotly."""
    if not isinstance(content, dict):
        return 0
    total = 0
    for value in content.values():
        inner = value.get("value") if isinstance(value, dict) else value
        if hasattr(inner, "to_json"):
            total += len(inner.to_json())
        elif value is not None:
            total += len(json.dumps(value, default=str))
    return total


def _large_run(folder: Path, pictures: int) -> Iterator[Cost]:
    write_run(folder, pairs=pictures, thumbs=False)

    def opened(tab: EvaluateTab, parts: list[Part]) -> dict[Any, Any]:
        found = tab.queue.status(RUN)
        asked = ViewState(view="board", run=RUN)
        request = ViewRequest(
            tab.queue.stored(RUN), found, asked, asked.for_run(found.run), "admin"
        )
        update: dict[Any, Any] = {}
        for part in parts:
            for one in part.fill(request):
                update |= one
        return update

    for name, target in (("first look", None), ("after a restart", 1.0)):
        tab = _tab(folder)
        yield _measured(
            f"report of {pictures:,} pictures, {name}: board",
            lambda tab=tab: opened(tab, [tab.report]),
            target,
        )
        yield _measured(
            f"report of {pictures:,} pictures, {name}: plots and pictures",
            lambda tab=tab: opened(tab, tab.report.parts[1:]),
            target,
        )


def _live_run(folder: Path, pictures: int) -> Iterator[Cost]:
    stored = write_run(folder, pairs=pictures, status="running")
    path = stored.folder / "scores.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-4]))
    tab = _tab(folder)
    with stored.lock():
        rows = len(lines) - 4
        seen = (None, rows)
        yield _measured(
            f"first look at a run under way, {rows:,} rows",
            lambda: tab.running.tick(RUN, seen),
        )
        with path.open("ab") as file:
            file.write(b"".join(lines[-4:]))
        yield _measured("next look, 4 rows more", lambda: tab.running.tick(RUN, seen), 0.05)


def _long_list(folder: Path, runs: int) -> Iterator[Cost]:
    for number in range(runs):
        write_run(folder, pairs=2, id=f"20260101-{number:06d}-abcdef", title=f"Run {number}")
    RunQueue(RunStore(folder)).history()  # writes the index
    tab = _tab(folder)
    yield _measured(
        f"headers of {runs:,} runs after a restart, in the background", tab.queue.store.headers
    )
    yield _measured(
        f"list of {runs:,} runs", lambda: tab.history.listing(ViewState(view="runs"), "admin"), 0.3
    )
