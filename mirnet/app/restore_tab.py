"""The Restore tab: widgets and their events. Nothing here computes.

Every event that runs a network is a generator, so that Stop and a closed browser end it within one
tile. The photo goes from the uploaded file straight to `mirnet.images.decode`, past Gradio's own decoder,
and the download is our own file. Torch is imported when the first photo is added, not before.
"""

import contextlib
import functools
import importlib
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from mirnet.errors import InvalidRequest, MIRNetError
from mirnet.images.decode import read_image
from mirnet.images.encode import encode_image, write_image
from mirnet.images.formats import PICTURE_SUFFIXES, SAVE_FORMATS
from mirnet.images.names import clean_name
from mirnet.images.preview import PREVIEW_PX, cut_out, shrink
from mirnet.metrics.protocols import RGB_8BIT
from mirnet.restoration import choices
from mirnet.tasks import TASKS, get_task
from mirnet.weights import catalogue
from mirnet.weights import load as weights
from mirnet.weights.fetch import FetchProgress, fetch

from . import html as ui_html
from .auth import Access, allows
from .jobs import (
    QueuePosition,
    RestoreRequest,
    ResultCache,
    Run,
    Runs,
    choose_weights,
    in_turn,
    restore_file,
    result_name,
    unused_name,
)
from .kit.assets import ASSETS, script
from .queue import FairQueue
from .zero_gpu import ZeroGPU, restore_by

if TYPE_CHECKING:
    from collections.abc import Generator

    from mirnet.restoration.job import TileProgress
    from mirnet.restoration.result import RestoreResult

Update = dict[Any, Any]
"""Which widget gets what."""

READABLE = ["image", *PICTURE_SUFFIXES]
"""What the file chooser offers; the suffixes are those browsers do not take for pictures."""
VIEWS = (("Slider", "slider"), ("Side by side", "pair"), ("100 %", "close"))
"""Ways to look at a result."""
TILES_PX = (("Automatic", 0), ("256 px", 256), ("384 px", 384), ("512 px", 512), ("768 px", 768))
"""Tile sizes on offer; 0 lets the library choose."""
TILINGS = [(choice.label, choice.id) for choice in choices.TILINGS.values()]
"""Ways in which tiles may agree."""
ENGINES = [(choice.label, choice.id) for choice in choices.ENGINES.values() if choice.id != "fp16"]
"""What may compute; float16 is for a GPU and left to the command line."""
FORMAT_INFO = "PNG and TIFF keep every bit; JPEG and WebP are smaller, with 8 bits"
MAX_FILES = 50
"""Most photos of one batch."""
OLDER_RESULT = "What you see was made before: press Restore for this task."
STOP_WAIT_SECONDS = 120.0
"""How long the Stop button waits for the tile under way."""

NAME_SAMPLES = script(ASSETS / "name_samples.js")

MEASURE_ROOM = script(ASSETS / "measure_stage.js")

SHOW_STAGE = script(ASSETS / "show_stage.js")

FOCUS_STOP = script(ASSETS / "focus_stop.js")

READING = script(ASSETS / "reading.js", progress=ui_html.progress("Reading the photo …"))

READ = script(ASSETS / "photo_read.js")


