"""What a visitor of the Evaluate page asks to see; links and events are made of it."""

from dataclasses import dataclass

from eval.analysis.pictures import Viewport, Which

VIEWS = {
    "run": "Run",
    "board": "Leaderboard",
    "plots": "Plots",
    "pictures": "Pictures",
    "compare": "Compare",
    "votes": "Votes",
    "runs": "All runs",
}
"""Views of the tab, by their names in links."""
WHICH: dict[Which, str] = {
    "worst": "Worst",
    "best": "Best",
    "disagree": "Largest disagreement",
    "all": "All, in order",
}
"""Which pictures are looked at."""
LOOKS = {"pair": "Side by side", "slider": "Slider", "error": "Error"}
"""Ways to look at one picture."""


@dataclass(frozen=True)
class ViewState:
    """What is to be shown; in the order of `EvaluateTab.asks`."""

    view: str
    """One of `VIEWS`."""
    run: str | None
    """Id of the run."""
    protocol: str | None
    """Name with version."""
    baseline: str | None
    """Id of a method."""
    metric: str
    """Score of plots and choices."""
    plot: str
    """One of `FIGURES`."""
    a: str | None
    """Of a figure of two methods, the one that the other is measured against."""
    b: str | None
    """The other."""
    which: Which
    """Which pictures."""
    method: str | None
    """By whose score."""
    other: str | None
    """The second method, of disagreements."""
    k: float
    """How many pictures."""
    pair: str | None
    """Id of the picture's pair."""
    look: str
    """One of `LOOKS`."""
    left: str | None
    """Of the slider."""
    right: str | None
    """Of the slider."""
    zoom: int
    """See `eval.analysis.pictures.Viewport`."""
    across: float
    """Percent."""
    down: float
    """Percent."""
    second: str | None
    """Id of the run to compare with."""
    only_task: str
    """Of the history: id of a task, or empty for all."""
    only_state: str
    """Of the history: see `eval.app.run_queue.State`, or empty for all."""
    room_px: float
    """Width of one picture on the screen."""

    def __post_init__(self) -> None:
        """Fill in what a widget does not send that is just being shown again."""
        for name, usual in (("metric", "psnr_db"), ("across", 50.0), ("down", 50.0)):
            if getattr(self, name) is None:
                object.__setattr__(self, name, usual)

    @property
    def place(self) -> Viewport:
        """What part of the pictures."""
        room = int(min(max(self.room_px or 320, 160), 1200))
        if self.look == "slider":
            room = min(max(room, 640), 1000)
        return Viewport(int(self.zoom), self.across / 100, self.down / 100, room, room * 3 // 4)
