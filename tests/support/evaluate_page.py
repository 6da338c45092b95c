"""The Evaluate tab in a browser: steps that several tests take."""

from pathlib import Path
from urllib.parse import urlencode

from tests.support.review_runs import with_pictures
from tests.support.running import PATIENCE_MS
from tests.support.runs_factory import method, write_run

RUN = "20260101-120000-abcdef"
OTHER = "20260102-120000-abcdef"
ELSEWHERE = "20260103-120000-abcdef"
PLOT = "#ev-plot .js-plotly-plot .main-svg"
PICTURE = "#ev-pictures img:visible"
PAIR = "#ev-pair input"
POINT = """() => {
  const plot = document.querySelector("#ev-plot .js-plotly-plot");
  const path = plot && plot.querySelectorAll(".scatterlayer .points path")[3];
  if (!path || !plot._fullLayout || !plot.evSeen) return null;
  path.scrollIntoView({ block: "center", behavior: "instant" });
  const { i } = path.__data__;
  const { trace } = path.closest(".trace").__data__[0];
  const { x, y, width, height } = path.getBoundingClientRect();
  return { x: x + width / 2, y: y + height / 2, pair: trace.customdata[i][0] };
}"""
"""Where the fourth point of the plot is, scrolled into the window, and of which picture; once a
click on it is heard."""


def write_runs(runs: Path) -> None:
    """Store two runs that compare, the first with pictures, and one of another protocol."""
    methods = tuple(method(name) for name in ("identity", "clahe", "ours"))
    six = write_run(runs, pairs=6, methods=methods, title="Six pictures", thumbs=True)
    with_pictures(six, 120, 180)
    write_run(runs, pairs=6, methods=methods, seed=1, title="Six again", id=OTHER)
    write_run(runs, pairs=6, title="Another protocol", id=ELSEWHERE, protocols=["y-crop/1"])


def open_link(page, **query: str) -> None:
    """Follow a link of the Evaluate tab as its own links do, in the loaded page."""
    page.wait_for_function("!!window.evOpen")
    page.evaluate("link => window.evOpen(link)", urlencode({"tab": "evaluate"} | query))


def follow(page, **query: str) -> None:
    """Follow a link and wait until the page's address names what it asked for."""
    open_link(page, **query)
    page.wait_for_function(
        """asked => Object.entries(asked).every(
            ([name, value]) => new URLSearchParams(location.search).get(name) === value)""",
        arg=query,
    )


def turn_to(page, view: str) -> None:
    page.click(f"#ev-views button[role=tab]:has-text('{view}')")


def pair_shown(page) -> str:
    """Id of the picture on the screen."""
    return page.input_value(PAIR).rpartition("· ")[2]


def wait_for_pair(page, pair: str) -> None:
    page.wait_for_function(
        f"document.querySelector('{PAIR}').value.endsWith({pair!r})", timeout=PATIENCE_MS
    )


def copied_link(page) -> str:
    page.evaluate("navigator.clipboard.writeText('')")
    page.click("#ev-copy")
    page.wait_for_function("navigator.clipboard.readText()")
    return page.evaluate("navigator.clipboard.readText()")