class RestoreTab:
    """Builds the tab inside the current `gr.Blocks` and answers its events."""

    def __init__(
        self,
        page: gr.Blocks,
        max_pixels: int,
        apart: ZeroGPU | None = None,
        access: Access | None = None,
    ):
        """Build the tab.

        Args:
            page: The page that is being built.
            max_pixels: Most pixels accepted, in a photo and in its result.
            apart: Restores in another process, as a Space with a shared GPU wants it; None restores
                here.
            access: Who may download weights; everybody, by default.
        """
        self.max_pixels = max_pixels
        self.access = access or Access("admin")
        self._apart = apart
        self.shelf = ResultCache()
        self.runs = Runs()
        self.desk = FairQueue()
        self._warming = threading.Lock()
        self._build()
        self._connect(page)
        self._add_endpoint()

    def work(
        self, path: str, order: RestoreRequest, run: Run, visitor: str
    ) -> "Generator[QueuePosition | TileProgress | RestoreResult]":
        """Restore one file when it is its turn, here or where the accelerator is."""
        if self._apart:
            work = functools.partial(restore_by, self._apart)
        else:
            work = functools.partial(restore_file, run=run)
        return in_turn(self.desk, visitor, path, order, run, work)

    # ------------------------------------------------------------ widgets

    def _build(self) -> None:
        first = next(iter(TASKS))
        self.chosen = gr.State(())  # paths of the photos to restore
        self.kept = gr.State(None)  # key of the result on the shelf
        self.kind = gr.State("")  # title of the weights chosen last
        self.task = gr.Radio(
            [(ui_html.task_label(task), task.id) for task in TASKS.values()],
            value=first,
            label="What should happen to the photo?",
            elem_id="task",
        )
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=3, min_width=300, elem_id="controls"):
                self._build_controls(first)
            with gr.Column(scale=7, min_width=320, elem_id="stage"):
                self._build_stage()

    def _build_controls(self, first: str) -> None:
        self.photos = gr.File(
            label="Photos",
            file_count="multiple",
            file_types=READABLE,
            elem_id="photos",
            height=120,
        )
        self.samples = gr.Gallery(
            **self._sample_values(first),
            columns=3,
            rows=1,
            allow_preview=False,
            interactive=False,
            buttons=[],
            format="png",
            object_fit="cover",
            elem_id="samples",
        )
        self.weights = gr.Dropdown(
            **self._weights_values(first), label="Weights", elem_id="weights", filterable=False
        )
        self.note = gr.HTML(self._note(first, self.weights.value), elem_id="weights-note")
        self.fetch = gr.Button("Download", visible=False, elem_id="fetch", size="md")
        with gr.Row(elem_id="buttons"):
            self.go = gr.Button("Restore", variant="primary", elem_id="go", scale=2, min_width=120)
            self.stop = gr.Button("Stop", interactive=False, elem_id="stop", scale=1, min_width=80)
        self.bar = gr.HTML("", elem_id="bar")
        with gr.Accordion("Camera or clipboard", open=False, elem_id="camera-panel"):
            self.camera = gr.Image(
                label="Take or paste a picture",
                sources=["webcam", "clipboard"],
                type="filepath",
                image_mode=None,
                format="png",
                elem_id="camera",
                height=260,
            )
        with gr.Accordion("Advanced", open=False, elem_id="advanced"):
            self.strength = gr.Slider(
                0, 1, 1, step=0.05, label="Strength", info="0 keeps the photo, 1 is the full result"
            )
            self.ensemble = gr.Checkbox(
                False, label="Average 8 views", info="A little better, 8 times slower"
            )
            self.tile_px = gr.Dropdown(
                list(TILES_PX), value=0, label="Tile size", info="Smaller tiles need less memory"
            )
            self.tiling = gr.Dropdown(
                list(TILINGS),
                value="auto",
                label="Tiles match the whole photo",
                info="A large photo is restored in tiles",
            )
            self.engine = gr.Dropdown(
                list(ENGINES),
                value="auto",
                label="Engine",
                info="Automatic is the quickest one here that is exact",
                elem_id="engine",
            )
            self.same_size = gr.Checkbox(
                False,
                label="My photo already has its final size",
                info="Sharpen only, without enlarging first",
                visible=False,
                elem_id="same-size",
            )

    def _build_stage(self) -> None:
        self.board = gr.HTML(ui_html.EMPTY, elem_id="board")
        self.view = gr.Radio(
            list(VIEWS), value="slider", label="View", visible=False, elem_id="view"
        )
        picture: dict[str, Any] = {"format": "png", "interactive": False, "visible": False}
        self.photo = gr.Image(
            label="Your photo",
            alt_text="Your photo before restoration",
            elem_id="photo",
            buttons=["fullscreen"],
            **picture,
        )
        self.slider = gr.ImageSlider(
            label="Before, left of the line · after, right of it",
            type="filepath",
            elem_id="slider",
            max_height=720,
            buttons=["fullscreen"],
            **picture,
        )
        with gr.Row(visible=False, elem_id="pair") as self.pair:
            sides: dict[str, Any] = {"format": "png", "interactive": False, "min_width": 280}
            self.before = gr.Image(
                label="Before",
                alt_text="Before restoration; click for true pixels",
                buttons=[],
                elem_id="before",
                **sides,
            )
            self.after = gr.Image(
                label="After",
                alt_text="After restoration; click for true pixels",
                buttons=[],
                elem_id="after",
                **sides,
            )
        with gr.Column(visible=False, elem_id="close") as self.close:
            self.close_slider = gr.ImageSlider(
                label="True pixels: before, left of the line · after, right of it",
                type="filepath",
                format="png",
                interactive=False,
                elem_id="close-slider",
                max_height=900,
                buttons=[],
            )
            with gr.Row():
                self.across = gr.Slider(0, 100, 50, step=1, label="Left to right, %", min_width=260)
                self.down = gr.Slider(0, 100, 50, step=1, label="Top to bottom, %", min_width=260)
        self.room_px = gr.Number(640, visible=False)
        self.views = [
            self.view, self.slider, self.pair, self.before, self.after, self.close,
            self.close_slider, self.across, self.down,
        ]  # fmt: skip
        self.facts = gr.HTML("", elem_id="facts")
        with gr.Row(visible=False, elem_id="saving") as self.saving:
            self.save_format = gr.Radio(
                list(SAVE_FORMATS),
                value="PNG",
                label="File format",
                info=FORMAT_INFO,
                elem_id="format",
                scale=3,
                min_width=220,
            )
            self.download = gr.DownloadButton(
                "Download",
                variant="primary",
                interactive=False,
                elem_id="download",
                scale=2,
                min_width=180,
            )
        with gr.Accordion(
            "Have the clean original? Measure PSNR and SSIM",
            open=False,
            visible=False,
            elem_id="measure",
        ) as self.measure:
            self.original = gr.File(
                label="Clean original, of the result's size",
                file_types=READABLE,
                elem_id="original",
                height=120,
            )
            self.scores = gr.HTML("", elem_id="scores")

    # ------------------------------------------------------------ events

    def _connect(self, page: gr.Blocks) -> None:
        private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        stage = [
            self.chosen, self.kept, self.bar, self.board, self.photo, *self.views, self.facts,
            self.saving, self.save_format, self.download, self.measure, self.scores, self.go,
            self.stop,
        ]  # fmt: skip
        inputs = [*stage, self.photos, self.camera, self.original, self.task]
        offers = [self.weights, self.note, self.fetch]
        choices = [*offers, self.samples, self.same_size]
        come = [self.photos.upload, self.photos.clear, self.photos.delete]
        gr.on(
            [*come, self.camera.input, self.samples.select],
            None,
            outputs=[self.bar, self.go],
            js=READING,
            api_visibility="private",
        )
        for taken in (
            gr.on(come, self.take_files, self.photos, inputs, **private),
            self.camera.input(self.take_camera, self.camera, inputs, **private),
            self.samples.select(self.take_sample, self.task, inputs, **private),
        ):
            for ended in (taken.success, taken.failure):
                ended(None, outputs=[self.go], js=READ, api_visibility="private")
        changed = self.task.input(
            self.change_task,
            [self.task, self.kind, self.kept],
            [*choices, self.bar],
            trigger_mode="always_last",  # who tries one after the other gets the last one's
            **private,
        )
        # Weights may have come or gone since the page was built.
        page.load(self.change_task, [self.task, self.kind], choices, **private)
        for shown in (page.load, changed.success):
            shown(None, js=NAME_SAMPLES, api_visibility="private")
        self.weights.input(
            self.choose_weights,
            [self.task, self.weights],
            [self.note, self.fetch, self.kind],
            trigger_mode="always_last",
            **private,
        )
        pressed = self.go.click(
            self.queue_up, None, [self.bar, self.go, self.stop], queue=False, **private
        )
        pressed.then(None, js=FOCUS_STOP, api_visibility="private")
        running = pressed.then(
            self.run,
            [
                self.chosen, self.task, self.weights, self.strength, self.ensemble, self.tile_px,
                self.same_size, self.tiling, self.engine, self.save_format, self.original,
                self.view, self.room_px,
            ],
            stage,
            js=MEASURE_ROOM,
            concurrency_limit=None,  # the desk decides
            **private,
        )  # fmt: skip
        running.success(None, js=SHOW_STAGE, api_visibility="private")
        fetching = self.fetch.click(
            self.fetch_weights,
            [self.task, self.weights],
            [self.bar, self.go, self.stop, *offers],
            concurrency_id="downloads",
            concurrency_limit=1,
            **private,
        )
        self.stop.click(
            self.halt,
            None,
            [self.bar, self.board, self.go, self.stop, self.saving, self.download],
            cancels=[running, fetching],
            concurrency_limit=None,
            **private,
        )
        self._connect_result(private)

    def _connect_result(self, private: dict[str, Any]) -> None:
        where = [self.kept, self.across, self.down, self.room_px]
        looks: dict[str, Any] = {"outputs": self.views, "js": MEASURE_ROOM, **private}
        self.view.input(self.change_view, [self.view, *where], **looks)
        for slider in (self.across, self.down):
            slider.release(self.look, where, **looks)
        for picture in (self.before, self.after):
            picture.select(self.look_at, [self.kept, self.room_px], **looks)
        self.save_format.input(
            self.change_format, [self.kept, self.save_format], self.download, **private
        )
        gr.on(
            [self.original.upload, self.original.clear],
            self.score,
            [self.kept, self.original],
            self.scores,
            **private,
        )

    # ------------------------------------------------------------ photos in

    def take_files(self, paths: list[str] | None) -> Iterator[Update]:
        """Files were dropped, chosen, pasted or removed."""
        yield from self._take(tuple(paths or ()), keep=self.photos)

    def take_camera(self, path: str | None) -> Iterator[Update]:
        """A picture came from the camera or the clipboard."""
        yield from self._take((path,) if path else (), keep=self.camera)

    def take_sample(self, task_id: str, event: gr.SelectData) -> Iterator[Update]:
        """An example was clicked; its clean original comes with it."""
        sample = ui_html.examples_for(task_id)[int(event.index)]
        for update in self._take((str(sample.path),), keep=None):
            yield update | {self.original: str(sample.original)}

    def _take(
        self, paths: tuple[str, ...], keep: gr.components.Component | None
    ) -> Iterator[Update]:
        """Show what was added and forget what was there; `keep` is where it came from."""
        others = {
            widget: None
            for widget in (self.photos, self.camera, self.original)
            if widget is not keep
        }
        cleared = others | self._cleared()
        if not paths:
            yield cleared | {self.board: gr.update(value=ui_html.EMPTY, visible=True)}
            return
        try:
            if len(paths) > MAX_FILES:
                raise InvalidRequest(
                    f"{len(paths)} photos are too many at once: choose at most {MAX_FILES}."
                )
            if len(paths) > 1:
                rows = [(Path(path).name, "waiting", "waiting") for path in paths]
                board = gr.update(value=ui_html.batch_table(rows), visible=True)
                ready = f"{len(paths)} photos are ready: press Restore for one zip."
                yield cleared | {
                    self.board: board,
                    self.bar: ui_html.state(ready),
                    self.saving: gr.update(visible=True),
                    self.save_format: gr.update(info=f"For the next zip. {FORMAT_INFO}"),
                }
            else:
                picture = read_image(paths[0], max_pixels=self.max_pixels)
                with _Folder() as folder:
                    path = write_image(shrink(picture), folder / "photo.png")
                    yield cleared | {
                        self.board: gr.update(visible=False),
                        self.photo: gr.update(value=str(path), visible=True),
                        self.facts: ui_html.photo_facts(picture),
                    }
            yield {self.chosen: paths}
            self._warm_up()
        except MIRNetError as error:
            yield cleared | {
                self.photos: None,
                self.camera: None,
                self.board: gr.update(value=ui_html.EMPTY, visible=True),
                self.bar: ui_html.state(str(error), "failed"),
            }
            raise _shown(error) from error

    def _cleared(self) -> Update:
        """The stage without photo and result."""
        hidden = gr.update(visible=False)
        return {
            self.chosen: (),
            self.kept: None,
            self.bar: "",
            self.photo: gr.update(value=None, visible=False),
            self.slider: gr.update(value=None, visible=False),
            self.pair: hidden,
            self.close: hidden,
            self.view: hidden,
            self.facts: "",
            self.saving: hidden,
            self.save_format: gr.update(info=FORMAT_INFO),
            self.download: gr.update(value=None, label="Download", interactive=False),
            self.measure: hidden,
            self.scores: "",
        }

    def _warm_up(self) -> None:
        """Import torch, and compile what an engine needs, while the person looks at the photo."""

        def work() -> None:
            with self._warming:
                importlib.import_module("mirnet.restoration.api")
                importlib.import_module("mirnet.restoration.engines.winograd").compile_ahead()

        threading.Thread(target=work, name="warm-up", daemon=True).start()

    # ------------------------------------------------------------ tasks and weights

    def _sample_values(self, task_id: str) -> dict[str, Any]:
        samples = ui_html.examples_for(task_id)
        return {
            "value": [(str(sample.path), sample.title) for sample in samples],
            "label": "Or try an example (free photo, synthetic damage)",
            "visible": bool(samples),
        }

    def _weights_values(self, task_id: str, wanted: str | None = None) -> dict[str, Any]:
        entries = catalogue.entries_for(task_id)
        ids = [entry.id for entry in entries]
        return {
            "choices": [(ui_html.weights_label(entry), entry.id) for entry in entries],
            "value": wanted if wanted in ids else (ids[0] if ids else None),
        }

    def _may_download(self, request: gr.Request | None) -> bool:
        return allows(self.access.role(request), "admin")

    def _note(self, task_id: str, weights_id: str | None, request: gr.Request | None = None) -> str:
        entry = catalogue.load_catalogue().get(weights_id or "")
        return ui_html.weights_note(get_task(task_id), entry, self._may_download(request))

    def change_task(
        self,
        task_id: str,
        kind: str = "",
        kept: str | None = None,
        request: gr.Request | None = None,
    ) -> Update:
        """Another task: its weights, of the kind that was chosen, and its examples."""
        alike = (entry.id for entry in catalogue.entries_for(task_id) if entry.title == kind)
        values = self._weights_values(task_id, next(alike, None))
        older = {self.bar: ui_html.state(OLDER_RESULT)} if kept else {}
        return older | {
            self.weights: gr.update(**values),
            self.samples: gr.update(**self._sample_values(task_id)),
            self.same_size: gr.update(visible=get_task(task_id).scale > 1, value=False),
            **self.change_weights(task_id, values["value"], request),
        }

    def choose_weights(
        self, task_id: str, weights_id: str | None, request: gr.Request | None = None
    ) -> Update:
        """Other weights were chosen: another task is to have those of their kind."""
        entry = catalogue.load_catalogue().get(weights_id or "")
        kind = entry.title if entry else ""
        return self.change_weights(task_id, weights_id, request) | {self.kind: kind}

    def change_weights(
        self, task_id: str, weights_id: str | None, request: gr.Request | None = None
    ) -> Update:
        """Other weights: what they are, and a Download button where they are not here."""
        entry = catalogue.load_catalogue().get(weights_id or "")
        offer = entry is not None and entry.downloadable and not weights.locate(entry.id)
        offer = offer and self._may_download(request)
        label = f"Download · {ui_html.size_text(entry)}" if entry is not None else "Download"
        return {
            self.note: self._note(task_id, weights_id, request),
            self.fetch: gr.update(visible=offer, value=label),
        }

    def fetch_weights(
        self, task_id: str, weights_id: str | None, request: gr.Request
    ) -> Iterator[Update]:
        """Download the chosen weights; Stop ends it."""
        visitor = str(request.session_hash)
        run = self.runs.begin(visitor)
        busy = {self.go: gr.update(interactive=False), self.stop: gr.update(interactive=True)}
        idle = {self.go: gr.update(interactive=True), self.stop: gr.update(interactive=False)}
        try:
            ids = [entry.id for entry in catalogue.entries_for(get_task(task_id).id)]
            if weights_id not in ids:
                raise InvalidRequest("Choose weights first.")
            if not self._may_download(request):
                raise InvalidRequest("Only the operator of this page downloads weights.")
            for event in fetch(str(weights_id)):
                words, share = _fetch_words(event)
                yield busy | {self.bar: ui_html.progress(words, share)}
            yield idle | {
                self.bar: ui_html.state("The weights are here: press Restore.", "done"),
                self.weights: gr.update(**self._weights_values(task_id, weights_id)),
                **self.change_weights(task_id, weights_id, request),
            }
        except MIRNetError as error:
            yield idle | {self.bar: ui_html.state("Nothing was downloaded.", "failed")}
            raise _shown(error) from error
        finally:
            self.runs.end(visitor, run)

    # ------------------------------------------------------------ restoring

    def queue_up(self) -> Update:
        """Restore was pressed: the words for the time until it is this visitor's turn."""
        return {
            self.bar: ui_html.progress("Waiting for a turn …"),
            self.go: gr.update(interactive=False),
            self.stop: gr.update(interactive=True),
        }

    def run(
        self,
        chosen: tuple[str, ...],
        task_id: str,
        weights_id: str | None,
        strength: float,
        ensemble: bool,
        tile_px: int,
        same_size: bool,
        tiling: str,
        engine: str,
        save_format: str,
        original: str | None,
        view: str,
        room_px: float,
        request: gr.Request,
    ) -> Iterator[Update]:
        """Restore the chosen photo or photos."""
        visitor = str(request.session_hash)
        run = self.runs.begin(visitor)
        idle = {self.go: gr.update(interactive=True), self.stop: gr.update(interactive=False)}
        try:
            if not chosen:
                raise InvalidRequest("There is no photo yet: drop one, or click an example.")
            order = RestoreRequest(
                task_id,
                choose_weights(task_id, weights_id),
                float(strength),
                bool(ensemble),
                int(tile_px) or None,
                bool(same_size) and get_task(task_id).scale > 1,
                self.max_pixels,
                tiling,
                engine,
            )
            yield {self.bar: ui_html.progress("Reading the photo, loading the network …")}
            if len(chosen) == 1:
                look = view, room_px
                photo = self.work(chosen[0], order, run, visitor)
                yield from self._run_one(photo, order.task, save_format, original, look, idle)
            else:
                yield from self._run_many(chosen, order, run, visitor, save_format, idle)
        except MIRNetError as error:
            if run.stopped:
                return
            yield idle | {self.bar: ui_html.state("Nothing was restored.", "failed")}
            raise _shown(error) from error
        except Exception:
            yield idle | {self.bar: ui_html.state("This failed, and the fault is ours.", "failed")}
            raise
        finally:
            self.runs.end(visitor, run)

    def _run_one(
        self,
        photo: "Generator[QueuePosition | TileProgress | RestoreResult]",
        task: str,
        save_format: str,
        original: str | None,
        look: tuple[str, float],
        idle: Update,
    ) -> Iterator[Update]:
        """Restore one photo and show it."""
        from mirnet.restoration.result import RestoreResult

        result: RestoreResult | None = None
        with contextlib.closing(photo) as events:
            for event in events:
                if isinstance(event, RestoreResult):
                    result = event
                else:
                    yield {self.bar: ui_html.progress(*_event_words(event))}
        assert result is not None
        yield {self.bar: ui_html.progress(f"Writing the {save_format} …", 1.0)}
        key = self.shelf.put(result)
        with _Folder() as folder:
            began = time.monotonic()
            file = result.save(folder / result_name(result.picture, task, save_format), save_format)
            took = ui_html.duration(result.seconds + time.monotonic() - began)
            yield idle | {
                self.kept: key,
                self.bar: ui_html.state(f"Done in {took}.", "done"),
                self.photo: gr.update(visible=False),
                self.view: gr.update(visible=True),
                self.across: 50,
                self.down: 50,
                **self._seen_as(look[0], result, folder, (50, 50), look[1]),
                self.facts: ui_html.facts(result.facts()),
                self.saving: gr.update(visible=True),
                self.download: _download(file),
                self.measure: gr.update(visible=True, open=bool(original)),
                self.scores: "",
            }
        if original:
            yield {self.scores: self.score(key, original)}

    def _run_many(
        self,
        paths: tuple[str, ...],
        order: RestoreRequest,
        run: Run,
        visitor: str,
        save_format: str,
        idle: Update,
    ) -> Iterator[Update]:
        """Restore several photos into one zip; those that cannot be read are named, not fatal."""
        from mirnet.restoration.result import RestoreResult

        run.rows = rows = [(clean_name(Path(path).name), "waiting", "waiting") for path in paths]
        folder = Path(tempfile.mkdtemp(prefix="mirnet-"))
        run.archive = folder / f"mirnet-{order.task}.zip"
        failed = 0
        try:
            with zipfile.ZipFile(run.archive, "w", zipfile.ZIP_STORED) as archive:
                for index, path in enumerate(paths):
                    name = rows[index][0]
                    rows[index] = (name, "working", "restoring …")
                    yield {self.board: ui_html.batch_table(rows)}
                    count = f"Photo {index + 1} of {len(paths)}"
                    try:
                        photo = self.work(path, order, run, visitor)
                        with contextlib.closing(photo) as events:
                            for event in events:
                                if not isinstance(event, RestoreResult):
                                    words, share = _event_words(event, alone=False)
                                    share = (index + (share or 0.0)) / len(paths)
                                    bar = ui_html.progress(f"{count} · {words}", share)
                                    yield {self.bar: bar}
                                    continue
                                wanted = result_name(event.picture, order.task, save_format)
                                name = unused_name(wanted, archive.namelist())
                                archive.writestr(name, encode_image(event.picture, save_format))
                                run.finished += 1
                                rows[index] = (rows[index][0], "done", f"{name} · {event.facts()}")
                    except MIRNetError as error:
                        if run.stopped:
                            raise
                        failed += 1
                        rows[index] = (rows[index][0], "failed", str(error))
            words = f"{run.finished} of {len(paths)} photos restored."
            if failed:
                words += f" {failed} could not be: the list says why."
            yield idle | {
                self.board: ui_html.batch_table(rows),
                self.bar: ui_html.state(words, "done" if run.finished else "failed"),
                self.saving: gr.update(visible=run.finished > 0),
                self.download: _download(run.archive) if run.finished else gr.skip(),
            }
        finally:
            if not run.stopped:
                shutil.rmtree(folder, ignore_errors=True)

    def halt(self, request: gr.Request) -> Iterator[Update]:
        """Stop was pressed: the run ends before its next tile."""
        run = self.runs.stop(str(request.session_hash))
        idle = {self.go: gr.update(interactive=True), self.stop: gr.update(interactive=False)}
        if run is None:  # it was still waiting, or has just ended
            yield idle | {self.bar: ui_html.state("Stopped. Nothing was changed.")}
            return
        yield {
            self.bar: ui_html.progress("Stopping after the tile under way …"),
            self.stop: gr.update(interactive=False),
        }
        run.ended.wait(STOP_WAIT_SECONDS)
        words = "Stopped. Nothing was changed."
        update: Update = dict(idle)
        if run.rows:
            update[self.board] = ui_html.batch_table(ui_html.stopped_rows(run.rows))
        if run.archive is not None and run.finished:
            words = ui_html.stopped_batch(run.finished)
            update |= {
                self.saving: gr.update(visible=True),
                self.download: _download(run.archive),
            }
        yield update | {self.bar: ui_html.state(words)}
        if run.archive is not None:
            shutil.rmtree(run.archive.parent, ignore_errors=True)

    # ------------------------------------------------------------ looking and saving

    def _seen_as(
        self,
        view: str,
        result: "RestoreResult",
        folder: Path,
        place: tuple[float, float],
        room_px: float,
    ) -> Update:
        """Fill and show one of the three views; the others are hidden.

        Args:
            view: Which one, from `VIEWS`.
            result: What to show.
            folder: Where its pictures may lie.
            place: For "close", where to look, in percent across and down.
            room_px: How wide the page's stage is.
        """
        pair = {"before": result.before, "after": result.picture}
        if view == "close":
            width = int(min(max(room_px, 200), PREVIEW_PX))
            height = min(max(width * 2 // 3, 300), 640)
            across, down = place[0] / 100, place[1] / 100
            pair = {
                name: cut_out(picture, across, down, width, height)
                for name, picture in pair.items()
            }
        before, after = (
            str(write_image(shrink(picture), folder / f"{name}-{view}.png"))
            for name, picture in pair.items()
        )
        update: Update = {
            self.slider: gr.update(visible=view == "slider"),
            self.pair: gr.update(visible=view == "pair"),
            self.close: gr.update(visible=view == "close"),
        }
        if view == "close":  # what fits has no places to choose from
            whole, cut = result.picture, pair["after"]
            update[self.across] = gr.update(value=place[0], visible=cut.width < whole.width)
            update[self.down] = gr.update(value=place[1], visible=cut.height < whole.height)
        if view == "slider":
            update[self.slider] = gr.update(value=(before, after), visible=True)
        elif view == "pair":
            update |= {self.before: before, self.after: after}
        else:
            shown_px = pair["after"].width + 2  # and the frame's two
            update[self.close_slider] = gr.update(value=(before, after), width=shown_px)
        return update

    def change_view(
        self, view: str, key: str | None, across: float, down: float, room_px: float
    ) -> Iterator[Update]:
        """Another way to look at the result."""
        result = self._result(key)
        with _Folder() as folder:
            yield self._seen_as(view, result, folder, (across, down), room_px)

    def look(self, key: str | None, across: float, down: float, room_px: float) -> Iterator[Update]:
        """Another place at 100 %."""
        yield from self.change_view("close", key, across, down, room_px)

    def look_at(self, key: str | None, room_px: float, event: gr.SelectData) -> Iterator[Update]:
        """A place in the side-by-side view was clicked: show its true pixels."""
        picture = shrink(self._result(key).picture)
        across = round(100 * event.index[0] / max(picture.width - 1, 1))
        down = round(100 * event.index[1] / max(picture.height - 1, 1))
        for update in self.change_view("close", key, across, down, room_px):
            yield update | {self.view: "close"}

    def change_format(self, key: str | None, save_format: str) -> Iterator[Any]:
        """Write the result in another file format; a zip keeps the one it was made with."""
        if key is None:
            yield gr.skip()
            return
        result = self._result(key)
        yield gr.update(interactive=False, label=f"Writing the {save_format} …")
        with _Folder() as folder:
            try:
                file = result.save(
                    folder / result_name(result.picture, result.task, save_format), save_format
                )
            except MIRNetError as error:
                yield gr.update(label="Not possible in this format")
                raise _shown(error) from error
            yield _download(file)

    def score(self, key: str | None, original: str | None) -> str:
        """Measure input and result against the clean original."""
        if not original or key is None:
            return ""
        try:
            result = self.shelf.get(key)
            truth = read_image(original, max_pixels=self.max_pixels)
            before, after = (
                RGB_8BIT.score(picture.pixels, truth.pixels, skip_small=True)
                for picture in (result.before, result.picture)
            )
            return ui_html.scores_table(before, after)
        except MIRNetError as error:
            return ui_html.state(str(error), "failed")

    def _result(self, key: str | None) -> "RestoreResult":
        try:
            return self.shelf.get(key)
        except MIRNetError as error:
            raise _shown(error) from error

    # ------------------------------------------------------------ for programs

    def _add_endpoint(self) -> None:
        """The one public endpoint, /restore; its widgets are never drawn."""
        hidden: dict[str, Any] = {"visible": False}
        inputs = [
            gr.File(label="image", **hidden),
            gr.Dropdown(list(TASKS), value=next(iter(TASKS)), label="task", **hidden),
            gr.Textbox("", label="weights", **hidden),
            gr.Number(1.0, label="strength", **hidden),
            gr.Checkbox(False, label="ensemble", **hidden),
            gr.Dropdown(list(SAVE_FORMATS), value="PNG", label="format", **hidden),
        ]
        gr.Button(visible=False).click(
            self.restore,
            inputs,
            gr.File(label="restored", **hidden),
            api_name="restore",
            api_description="Restore one photo and return it as a file of full depth. weights: id "
            "in the catalogue, empty for the task's own.",
            concurrency_limit=None,  # the desk decides
        )

    def restore(
        self,
        image: str | None,
        task: str,
        weights: str,
        strength: float,
        ensemble: bool,
        format: str,  # noqa: A002
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  # how Gradio wants it
    ) -> Iterator[str | None]:
        """Restore one photo for a program: nothing after each tile, then the file."""
        from mirnet.restoration.result import RestoreResult

        run = Run()
        try:
            if image is None:
                raise InvalidRequest("There is no photo: pass one as `image`.")
            order = RestoreRequest(
                task,
                choose_weights(task, weights),
                strength,
                ensemble,
                max_pixels=self.max_pixels,
            )
            visitor = str(request.session_hash)
            with contextlib.closing(self.work(image, order, run, visitor)) as events:
                for event in events:
                    if not isinstance(event, RestoreResult):
                        words, share = _event_words(event)
                        progress(share, desc=words)
                        yield None
                        continue
                    with _Folder() as folder:
                        name = result_name(event.picture, task, format)
                        yield str(event.save(folder / name, format))
        except MIRNetError as error:
            raise _shown(error) from error


class _Folder:
    """A folder that lasts until Gradio has taken the files of one `yield` into its own cache."""

    def __enter__(self) -> Path:
        self._folder = tempfile.TemporaryDirectory(prefix="mirnet-", ignore_cleanup_errors=True)
        return Path(self._folder.name)

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def _shown(error: MIRNetError) -> gr.Error:
    """Our sentence as the page's message."""
    return gr.Error(str(error), duration=12, print_exception=False)


def _download(file: Path) -> Any:
    """The download button for a file."""
    size = file.stat().st_size
    words = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{max(size // 1000, 1)} kB"
    kinds = {known.suffixes[0]: name for name, known in SAVE_FORMATS.items()}
    kind = kinds.get(file.suffix, file.suffix.lstrip(".").upper())
    return gr.update(value=str(file), label=f"Download {kind} · {words}", interactive=True)


def _event_words(
    event: "QueuePosition | TileProgress", alone: bool = True
) -> tuple[str, float | None]:
    """Progress in words, and as a share where there is any.

    Args:
        event: What happened.
        alone: Whether the photo is the only one, so that its time left is everybody's.
    """
    if isinstance(event, QueuePosition):
        return event.words(), None
    done, tiles, left = event.tile, event.tiles, event.seconds_left
    words = f"Tile {done} of {tiles}"
    if alone and left is not None and done < tiles:
        words += f" · {ui_html.duration(left)} left"
    return words, done / tiles


def _fetch_words(event: FetchProgress) -> tuple[str, float | None]:
    """Progress of a download in words, and as a share where it is known."""
    done, total = event.done_bytes / 1e6, (event.total_bytes or 0) / 1e6
    if event.state == "downloading" and event.done_bytes:
        of = f" of {total:.1f}" if total else ""
        return f"Downloading · {done:.1f}{of} MB", min(done / total, 1) if total else None
    words = {
        "waiting": "Another window downloads the same weights …",
        "downloading": "Asking for the file …",
        "checking": "Checking the file …",
        "converting": "Converting to safetensors …",
        "ready": "Ready",
    }
    return words[event.state], None
