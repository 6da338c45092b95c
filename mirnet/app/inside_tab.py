"""The Look inside tab: widgets and their events. Nothing here computes.

One pass records everything (`trace.py`); choosing another block, stream or turn only draws other
records of it. The newest passes stay in memory, until their share of it is used up.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import gradio as gr

from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.images.decode import read_image
from mirnet.images.preview import shrink
from mirnet.inside import plots
from mirnet.inside.diagram import introduction
from mirnet.inside.trace import MAX_PX, Feature, Name, Trace, mean_energy, summary, trace
from mirnet.tasks import TASKS, get_task
from mirnet.weights import catalogue
from mirnet.weights import load as weights

from . import html as ui_html
from .jobs import LRUCache, choose_weights
from .restore_tab import READABLE

Update = dict[Any, Any]
"""Which widget gets what."""

MAX_BYTES = 256 * 2**20
"""How much memory kept passes may take: about thirty of the authors' networks."""
ATTENTION: tuple[Name, ...] = ("spatial attention", "context attention")
"""Attention drawn as maps; a network has one of them."""
CHANNELS: tuple[Name, ...] = ("channel attention", "context channels")
"""Numbers by channel drawn as bars; a network has one of them."""
EMPTY = f"""<div class="mir-empty"><p class="mir-empty-title">What the network sees appears here</p>
<p>Add a photo or click an example, then press <b>Look inside</b>. One pass through the network, on
a copy of at most {MAX_PX} pixels.</p></div>"""


def build(tab: gr.Tab, max_pixels: int) -> None:
    """Build the tab inside the current `gr.Blocks`.

    Args:
        tab: The tab that is being built; opening it looks which weights are here by now.
        max_pixels: Most pixels accepted in a photo.
    """
    InsideTab(tab, max_pixels)


