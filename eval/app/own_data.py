"""The part of the form of a new run that describes a data set of the visitor's own."""

from typing import Any

import gradio as gr

from eval.data.benchmarks import OWN_DATA, Benchmark, custom_benchmark
from eval.data.own_pairs import VISITOR_BYTES, look_at_pairs
from eval.data.pairs import About, BenchmarkUnavailable
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import PRIVATE, Update, text_area, translate_faults
from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.tasks import get_task

from .html.own_data import field_error, pairs_found
from .permissions import Permissions
from .run_limits import RunPolicy
from .view import Choices

OWN = OWN_DATA
"""Value of the benchmark dropdown for a data set of one's own; no benchmark's id."""
FIRST_PAIRS = 4
"""Default number of pairs of a new run."""
SAME_SIZE = "same"
"""Value of the size for inputs as large as their targets; else a scale."""


class OwnData:
    """Builds the fields inside the current layout.

    `fields` are the widgets whose values, after the task, `benchmark` takes.
    """

    def __init__(self, permissions: Permissions, policy: RunPolicy, task: str):
        """Build the fields.

        Args:
            permissions: Roles of visitors, which decide who may name folders of this machine.
            policy: Checks of what a role may evaluate.
            task: Id of the form's first task.
        """
        self.permissions = permissions
        self.policy = policy
        self.errors: dict[About, gr.HTML] = {}
        with gr.Column(visible=False, elem_id="ev-own") as self.column:
            self.source = gr.Textbox(
                label=source_label(permissions.may("admin")),
                placeholder="ORG/NAME",
                elem_id="ev-own-source",
            )
            self._error("source")
            with gr.Row():
                self.config = gr.Textbox(
                    label="Configuration",
                    placeholder="The card's default",
                    elem_id="ev-own-config",
                    min_width=120,
                )
                self.split = gr.Textbox(
                    label="Split", placeholder="test", elem_id="ev-own-split", min_width=120
                )
            self._error("split")
            with gr.Row():
                self.degraded = gr.Textbox(
                    label="Inputs: a column or a pattern of files",
                    placeholder="noisy or noisy/*.png",
                    elem_id="ev-own-degraded",
                    min_width=160,
                )
                self.target = gr.Textbox(
                    label="Targets: a column or a pattern of files",
                    placeholder="clean or clean/*.png",
                    elem_id="ev-own-target",
                    min_width=160,
                )
            self._error("names")
            self.size = gr.Dropdown(
                size_choices(task),
                value=usual_size(task),
                label="The inputs are",
                filterable=False,
                elem_id="ev-own-size",
            )
            self._error("size")
            self.scenes = gr.Checkbox(
                label="Names that differ only in a last number show one scene (bursts, blocks)",
                elem_id="ev-own-scenes",
            )
            self.check = gr.Button("Check these pairs", elem_id="ev-own-check")
            self.found = text_area("ev-own-found")
        self.fields: list[Any] = [
            self.source, self.config, self.split, self.degraded, self.target, self.size, self.scenes
        ]  # fmt: skip
        self.outputs = [*self.errors.values(), self.found]

    def _error(self, about: About) -> None:
        self.errors[about] = text_area(f"ev-own-{about}-error")

    def choose(self, task: str, chosen: bool) -> Update:
        """Show or hide the fields, empty of what was found before, for a task."""
        return {
            self.column: gr.update(visible=chosen),
            self.size: gr.update(choices=size_choices(task), value=usual_size(task)),
            **self.changed(),
        }

    def changed(self) -> Update:
        """Take back what was found, after a field has changed."""
        return {self.start: gr.update(interactive=False)} | dict.fromkeys(self.outputs, "")

    def connect(self, task: gr.Dropdown, n: gr.Number, start: gr.Button) -> None:
        """Connect the fields: Start is enabled once the pairs were checked as the fields say."""
        self.n, self.start = n, start
        gr.on(
            [field.input for field in self.fields],
            self.changed,
            None,
            [start, *self.outputs],
            trigger_mode="always_last",
            **PRIVATE,
        )
        self.check.click(
            self.look,
            [task, *self.fields],
            [n, start, *self.outputs],
            concurrency_id="evaluate",
            concurrency_limit=2,
            **{**PRIVATE, "show_progress": "minimal"},
        )

    def look(self, request: gr.Request, task: str, *values: Any) -> Update:
        """Look at the data set of the fields, and let the run start if it can be evaluated."""
        update, role = self.changed(), self.permissions.role(request)
        try:
            with translate_faults():
                local = self.policy.is_admin(role)
                own = self.benchmark(task, *values, local=local)
                self.policy.check_source(own, role)
                most = None if local else VISITOR_BYTES
                found = look_at_pairs(own, max_bytes=most)
        except MIRNetError as error:
            about = error.about if isinstance(error, BenchmarkUnavailable) else "source"
            return update | {self.errors[about]: field_error(str(error))}
        return update | {
            self.found: pairs_found(found),
            self.n: min(FIRST_PAIRS, found.count),
            self.start: gr.update(interactive=True),
        }

    def benchmark(self, task: str, *values: Any, local: bool = True) -> Benchmark:
        """Describe the data set of the fields; nothing is fetched.

        Args:
            task: Id of the task.
            values: Values of `fields`.
            local: See `custom_benchmark`.

        Raises:
            InvalidRequest: A value is unknown.
            BenchmarkUnavailable: A field is empty, or the source is neither a folder nor a name.
        """
        source, config, split, degraded, target = (str(text or "").strip() for text in values[:5])
        size, scenes = values[5:]
        if not source:
            raise BenchmarkUnavailable("Name a data set of the Hub, such as ORG/NAME.")
        if not degraded or not target:
            raise BenchmarkUnavailable(
                "Both are needed: the column or pattern of the inputs, and that of the targets.",
                "names",
            )
        natural = get_task(task).scale
        same = size in (SAME_SIZE, None)
        return custom_benchmark(
            source,
            task,
            degraded=degraded,
            target=target,
            config=config or None,
            split=split or None,
            scale=natural if same else _scale(size),
            same_size=same and natural > 1,
            scenes="numbered" if scenes else None,
            local=local,
        )


def source_label(local: bool) -> str:
    """Label of the source; a folder is named where `local` says that the visitor may."""
    return "Data set of the Hub" + (", or a folder on this machine" if local else "")


def size_choices(task: str) -> Choices:
    """Sizes of inputs beside their targets, the task's own first."""
    scales = sorted({2, 3, 4} | ({get_task(task).scale} - {1}))
    choices = [(f"{scale} times smaller than their targets", str(scale)) for scale in scales]
    same = ("as large as their targets", SAME_SIZE)
    return [same, *choices]


def usual_size(task: str) -> str:
    """Size of a task's inputs, as a value of `size_choices`."""
    scale = get_task(task).scale
    return SAME_SIZE if scale == 1 else str(scale)


def not_checked() -> str:
    """Sentence in place of the estimate, before the pairs are checked."""
    return kit.note("Start is enabled once these pairs are checked.")


def _scale(size: Any) -> int:
    try:
        return int(size)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"There is no scale {str(size)[:40]!r}: choose one.") from error
