"""`python -m tests screenshots`: the pictures of the README and the docs, taken of the page.

The page is started with an empty folder of runs, so every picture shows what a visitor meets:
examples, recorded runs and results that are made meanwhile. Chromium and Playwright are those of
the tests.
"""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PIL import Image

from tests.support.paths import ROOT
from tests.support.restore_page import try_example
from tests.support.running import running_app, running_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTH, HEIGHT = 1440, 900
"""Size of the window in CSS pixels."""
PATIENCE_MS = 300_000
"""Longest wait for anything on the page in milliseconds, on a busy machine."""
LOADED = """[...document.images].filter((image) => image.checkVisibility())
  .every((image) => image.complete && image.naturalWidth > 0)"""
"""Whether every picture that is shown has arrived."""
QUALITY = 70
"""WebP quality of the still pictures."""
TOUR = "mirnet/docs/tour.webp"
"""Moving picture for the top of the README, relative to the repository."""
TOUR_WIDTH = 960
"""Width of the moving picture in pixels."""
TOUR_QUALITY = 45
"""WebP quality of the moving picture."""


class Shot(NamedTuple):
    """A still picture of a view."""

    path: str
    """File, relative to the repository."""
    query: str
    """Query of the page's address; "RUN" stands for the id of the recorded run."""
    ready: str
    """Selector of what must be visible first."""
    prepare: Callable[["Page"], None] = lambda page: None
    """What is done on the page before the picture is taken."""
    seconds: float = 1.4
    """How long the picture stays in the moving one; 0 leaves it out."""


SHOTS = (
    Shot("mirnet/docs/restore.webp", "?tab=restore", "#example-slider img", try_example, 0),
    Shot("eval/docs/overview.webp", "?tab=evaluate&view=overview", "#ev-over-table td"),
    Shot(
        "eval/docs/report.webp",
        "?tab=evaluate&view=board&run=RUN",
        "#ev-report-plots .js-plotly-plot .main-svg >> nth=1",
    ),
    Shot(
        "eval/docs/pictures.webp",
        "?tab=evaluate&view=pictures&run=RUN",
        "#ev-pictures img",
    ),
    Shot("eval/docs/methods.webp", "?tab=methods", "#methods-pictures img"),
    Shot("eval/docs/review.webp", "?tab=review", "#review-board:visible"),
)
"""Every still picture, in the order of the moving one."""


def recorded_run() -> str:
    """Id of the recorded run that is shown: noise removal on the small benchmark, with pictures."""
    from eval.runs.recorded import recorded_headers

    return next(run.id for run in recorded_headers() if run.id.endswith("-minidenoise"))


def take(folder: Path = ROOT) -> list[Path]:
    """Take all pictures and write them.

    Args:
        folder: Folder that the paths are relative to.

    Returns:
        The written files.
    """
    frames: list[tuple[Image.Image, float]] = []
    written = []
    with (
        tempfile.TemporaryDirectory() as state,
        running_app(MIRNET_STATE_DIR=state) as url,
        running_chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE_MS)
        for shot in SHOTS:
            page.goto(url + shot.query.replace("RUN", recorded_run()) + "&__theme=light")
            page.wait_for_selector(shot.ready)
            shot.prepare(page)
            page.wait_for_function(LOADED)
            page.wait_for_timeout(2500)  # what fades in or is drawn
            still = _picture(page)
            path = folder / shot.path
            still.save(path, quality=QUALITY, method=6)
            written.append(path)
            if not shot.seconds:
                frames += _compared(page)
            else:
                frames.append((still, shot.seconds))
    written.append(_write_tour(folder / TOUR, frames))
    return written


def _picture(page: "Page") -> Image.Image:
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def _compared(page: "Page") -> list[tuple[Image.Image, float]]:
    """Frames in which the line between before and after moves, by its keys."""
    page.focus("#slider [role=slider]")
    frames = [(_picture(page), 0.6)]
    for key, times in (("ArrowLeft", 6), ("ArrowRight", 12), ("ArrowLeft", 6)):
        for _ in range(times // 2):
            page.keyboard.press(key)
            page.keyboard.press(key)
            frames.append((_picture(page), 0.12))
    return frames


def _write_tour(path: Path, frames: list[tuple[Image.Image, float]]) -> Path:
    """Write frames with their seconds as a moving WebP that repeats."""
    size = TOUR_WIDTH, TOUR_WIDTH * HEIGHT // WIDTH
    small = [frame.resize(size, Image.Resampling.LANCZOS) for frame, _ in frames]
    small[0].save(
        path,
        save_all=True,
        append_images=small[1:],
        duration=[round(1000 * seconds) for _, seconds in frames],
        loop=0,
        quality=TOUR_QUALITY,
        method=4,
        kmax=1,  # whole frames: what differs little from the one before would stay as a ghost
    )
    return path


if __name__ == "__main__":
    for taken in take():
        print(f"{taken.relative_to(ROOT)}: {taken.stat().st_size // 1024} kB")