class Kept(LRUCache[Trace]):
    """The newest passes."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(
            max_bytes,
            lambda found: found.nbytes,
            "This look is no longer kept: press Look inside again.",
        )


class InsideTab:
    """Builds the tab and answers its events; see `build`."""

    def __init__(self, tab: gr.Tab, max_pixels: int):
        """See `build`."""
        self.max_pixels = max_pixels
        self.kept = Kept()
        self._build()
        self._connect(tab)
        self._add_endpoint()

    # ------------------------------------------------------------ widgets

    def _build(self) -> None:
        first = next(iter(TASKS))
        self.chosen = gr.State(None)  # path of the photo
        self.key = gr.State(None)  # of the pass
        gr.HTML(introduction())
        with gr.Row(equal_height=False):
            with gr.Column(scale=3, min_width=300, elem_id="inside-controls"):
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
        self.photo = gr.File(label="Photo", file_types=READABLE, elem_id="inside-photo", height=120)
        self.samples = gr.Gallery(
            **self._samples(first),
            columns=3,
            rows=1,
            height=150,
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
        self.facts = gr.HTML("", elem_id="inside-facts")
        with gr.Row(equal_height=False):
            with gr.Column(min_width=260, visible=False) as self.seen_side:
                self.seen_words = gr.HTML()
                self.seen = _picture("The photo as the network sees it", "inside-seen")
            with gr.Column(min_width=260, visible=False) as self.restored_side:
                gr.HTML(_heading("What came out"))
                self.restored = _picture("What the network made of it", "inside-restored")
        with gr.Column(visible=False) as self.parts:
            self._build_maps()
            self._build_plots()

    def _build_maps(self) -> None:
        """The three streams side by side: energy, then attention."""
        with gr.Row(elem_id="inside-where"):
            self.block = gr.Radio([1], value=1, label="Block", min_width=160)
            self.turn = gr.Radio(
                [(name, turn) for turn, name in enumerate(plots.TURNS, 1)],
                value=1,
                label="Turn in the block",
                min_width=160,
            )
        self.map_words: list[gr.HTML] = []
        self.maps: list[list[tuple[gr.HTML, gr.Image, gr.HTML]]] = []
        for what in ("energy", "attention"):
            self.map_words.append(gr.HTML())
            trios = []
            with gr.Row(elem_classes="mir-three"):
                for stream, name in enumerate(plots.STREAMS):
                    with gr.Column(min_width=80):
                        title = gr.HTML()
                        alt = f"Map of the {what} of the stream {name}, bright where it is high"
                        trios.append((title, _picture(alt, f"inside-{what}-{stream}"), gr.HTML()))
            self.maps.append(trios)

    def _build_plots(self) -> None:
        """One stream at a time: its channels, and whom it listens to; then the whole network."""
        gr.HTML(_heading("How one stream decides"))
        self.stream = gr.Radio(
            [(name, place) for place, name in enumerate(plots.STREAMS)],
            value=0,
            label="Stream",
            elem_id="inside-stream",
        )
        with gr.Row(equal_height=False):
            self.channels, self.channels_words = _plot("channels")
            self.fusion, self.fusion_words = _plot("fusion")
        gr.HTML(_heading("From the photo to the result"))
        with gr.Row(equal_height=False):
            self.energies, _ = _plot("energies", plots.ENERGY_SENTENCE)
        with gr.Column(visible=False) as self.exposure:
            gr.HTML(_heading("Ahead of the streams: exposure"))
            with gr.Row(equal_height=False):
                self.curve, _ = _plot("curve", plots.CURVE_SENTENCE)
                with gr.Column(min_width=300, visible=False) as self.matrix_side:
                    self.matrix, _ = _plot("matrix", plots.MATRIX_SENTENCE)

    # ------------------------------------------------------------ events

    def _connect(self, tab: gr.Tab) -> None:
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        place = [self.block, self.stream, self.turn]
        drawn = [
            *self.map_words,
            *(widget for trios in self.maps for trio in trios for widget in trio),
            self.channels, self.channels_words, self.fusion, self.fusion_words, self.energies,
        ]  # fmt: skip
        shown = [
            self.key, self.bar, self.board, self.facts, *place, self.seen_side, self.seen_words,
            self.seen, self.restored_side, self.restored, self.parts, self.exposure, self.curve,
            self.matrix_side, self.matrix,
        ]  # fmt: skip
        offers = [self.weights, self.note, self.go]
        taken = [self.chosen, self.photo, *shown]
        gr.on([self.photo.upload, self.photo.clear], self.take, self.photo, taken, **private)
        self.samples.select(self.take_sample, self.task, taken, **private)
        # The chosen weights are no input of these: Gradio refuses a value that another of them has
        # just taken from the list.
        self.task.input(
            self.change_task,
            self.task,
            [*offers, self.samples],
            trigger_mode="always_last",
            **private,
        )
        tab.select(self.refresh, self.task, offers, **private)
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
        cleared: Update = dict.fromkeys(
            [self.seen_side, self.restored_side, self.parts], gr.update(visible=False)
        ) | {self.chosen: None, self.key: None, self.bar: "", self.facts: ""}
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

    def change_task(self, task_id: str) -> Update:
        """Another task: its weights and examples."""
        offers = self._offers(task_id)
        return {
            self.weights: gr.update(**offers),
            self.note: self._note(task_id),
            self.go: gr.update(interactive=bool(offers["choices"])),
            self.samples: gr.update(**self._samples(task_id)),
        }

    def refresh(self, task_id: str) -> Update:
        """The tab was opened: weights may have been downloaded meanwhile."""
        choices = self._offers(task_id)["choices"]
        return {
            self.weights: gr.update(choices=choices),
            self.note: self._note(task_id),
            self.go: gr.update(interactive=bool(choices)),
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
            | self._drawn(found, 1, 0, 1)
            | {
                self.key: self.kept.put(found),
                self.bar: ui_html.state("Done.", "done"),
                self.board: gr.update(visible=False),
                self.facts: ui_html.facts(plots.facts(found)),
                self.block: gr.update(choices=list(range(1, found.blocks + 1)), value=1),
                self.stream: 0,
                self.turn: 1,
                self.seen_side: shown,
                self.seen_words: _heading("What went in"),
                self.seen: shrink(found.seen).pixels,  # 8 bits
                self.restored_side: shown,
                self.restored: shrink(found.restored).pixels,
                self.parts: shown,
                self.exposure: gr.update(visible=found.curve is not None),
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
        return trace(path, task_id, weights.load(weights_id), max_pixels=self.max_pixels)

    def _drawn(self, found: Trace, block: int, stream: int, turn: int) -> Update:
        """Maps and plots of one place in the network."""

        def first(names: tuple[Name, ...], of: int) -> Feature:
            return next(f for name in names if (f := found.find(name, block, of, turn)))

        update: Update = {}
        for words, trios, names in zip(
            self.map_words, self.maps, (("energy",), ATTENTION), strict=True
        ):
            for of, trio in enumerate(trios):
                feature = first(names, of)
                drawn = plots.map_picture(feature)
                pieces = (plots.map_title(feature), drawn.pixels, plots.scale_html(drawn))
                update |= dict(zip(trio, pieces, strict=True))
            title = plots.WORDS[feature.name].title
            update[words] = _heading(title) + _small(plots.maps_sentence(feature.name))
        channels = first(CHANNELS, stream)
        fusion = found.find("fusion", block, stream, turn)
        silent = plots.SILENT_SENTENCES[found.architecture]
        return update | {
            self.channels: plots.channel_bars(channels),
            self.channels_words: _small(plots.WORDS[channels.name].sentence),
            self.fusion: gr.update(visible=False)
            if fusion is None
            else gr.update(value=plots.fusion_bars(fusion), visible=True),
            self.fusion_words: _small(silent if fusion is None else plots.WORDS["fusion"].sentence),
            self.energies: plots.energies(mean_energy(found), block, turn),
        }

    # ------------------------------------------------------------ tasks and weights

    def _samples(self, task_id: str) -> dict[str, Any]:
        samples = ui_html.examples_for(task_id)
        return {
            "value": [(str(sample.path), sample.title) for sample in samples],
            "label": "Or an example",
            "visible": bool(samples),
        }

    def _offers(self, task_id: str) -> dict[str, Any]:
        """Weights that are on this machine; the first is chosen."""
        here = [e for e in catalogue.entries_for(task_id) if weights.locate(e.id) is not None]
        return {
            "choices": [(entry.title, entry.id) for entry in here],
            "value": here[0].id if here else None,
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


def _picture(alt: str, elem_id: str) -> gr.Image:
    return gr.Image(
        format="png",
        interactive=False,
        show_label=False,
        buttons=["fullscreen"],
        alt_text=alt,
        elem_id=elem_id,
    )


def _plot(name: str, words: str = "") -> tuple[gr.Plot, gr.HTML]:
    """A column of its own for a plot and its words."""
    with gr.Column(min_width=300):
        return gr.Plot(show_label=False, elem_id=f"inside-{name}"), gr.HTML(_small(words))


def _heading(words: str) -> str:
    return f'<h2 class="mir-part">{words}</h2>'


def _small(words: str) -> str:
    return f'<p class="mir-small">{words}</p>'
