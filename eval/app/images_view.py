"""The Pictures view: the pictures behind the numbers, beside each other, as slider or as errors."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import gradio as gr

from eval.analysis.pictures import (
    INPUT,
    TARGET,
    Viewport,
    Which,
    choose_pairs,
    error_of,
    filling,
    heat,
    one_of,
    point_of,
    rows_of,
    scale_for,
    seen_at,
    sha_of,
    shown_names,
    stored_pictures,
    strip_of,
    untouched,
)
from eval.analysis.score_tables import leader
from eval.runs.document import Run, SampleResult
from eval.runs.store import StoredRun
from mirnet.errors import InvalidRequest, MIRNetError

from . import html as ui_html
from .run_queue import RunQueue
from .scripts import MEASURE_ROOM
from .tables import pairs_value
from .view_state import LOOKS, WHICH, ViewState
from .widgets import PRIVATE, Update, told, words

MAX_SHOWN = 10
"""Pictures beside each other: input, methods, target."""
ENDS = {INPUT: "Input", TARGET: "Target"}
"""Names of the two pictures that no method made."""


class PicturesView:
    """Builds the view inside the current tab and shows what is asked for."""

    def __init__(self, service: RunQueue):
        """Build the view.

        Args:
            service: Has the runs.
        """
        self.service = service
        self._build()
        self.shown = [
            self.pair, self.strip, self.trouble, self.slider, self.grid, *self.images, self.legend,
            self.numbers, self.saved, self.pairs, self.placing, self.sides, self.k, self.method,
            self.other,
        ]  # fmt: skip

    # ------------------------------------------------------------ widgets

    def _build(self) -> None:
        with gr.Row(elem_id="ev-choose"):
            self.which = gr.Dropdown(
                [(title, name) for name, title in WHICH.items()],
                value="worst",
                label="Pictures",
                filterable=False,
                min_width=150,
                elem_id="ev-which",
            )
            self.k = gr.Number(10, label="How many", minimum=1, maximum=1000, precision=0,
                               min_width=90)  # fmt: skip
            self.method = gr.Dropdown([], label="By method", filterable=False, min_width=150)
            self.other = gr.Dropdown([], label="Second method", filterable=False, min_width=150)
        with gr.Row(elem_id="ev-turn"):
            self.prev = gr.Button("←", elem_id="ev-prev", size="md", min_width=60, scale=0)
            self.pair = gr.Dropdown(
                [], label="Picture", elem_id="ev-pair", min_width=180, show_label=False
            )
            self.next = gr.Button("→", elem_id="ev-next", size="md", min_width=60, scale=0)
        self.strip = words("ev-choice")
        with gr.Row(elem_id="ev-looks"):
            self.look = gr.Radio(
                [(title, name) for name, title in LOOKS.items()],
                value="pair",
                label="View; arrow keys change the picture",
                elem_id="ev-look",
                min_width=260,
            )
            self.zoom = gr.Radio(
                [("Whole", 0), ("100 %", 1), ("200 %", 2), ("400 %", 4)],
                value=0,
                label="Size: choose, or click a picture",
                elem_id="ev-zoom",
                min_width=260,
            )
        with gr.Row(visible=False, elem_id="ev-sides") as self.sides:
            self.left = gr.Dropdown([], label="Left", filterable=False, min_width=140)
            self.right = gr.Dropdown([], label="Right", filterable=False, min_width=140)
        with gr.Row(visible=False, elem_id="ev-place") as self.placing:
            self.across = gr.Slider(0, 100, 50, step=1, label="Left to right, %", min_width=240)
            self.down = gr.Slider(0, 100, 50, step=1, label="Top to bottom, %", min_width=240)
        self.trouble = words("ev-trouble")
        self.slider = gr.ImageSlider(
            label="Left of the line · right of it",
            type="numpy",
            format="png",
            interactive=False,
            visible=False,
            max_height=760,
            buttons=["fullscreen"],
            elem_id="ev-slider",
        )
        with gr.Row(elem_id="ev-pictures") as self.grid:
            self.images = [
                gr.Image(
                    format="png",
                    interactive=False,
                    visible=False,
                    buttons=[],
                    min_width=200,
                    elem_classes=["ev-picture"],
                )
                for _ in range(MAX_SHOWN)
            ]
        self.legend = words("ev-scale")
        self.numbers = words("ev-numbers")
        with gr.Row(elem_id="ev-save"):
            self.saved = gr.Dropdown(
                [], label="Full resolution", filterable=False, min_width=160, elem_id="ev-saved"
            )
            self.save = gr.Button("Download PNG", size="md", min_width=140, elem_id="ev-save-png")
        self.pairs = gr.Dataframe(
            interactive=False,
            show_search="search",
            buttons=[],
            label="These pictures: choose a row",
            elem_id="ev-pairs",
            max_height=420,
            pinned_columns=1,
        )

    # ------------------------------------------------------------ events

    def connect(self, asks: Sequence[gr.components.Component], show: Callable[[Any], None]) -> None:
        """Let the widgets act.

        Args:
            asks: What `ViewState` is made of.
            show: Shows what is asked for, after an event.
        """
        choices = [self.which.input, self.k.submit, self.k.blur, self.method.input]
        show(
            gr.on(
                [*choices, self.other.input],
                self.first_pair,
                asks,
                self.pair,
                trigger_mode="always_last",
                **PRIVATE,
            )
        )
        show(self.prev.click(self.turn_back, asks, self.pair, **PRIVATE))
        show(self.next.click(self.turn_on, asks, self.pair, **PRIVATE))
        show(self.pairs.select(self.pick_pair, None, self.pair, **PRIVATE))
        place = [self.zoom, self.across, self.down]
        for image in self.images:
            show(image.select(self.look_at, asks, place, js=MEASURE_ROOM, **PRIVATE))

    # ------------------------------------------------------------ showing

    def chosen(self, ask: ViewState) -> list[str]:
        """Ids of the pictures that are looked at, in order."""
        stored = self.service.stored(str(ask.run))
        run = stored.header()
        scores = self.service.frames.scores(stored, ask.protocol or None)
        method = ask.method or leader(run)
        which = ask.which if ask.which in get_args(Which) else "worst"
        k = int(min(max(ask.k or 10, 1), 1000))
        return choose_pairs(scores, which, method, ask.other or method, k, ask.metric)

    def show(self, stored: StoredRun, run: Run, ask: ViewState) -> Update:
        """Show the picture that is asked for, or the first of those that are."""
        pairs = self.chosen(ask)
        pair = ask.pair or (pairs[0] if pairs else None)
        scores = self.service.frames.scores(stored, ask.protocol or None)
        looks = {
            self.placing: gr.update(visible=ask.zoom > 0),
            self.sides: gr.update(visible=ask.look == "slider"),
            self.k: gr.update(visible=ask.which != "all"),
            self.method: gr.update(visible=ask.which != "all"),
            self.other: gr.update(visible=ask.which == "disagree"),
        }
        if pair is None:
            said = "No picture has a score yet." if not len(scores) else "Nothing was scored here."
            return looks | self._no_pictures(ui_html.note(said))
        choices = pairs if pair in pairs else [pair, *pairs]
        method = ask.method or leader(run)
        against = ask.other if ask.which == "disagree" and ask.other != method else None
        rows = rows_of(scores, pair, ask.protocol or run.protocol)
        update: Update = looks | {
            self.pair: gr.update(
                choices=[(f"{n} of {len(choices)} · {name}", name)
                         for n, name in enumerate(choices, 1)],
            ),
            self.numbers: ui_html.picture_numbers(
                rows, ask.protocol or run.protocol, ask.baseline or None
            ),
            self.pairs: gr.update(value=pairs_value(scores, choices, ask.metric)),
            self.strip: ui_html.strip(
                strip_of(stored, scores, choices, pair, method, ask.metric, against), pair,
                method, ask.metric, against,
            ),
        }  # fmt: skip
        if not ask.pair:  # one that was asked for stays: somebody may have turned on meanwhile
            update[self.pair]["value"] = pair
        try:
            found = stored_pictures(stored, rows)
        except MIRNetError as error:
            return update | self._no_pictures(ui_html.note(str(error), warn=True), keep=True)
        update |= {
            self.trouble: "",
            self.saved: gr.update(choices=list(found), value=one_of(ask.right, found)),
        }
        if ask.look == "slider":
            left, right = one_of(ask.left, found), one_of(ask.right, found)
            pixels = tuple(
                filling(seen_at(found[name], ask.place), ask.place) for name in (left, right)
            )
            on_left, on_right = (ENDS.get(name, name) for name in (left, right))
            label = f"{on_left}, left of the line · {on_right}, right of it"
            return update | {
                self.slider: gr.update(value=pixels, visible=True, label=label),
                self.grid: gr.update(visible=False),
                self.legend: "",
            }
        return update | self._grid(found, rows, ask)

    def _grid(self, found: dict[str, Any], rows: list[SampleResult], ask: ViewState) -> Update:
        """Input, every method and target beside each other, or the errors of each."""
        legend = ""
        if ask.look == "error" and TARGET in found:
            target = found.pop(TARGET)
            errors = {
                name: error_of(pixels, target)
                for name, pixels in found.items()
                if pixels.shape == target.shape
            }
            scale = scale_for(list(errors.values()))
            found = {name: heat(error, scale) for name, error in errors.items()}
            legend = ui_html.heat_legend(scale)
        elif ask.look == "error":
            legend = ui_html.note("This pair has no target, so there is no error to show.")
        scored = {row.method: next(iter(row.scores.values()), None) for row in rows}
        labels = dict(ENDS)
        same = untouched(found)
        if same is not None:  # one picture for the two
            del found[same]
            labels[INPUT], scored[INPUT] = f"Input, {same}", scored.get(same)
        update: Update = {
            self.slider: gr.update(visible=False),
            self.grid: gr.update(
                visible=True, elem_classes=["ev-close"] if ask.zoom else ["ev-whole"]
            ),
            self.legend: legend,
        }
        names = shown_names(list(found), MAX_SHOWN)
        for place, image in enumerate(self.images):
            if place >= len(names):
                update[image] = gr.update(visible=False, value=None)
                continue
            name = names[place]
            score = scored.get(name)
            label = labels.get(name, name)
            if score is not None:
                label += f" · {ui_html.number(score.get('psnr_db'), 2)} dB"
            update[image] = gr.update(
                visible=True,
                value=seen_at(found[name], ask.place),
                label=label,
                alt_text=f"{label}, picture {ask.pair or rows[0].pair}",
            )
        return update

    def _no_pictures(self, words: str, keep: bool = False) -> Update:
        update: Update = {
            self.trouble: words,
            self.slider: gr.update(visible=False),
            self.grid: gr.update(visible=False),
            self.legend: "",
            self.saved: gr.update(choices=[], value=None),
        }
        return update if keep else update | {self.numbers: ""}

    # ------------------------------------------------------------ turning

    def first_pair(self, *given: Any) -> Any:
        """Other pictures were asked for: begin with the first."""
        with told():
            pairs = self.chosen(ViewState(*given))
        return gr.update(choices=pairs, value=pairs[0] if pairs else None)

    def turn_on(self, *given: Any) -> Any:
        """The next picture; after the last comes the first."""
        return self._turned(ViewState(*given), 1)

    def turn_back(self, *given: Any) -> Any:
        """The picture before."""
        return self._turned(ViewState(*given), -1)

    def _turned(self, ask: ViewState, step: int) -> Any:
        with told():
            pairs = self.chosen(ask)
        if not pairs:
            return gr.skip()
        at = pairs.index(ask.pair) if ask.pair in pairs else (-1 if step > 0 else 0)
        return gr.update(choices=pairs, value=pairs[(at + step) % len(pairs)])

    def pick_pair(self, event: gr.SelectData) -> Any:
        """A row of the table of pictures was chosen."""
        return str(event.row_value[0])

    def look_at(self, event: gr.SelectData, *given: Any) -> Update:
        """A point of a picture was clicked: show true pixels around it, in all of them."""
        ask = ViewState(*given)
        with told():
            stored = self.service.stored(str(ask.run))
            scores = self.service.frames.scores(stored, ask.protocol or None)
            found = stored_pictures(
                stored, rows_of(scores, str(ask.pair), ask.protocol or stored.header().protocol)
            )
        pixels = found.get(TARGET, next(iter(found.values())))
        shown = seen_at(pixels, ask.place)
        closer = replace(ask, zoom=max(int(ask.zoom), 1))
        across, down = point_of(
            event.index[0],
            event.index[1],
            shown.shape[:2],
            pixels.shape[:2],
            Viewport(int(ask.zoom), ask.place.across, ask.place.down, closer.place.width_px,
                  closer.place.height_px),
        )  # fmt: skip
        return {
            self.zoom: closer.zoom,
            self.across: round(100 * across),
            self.down: round(100 * down),
        }

    def write_picture(
        self, run_id: str | None, pair: str | None, name: str | None
    ) -> Iterator[Any]:
        """Hand out a stored picture as it is."""
        with told(), tempfile.TemporaryDirectory(prefix="mirnet-") as folder:
            stored = self.service.stored(str(run_id))
            rows = [row for row in stored.rows() if row.pair == pair]
            wanted = next(
                (sha for sha in (sha_of(row, name) for row in rows) if sha is not None), None
            )
            if wanted is None or not stored.output(wanted).is_file():
                raise InvalidRequest("This picture is not stored here: choose another.")
            clean = "".join(c if c.isalnum() or c in "._-" else "-" for c in f"{pair}-{name}")
            path = Path(folder) / f"{clean[:120]}.png"
            path.write_bytes(stored.output(wanted).read_bytes())
            yield str(path)
