"""Evaluations through the web API of the page."""

import json
from dataclasses import asdict
from typing import Any

import gradio as gr

from eval.analysis.score_tables import default_baseline
from eval.data.benchmarks import get_benchmark, load_benchmarks
from eval.methods.registry import list_methods
from eval.runs.document import public_header
from eval.runs.runner import RunConfig
from mirnet.app.kit.widgets import translate_errors

from .permissions import Permissions, owner
from .run_queue import RunQueue


class Endpoints:
    """Adds the evaluation endpoints to the page that is being built."""

    def __init__(self, queue: RunQueue, permissions: Permissions):
        """Add the endpoints.

        Args:
            permissions: Roles of visitors, which decide who may start runs.
        """
        self.queue = queue
        self.permissions = permissions
        self._add()

    def _add(self) -> None:
        for name, function in (
            ("evaluation_benchmarks", self.benchmarks),
            ("evaluation_methods", self.methods),
            ("evaluate_start", self.start),
            ("evaluate_status", self.status),
            ("evaluate_result", self.result),
            ("evaluate_report", self.report),
        ):
            gr.api(
                function,
                api_name=name,
                api_description=str(function.__doc__).split("\n\n")[0],
            )

    def benchmarks(self, task: str = "") -> list[dict[str, Any]]:
        """List the benchmarks of a task, or all of them."""
        rows = [entry for entry in load_benchmarks().values() if task in ("", entry.task)]
        return [
            # "brought" is the older name of the same value, which programs may still read.
            entry.model_dump(mode="json")
            | {"manual_download": entry.manual_download, "brought": entry.manual_download}
            for entry in rows
        ]

    def methods(self, task: str) -> list[dict[str, Any]]:
        """List what can be compared on a task, and what is missing for the rest."""
        with translate_errors():
            return [asdict(choice) for choice in list_methods(task)]

    def start(
        self,
        benchmark: str,
        methods: list[str],
        pairs: int = 0,
        seed: int = 0,
        protocols: list[str] | None = None,
        title: str = "",
        repeats: int = 1,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Start an evaluation: its id comes back at once.

        pairs: 0 for all; repeats: how often each picture is restored, the time is the median.
        """
        with translate_errors():
            config = RunConfig(
                get_benchmark(benchmark),
                tuple(methods),
                tuple(protocols or ()),
                n=pairs or None,
                seed=seed,
                repeats=repeats,
                title=title,
            )
            run_id = self.queue.start(config, self.permissions.role(request), owner(request))
            self.permissions.note_owner(run_id, request)
            return self.status(run_id)

    def status(self, run: str) -> dict[str, Any]:
        """Tell the state of a run. run: its id."""
        with translate_errors():
            found = self.queue.status(run)
        return {
            "run": found.run.id,
            "state": found.state,
            "done": found.done,
            "total": found.total,
            "seconds_left": found.seconds_left,
            "words": found.words,
        }

    def result(
        self,
        run: str,
        baseline: str = "",
        protocol: str = "",
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Give a run's header and leaderboard. run: its id; baseline: method to pair with."""
        with translate_errors():
            stored = self.queue.stored(run)
            header = stored.header()
            board = self.queue.tables.board(
                stored, baseline or default_baseline(header), protocol or None
            )
        rows = json.loads(board.to_json(orient="records"))
        if not self.permissions.may("admin", request):
            header = header.without_folders()
        return {"run": public_header(header), "leaderboard": rows}

    def report(self, run: str, baseline: str = "") -> str:
        """Give a run as one HTML page that needs nothing else. run: its id."""
        from eval.reports.html import html_report

        with translate_errors():
            return html_report(self.queue.stored(run), baseline or None)
