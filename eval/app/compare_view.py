"""The Compare view: the open run beside a second one."""

from collections.abc import Iterator

import gradio as gr

from eval.analysis.run_comparison import compare_runs
from eval.runs.document import Run
from mirnet.app.kit import html as kit
from mirnet.app.kit.widgets import Update
from mirnet.errors import MIRNetError

from .html.compare import comparison
from .run_queue import RunQueue
from .tables import changes_value
from .view import View, ViewRequest, run_choices, settle
from .view_state import ViewState

NO_SECOND = kit.empty("Two runs, side by side", "Choose the second one.")
ONLY_ONE = kit.empty(
    "There is nothing to compare with yet", "Only this run is stored: run another."
)


class CompareView(View):
    """Builds the choice of a second run, and the table of changes between the two."""

    name = "compare"

    def __init__(self, queue: RunQueue):
        super().__init__(queue)
        self.second = gr.Dropdown(
            choices=run_choices(queue),
            value=None,
            label="Compare the stored run with",
            elem_id="ev-second",
        )
        self.compared = gr.HTML(NO_SECOND, elem_id="ev-compared")
        self.changes = gr.Dataframe(
            interactive=False,
            show_search="search",
            buttons=[],
            label="Changes, largest first",
            visible=False,
            elem_id="ev-changes",
            max_height=480,
        )
        self.inputs = {"second": self.second}
        self.outputs = [self.second, self.compared, self.changes]
        self.triggers = [self.second.input]

    def place(self, state: ViewState, run: Run | None) -> Update:
        """Offer all other runs, and select the second run of the state."""
        choices = run_choices(self.queue, run.id if run else None)
        return {self.second: gr.update(choices=choices, value=_among(choices, state.second))}

    def fill(self, request: ViewRequest) -> Iterator[Update]:
        """Show what changed, or why the two runs cannot be compared."""
        state = request.state
        choices = run_choices(self.queue, request.found.run.id)
        second = _among(choices, state.second)
        update = {self.second: settle(choices, request.asked.second, second)}
        if second is None:
            words = NO_SECOND if choices else ONLY_ONE
            yield update | {self.compared: words, self.changes: gr.update(visible=False)}
            return
        try:
            found = compare_runs(request.stored, self.queue.stored(second), state.protocol)
        except MIRNetError as error:
            words = kit.note(str(error), warn=True)
            yield update | {self.compared: words, self.changes: gr.update(visible=False)}
            return
        yield update | {
            self.compared: comparison(found),
            self.changes: gr.update(
                value=changes_value(found.changes), visible=bool(len(found.changes))
            ),
        }


def _among(choices: list[tuple[str, str]], run_id: str | None) -> str | None:
    return run_id if run_id in [value for _, value in choices] else None
