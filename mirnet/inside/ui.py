"""The Look inside tab: widgets and their events. Nothing here computes.

One pass records everything (`trace.py`); choosing another block, stream or turn only draws other
records of it. The newest passes stay in memory, until their share of it is used up.
"""

import contextlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from .. import catalogue, ui_html, weights
from ..errors import InvalidRequest, MIRNetError
from ..image import read_image
from ..jobs import choose_weights
from ..preview import shrink
from ..tasks import TASKS, get_task
from . import plots
from .trace import MAX_PX, Feature, Name, Trace, mean_energy, summary, trace

Update = dict[Any, Any]
"""Which widget gets what."""

MAX_BYTES = 256 * 2**20
"""How much memory kept passes may take: about six of the authors' networks."""
MAPS: tuple[Name, ...] = ("energy", "spatial attention", "context attention")
"""Records drawn as pictures; a network has one of the last two."""
EMPTY = f"""<div class="mir-empty"><p class="mir-empty-title">What the network sees appears here</p>
<p>Add a photo or click an example, then press <b>Look inside</b>. One pass through the network, on
a copy of at most {MAX_PX} pixels.</p></div>"""


def build(
    tab: gr.Tab, max_pixels: int, on_accelerator: Callable[[Callable], Callable] | None = None
) -> None:
    """Build the tab inside the current `gr.Blocks`.

    Args:
        tab: The tab that is being built; opening it looks which weights are here by now.
        max_pixels: Most pixels accepted in a photo.
        on_accelerator: Wraps the function that runs the network, as a Space with a shared GPU wants
            it; None leaves it alone.
    """
    InsideTab(tab, max_pixels, on_accelerator)


class Kept:
    """The newest passes; safe to use from several threads."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._found: OrderedDict[str, Trace] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, found: Trace) -> str:
        """Keep a pass and return its key; the oldest ones make room for it."""
        key = secrets.token_urlsafe(12)
        with self._lock:
            self._found[key] = found
            while len(self._found) > 1 and self._bytes() > self._max_bytes:
                self._found.popitem(last=False)
        return key

    def get(self, key: str | None) -> Trace:
        """Look a pass up.

        Raises:
            InvalidRequest: It had to make room for newer ones.
        """
        with self._lock:
            if key is not None and key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        raise InvalidRequest("This look is no longer kept: press Look inside again.")

    def _bytes(self) -> int:
        return sum(found.nbytes for found in self._found.values())


class InsideTab:
    """Builds the tab and answers its events; see `build`."""

    def __init__(
        self,
        tab: gr.Tab,
        max_pixels: int,
        on_accelerator: Callable[[Callable], Callable] | None = None,
    ):
        """See `build`."""
        self.max_pixels = max_pixels
        self._trace = on_accelerator(trace) if on_accelerator else trace
        self.kept = Kept()
        self._build()
        self._connect(tab)
        self._add_endpoint()

    # ------------------------------------------------------------ widgets

    def _build(self) -> None:
        first = next(iter(TASKS))
        self.chosen = gr.State(None)  # path of the photo
        self.key = gr.State(None)  # of the pass
        gr.HTML(
            '<p class="mir-small">MIRNet carries three streams side by side, at full, half and '
            "quarter resolution, which weigh and exchange what they see block after block. Look at "
            "what they see in your photo.</p>"
        )
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300):
                self._build_controls(first)
            with gr.Column(scale=9, min_width=320):
                self._build_stage()

    def _build_controls(self, first: str) -> None:
        self.task = gr.Dropdown(
            [(task.title, task.id) for task in TASKS.values()],
            value=first,
            label="Network for",
            filterable=False,
            elem_id="inside-task",
        )
        self.photo = gr.File(
            label="Photo", file_types=["image"], elem_id="inside-photo", height=140
        )
        self.samples = gr.Gallery(
            **self._samples(first),
            columns=3,
            rows=1,
            height=130,
            allow_preview=False,
            interactive=False,
            buttons=[],
            format="png",
            object_fit="cover",
            elem_id="inside-samples",
        )
        self.weights = gr.Dropdown(
            **self._offers(first), label="Weights", filterable=False, elem_id="inside-weights"
        )
        self.note = gr.HTML(self._note(first))
        self.go = gr.Button("Look inside", variant="primary", elem_id="inside-go")
        self.bar = gr.HTML("", elem_id="inside-bar")

    def _build_stage(self) -> None:
        self.board = gr.HTML(EMPTY)
        picture: dict[str, Any] = {
            "format": "png",
            "interactive": False,
            "show_label": False,
            "buttons": ["fullscreen"],
        }
        self.facts = gr.HTML("", elem_id="inside-facts")
        with gr.Row(visible=False, elem_id="inside-where") as self.where:
            self.block = gr.Radio([1], value=1, label="Block", min_width=180)
            self.stream = gr.Radio(
                [(name, place) for place, name in enumerate(plots.STREAMS)],
                value=0,
                label="Stream",
                min_width=180,
            )
            self.turn = gr.Radio(
                [("First", 1), ("Second", 2)], value=2, label="Turn in the block", min_width=180
            )
        with gr.Row(equal_height=False):
            with gr.Column(min_width=260, visible=False) as self.seen_side:
                self.seen_words = gr.HTML()
                self.seen = gr.Image(
                    alt_text="The photo as the network sees it", elem_id="inside-seen", **picture
                )
            self.maps: list[tuple[gr.HTML, gr.Image, gr.HTML]] = []
            self.map_sides = []
            for number, what in enumerate(("Feature energy", "Attention"), 1):
                with gr.Column(min_width=260, visible=False) as side:
                    self.maps.append(
                        (
                            gr.HTML(),
                            gr.Image(
                                alt_text=f"{what} of the chosen stream, bright where it is high",
                                elem_id=f"inside-map-{number}",
                                **picture,
                            ),
                            gr.HTML(),
                        )
                    )
                self.map_sides.append(side)
        with gr.Row(visible=False, equal_height=False) as self.weighing:
            with gr.Column(min_width=300):
                self.channels = gr.Plot(show_label=False, elem_id="inside-channels")
                self.channels_words = gr.HTML()
            with gr.Column(min_width=300):
                self.fusion = gr.Plot(show_label=False, elem_id="inside-fusion")
                self.fusion_words = gr.HTML()
        with gr.Row(visible=False, equal_height=False) as self.whole:
            with gr.Column(min_width=300):
                self.energies = gr.Plot(show_label=False, elem_id="inside-energies")
                self.energies_words = gr.HTML()
            with gr.Column(min_width=300, visible=False) as self.curve_side:
                self.curve = gr.Plot(show_label=False, elem_id="inside-curve")
                gr.HTML(_small(plots.CURVE_SENTENCE))
            with gr.Column(min_width=300, visible=False) as self.matrix_side:
                self.matrix = gr.Plot(show_label=False, elem_id="inside-matrix")
                gr.HTML(_small(plots.MATRIX_SENTENCE))

    # ------------------------------------------------------------ events

    def _connect(self, tab: gr.Tab) -> None:
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        place = [self.block, self.stream, self.turn]
        drawn = [
            *(widget for trio in self.maps for widget in trio),
            self.channels, self.channels_words, self.fusion, self.fusion_words, self.energies,
            self.energies_words,
        ]  # fmt: skip
        shown = [
            self.key, self.bar, self.board, self.facts, self.where, *place, self.seen_side,
            self.seen_words, self.seen, *self.map_sides, self.weighing, self.whole,
            self.curve_side, self.curve, self.matrix_side, self.matrix,
        ]  # fmt: skip
        offers = [self.weights, self.note, self.go]
        taken = [self.chosen, self.photo, *shown]
        gr.on([self.photo.upload, self.photo.clear], self.take, self.photo, taken, **private)
        self.samples.select(self.take_sample, self.task, taken, **private)
        refresh: dict[str, Any] = {
            "inputs": [self.task, self.weights],
            "outputs": [*offers, self.samples],
        }
        self.task.input(self.change_task, **refresh, **private)
        tab.select(self.change_task, **refresh, **private)
        self.go.click(
            lambda: {
                self.bar: ui_html.progress("Waiting for a turn …"),
                self.go: gr.update(interactive=False),
            },
            None,
            [self.bar, self.go],
            queue=False,
            **private,
        ).then(
            self.look,
            [self.chosen, self.task, self.weights],
            [*shown, *drawn, self.go],
            concurrency_id="model",
            concurrency_limit=2,
            **private,
        )
        gr.on(
            [widget.input for widget in place],
            self.move,
            [self.key, *place],
            drawn,
            trigger_mode="always_last",
            **private,
        )

    def take(self, path: str | None) -> Iterator[Update]:
        """A photo was added or removed."""
        yield from self._take(path)

    def take_sample(self, task_id: str, event: gr.SelectData) -> Iterator[Update]:
        """An example was clicked."""
        sample = ui_html.examples_for(task_id)[int(event.index)]
        for update in self._take(str(sample.path)):
            yield {self.photo: None} | update

    def _take(self, path: str | None) -> Iterator[Update]:
        """Show the photo and forget the pass before."""
        hidden = gr.update(visible=False)
        cleared: Update = dict.fromkeys(
            [
                self.where, self.seen_side, *self.map_sides, self.weighing, self.whole,
                self.curve_side, self.matrix_side,
            ],
            hidden,
        ) | {self.chosen: None, self.key: None, self.bar: "", self.facts: ""}  # fmt: skip
        empty = gr.update(value=EMPTY, visible=True)
        if path is None:
            yield cleared | {self.board: empty}
            return
        try:
            picture = read_image(path, max_pixels=self.max_pixels)
        except MIRNetError as error:
            yield cleared | {self.photo: None, self.board: empty}
            raise _shown(error) from error
        yield cleared | {
            self.chosen: path,
            self.board: gr.update(visible=False),
            self.facts: ui_html.photo_facts(picture),
            self.seen_side: gr.update(visible=True),
            self.seen_words: _heading("Your photo"),
            self.seen: shrink(picture, 2 * MAX_PX).pixels,
        }

    def change_task(self, task_id: str, wanted: str | None) -> Update:
        """Another task, or another look at which weights are here."""
        offers = self._offers(task_id, wanted)
        return {
            self.weights: gr.update(**offers),
            self.note: self._note(task_id),
            self.go: gr.update(interactive=offers["value"] is not None),
            self.samples: gr.update(**self._samples(task_id)),
        }

    def look(self, path: str | None, task_id: str, weights_id: str | None) -> Iterator[Update]:
        """Send the photo through the network and show what was recorded."""
        idle = {self.go: gr.update(interactive=True)}
        try:
            if path is None:
                raise InvalidRequest("There is no photo yet: add one, or click an example.")
            chosen = choose_weights(task_id, weights_id)
            yield {self.bar: ui_html.progress("One pass through the network …")}
            found = self._run(path, task_id, chosen)
        except MIRNetError as error:
            yield idle | {self.bar: ui_html.state("Nothing was looked at.", "failed")}
            raise _shown(error) from error
        except Exception:
            yield idle | {self.bar: ui_html.state("This failed, and the fault is ours.", "failed")}
            raise
        shown = gr.update(visible=True)
        yield (
            idle
            | self._drawn(found, found.blocks, 0, 2)
            | {
                self.key: self.kept.put(found),
                self.bar: ui_html.state("Done.", "done"),
                self.board: gr.update(visible=False),
                self.facts: ui_html.facts(plots.facts(found)),
                self.where: shown,
                self.block: gr.update(choices=list(range(1, found.blocks + 1)), value=found.blocks),
                self.stream: 0,
                self.turn: 2,
                self.seen_side: shown,
                self.seen_words: _heading("What went in"),
                self.seen: shrink(found.seen).pixels,
                **dict.fromkeys(self.map_sides, shown),
                self.weighing: shown,
                self.whole: shown,
                self.curve_side: gr.update(visible=found.curve is not None),
                self.curve: None if found.curve is None else plots.exposure_curve(found.curve),
                self.matrix_side: gr.update(visible=found.colours is not None),
                self.matrix: None if found.colours is None else plots.colour_matrix(found.colours),
            }
        )

    def move(self, key: str | None, block: int, stream: int, turn: int) -> Update:
        """Another block, stream or turn of the same pass."""
        with _told():
            return self._drawn(self.kept.get(key), block, stream, turn)

    def _run(self, path: str | None, task_id: str, weights_id: str) -> Trace:
        return self._trace(
            path, task_id, weights.load(weights_id), MAX_PX, max_pixels=self.max_pixels
        )

    def _drawn(self, found: Trace, block: int, stream: int, turn: int) -> Update:
        """Maps and plots of one place in the network."""
        at = {
            feature.name: feature
            for feature in found.features
            if (feature.block, feature.stream, feature.turn) == (block, stream, turn)
        }
        update: Update = {}
        maps = [at[name] for name in MAPS if name in at]
        for widgets, feature in zip(self.maps, maps, strict=True):
            update |= self._map(*widgets, feature)
        name: Name = "channel attention" if "channel attention" in at else "context channels"
        update |= {
            self.channels: plots.channel_bars(at[name]),
            self.channels_words: _small(plots.WORDS[name].sentence),
            self.energies: plots.energies(mean_energy(found, turn)),
            self.energies_words: _small(
                f"Over the whole picture, {('first', 'second')[turn - 1]} turn in each block."
            ),
        }
        fusion = at.get("fusion")
        if fusion is None:
            nothing = f"“{plots.STREAMS[stream]}” takes nothing from the others in this turn."
            update |= {
                self.fusion: gr.update(visible=False),
                self.fusion_words: _heading(plots.WORDS["fusion"].title) + _small(nothing),
            }
        else:
            update |= {
                self.fusion: gr.update(value=plots.fusion_bars(fusion), visible=True),
                self.fusion_words: _small(plots.WORDS["fusion"].sentence),
            }
        return update

    def _map(self, heading: gr.HTML, image: gr.Image, words: gr.HTML, feature: Feature) -> Update:
        drawn = plots.map_picture(feature)
        about = plots.WORDS[feature.name]
        return {
            heading: _heading(about.title),
            image: drawn.pixels,
            words: plots.scale_html(drawn, feature) + _small(about.sentence),
        }

    # ------------------------------------------------------------ tasks and weights

    def _samples(self, task_id: str) -> dict[str, Any]:
        samples = ui_html.examples_for(task_id)
        return {
            "value": [(str(sample.path), sample.title) for sample in samples],
            "label": "Or an example",
            "visible": bool(samples),
        }

    def _offers(self, task_id: str, wanted: str | None = None) -> dict[str, Any]:
        """Weights that are on this machine."""
        here = [e for e in catalogue.entries_for(task_id) if weights.locate(e.id) is not None]
        ids = [entry.id for entry in here]
        return {
            "choices": [(ui_html.weights_label(entry), entry.id) for entry in here],
            "value": wanted if wanted in ids else (ids[0] if ids else None),
        }

    def _note(self, task_id: str) -> str:
        if self._offers(task_id)["choices"]:
            words = "The authors' networks can be chosen once Restore has downloaded them."
        else:
            title = get_task(task_id).title
            words = f"No weights for “{title}” are on this machine: download some in Restore."
        return _small(words)

    # ------------------------------------------------------------ for programs

    def _add_endpoint(self) -> None:
        """The public endpoint, /look_inside; its widgets are never drawn."""
        inputs = [
            gr.File(label="image", visible=False),
            gr.Dropdown(list(TASKS), value=next(iter(TASKS)), label="task", visible=False),
            gr.Textbox("", label="weights", visible=False),
        ]
        gr.Button(visible=False).click(
            self.look_inside,
            inputs,
            gr.JSON(label="found", visible=False),
            api_name="look_inside",
            api_description="Send one photo through a network and return what its streams did: "
            "attention and fusion weights in full; of maps, mean and range. weights: id in the "
            "catalogue, empty for the task's own.",
            concurrency_id="model",
            concurrency_limit=2,
        )

    def look_inside(self, image: str | None, task: str, weights: str) -> dict[str, Any]:
        """One pass for a program."""
        with _told():
            return summary(self._run(image, task, choose_weights(task, weights)))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Turn our errors into the page's message."""
    try:
        yield
    except MIRNetError as error:
        raise _shown(error) from error


def _shown(error: MIRNetError) -> gr.Error:
    return gr.Error(str(error), duration=12, print_exception=False)


def _heading(words: str) -> str:
    return f"<h3>{words}</h3>"


def _small(words: str) -> str:
    return f'<p class="mir-small">{words}</p>'
