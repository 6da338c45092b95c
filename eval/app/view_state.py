"""State of the Evaluate tab: the view, the run and all choices in the view.

A link is this state as a query of the page's address: `ViewState.query` writes it and
`ViewState.from_query` reads it back and tolerates edited links.
"""

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from eval.analysis.overview import GROUPS
from eval.analysis.pictures import INPUT, TARGET, Which
from eval.analysis.plots import PLOTS
from eval.analysis.score_tables import RANKING, default_baseline, leader
from eval.runs.document import Run
from mirnet.metrics.protocols import shown_metrics
from mirnet.metrics.registry import METRICS, OPTIONAL

VIEWS = {
    "overview": "Overview",
    "run": "Run",
    "board": "Report",
    "plots": "Plots",
    "slices": "Slices",
    "pictures": "Pictures",
    "compare": "Compare",
    "votes": "Votes",
    "runs": "All runs",
}
"""Titles of the views, by their names in links."""
VIEW_ALIASES = {
    "report": "board",
    "leaderboard": "board",
    "plot": "plots",
    "slice": "slices",
    "picture": "pictures",
    "images": "pictures",
    "comparison": "compare",
    "vote": "votes",
    "history": "runs",
    "all-runs": "runs",
    "new": "run",
    "new-run": "run",
}
"""Names that people type in links, each with the name of its view."""
WHICH: dict[Which, str] = {
    "gain": "Largest gain",
    "loss": "Largest loss",
    "worst": "Worst",
    "best": "Best",
    "disagree": "Largest disagreement",
    "all": "All, in order",
}
"""Title of each way to select pictures."""
PICTURE_LAYOUTS = {"pair": "Side by side", "slider": "Wipe", "error": "Errors"}
"""Title of each layout of a picture."""
MAX_PICTURES = 1000
"""Most pictures selected at once."""
MAX_SLICES = 24
"""Most slices chosen at once."""
MAX_SLICE_NAME = 200
"""Longest name of a slice, in characters."""
MAX_RUNS = 12
"""Most runs that one is compared with at once; their tables stay in memory together."""
RUN_ID = r"^[0-9A-Za-z-]{1,40}$"
"""Form of a run's id in a link."""
LINK_NAMES = {
    "view": "view",
    "group": "group",
    "run": "run",
    "protocol": "protocol",
    "baseline": "baseline",
    "metric": "score",
    "plot": "plot",
    "a": "a",
    "b": "b",
    "unverified": "unverified",
    "pair": "image",
    "which": "which",
    "layout": "look",
    "k": "k",
    "method": "method",
    "other": "other",
    "slices": "slice",
    "zoom": "zoom",
    "left": "left",
    "right": "right",
    "columns": "columns",
    "sort": "sort",
    "others": "with",
    "against": "against",
    "task": "task",
    "status": "status",
}
"""Names of the fields in links; links of older versions use them too."""
SEPARATORS = {"slices": "\n", "others": ","}
"""Texts between the values of a field that holds several, in links."""


def view_name(typed: str) -> str:
    """Name of the view that a link means, or what was typed if there is none.

    >>> view_name("Report"), view_name("plots"), view_name("poetry")
    ('board', 'plots', 'poetry')
    """
    name = typed.strip().lower()
    known = VIEW_ALIASES.get(name, name)
    return known if known in VIEWS else typed


def _known(options: Collection[Any]) -> BeforeValidator:
    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in options:
            raise ValueError("unknown")
        return value

    return BeforeValidator(check)


def _names(value: Any) -> Any:
    """Names of a link, where each stands in a line of its own; at most `MAX_SLICES`."""
    given = value.split("\n") if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise ValueError("unknown")
    return tuple(str(name)[:MAX_SLICE_NAME] for name in given if name)[:MAX_SLICES]


def _ids(value: Any) -> Any:
    """Ids of runs, separated by commas in a link; malformed ones and those beyond `MAX_RUNS` go."""
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list | tuple):
        raise ValueError("unknown")
    known = [str(one) for one in given if re.fullmatch(RUN_ID, str(one))]
    return tuple(dict.fromkeys(known))[:MAX_RUNS]


class ViewState(BaseModel):
    """State of one visitor's page; every field has a default, so links may be partial."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: Annotated[str, _known(VIEWS)] = "overview"
    """Name of the view; a key of `VIEWS`."""
    group: Annotated[str, _known(GROUPS)] = "denoise"
    """Name of the open table of the overview; a key of `GROUPS`."""
    run: str | None = None
    """Id of the run."""
    protocol: str | None = None
    """Name of the protocol with its version; None for the run's default."""
    baseline: str | None = None
    """Id of the method that others are paired with; empty for none, None for the default."""
    metric: Annotated[str, _known(METRICS | OPTIONAL)] = RANKING.key
    """Metric of plots and picture selection; a key of `METRICS` or `OPTIONAL`."""
    plot: Annotated[str, _known(PLOTS)] = "distribution"
    """Name of the plot; a key of `PLOTS`."""
    a: str | None = None
    """Id of the reference method in a plot of two methods."""
    b: str | None = None
    """Id of the method that is compared with `a`."""
    unverified: bool = False
    """Whether the plot of published numbers has unverified ones too."""
    pair: str | None = None
    """Id of the open pair; None for the first of the selection."""
    which: Which = "gain"
    """Rule of the selection of pictures; a key of `WHICH`."""
    layout: Annotated[str, _known(PICTURE_LAYOUTS)] = "pair"
    """One of `PICTURE_LAYOUTS`."""
    k: int = Field(10, ge=1, le=MAX_PICTURES)
    """Number of selected pictures; ignored if all are selected."""
    method: str | None = None
    """Id of the method whose score selects the pictures."""
    other: str | None = None
    """Id of the method that gains, losses and disagreement are measured against."""
    slices: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
    """Names of the slices (`eval.analysis.slices`) that pictures are chosen from; () for all."""
    zoom: float = Field(0, ge=0, le=64)
    """Pixels of the screen for one of the pictures; 0 shows them whole."""
    across: float = Field(50.0, ge=0, le=100)
    """Middle of what is seen of the pictures, in percent from the left."""
    down: float = Field(50.0, ge=0, le=100)
    """Middle of what is seen of the pictures, in percent from the top."""
    left: str | None = None
    """Name of the picture on the left of the slider."""
    right: str | None = None
    """Name of the picture on the right of the slider."""
    columns: str = Field("", pattern=r"^[a-z0-9_,-]{0,200}$")
    """Columns of the board by commas, of `html.report`; empty for those shown by default."""
    sort: str = Field("", pattern=r"^-?[a-z0-9_-]{0,40}$")
    """Column that the board is sorted by, with "-" for the largest first; empty for its rank."""
    others: Annotated[tuple[str, ...], BeforeValidator(_ids)] = ()
    """Ids of the runs that the open one is compared with."""
    against: str | None = Field(None, pattern=RUN_ID)
    """Id of the baseline run among the compared ones; None for the open run."""
    task: str = ""
    """Id of the task that filters the list of runs; empty for all."""
    status: str = ""
    """State (`eval.app.run_status.State`) that filters the list of runs; empty for all."""

    @classmethod
    def lenient(cls, values: Mapping[str, Any]) -> "ViewState":
        """Build a state; fields that are None or not valid get their default.

        Widgets that are not shown yet send None.
        """
        given = {name: value for name, value in values.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            wrong = {problem["loc"][0] for problem in error.errors()}
            return cls(**{name: value for name, value in given.items() if name not in wrong})

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "ViewState":
        """Read a link; fields that are not valid get their default."""
        given: dict[str, Any] = {
            field: query[name] for field, name in LINK_NAMES.items() if name in query
        }
        if "view" in given:
            given["view"] = view_name(str(given["view"]))
        if given.get("pair") and given.get("view") != "compare" and given.get("which") not in WHICH:
            given["which"] = "all"
        at = re.fullmatch(r"(\d{1,3}),(\d{1,3})", query.get("at", ""))
        if at:
            given |= {"across": min(int(at[1]), 100), "down": min(int(at[2]), 100)}
        return cls.lenient(given)

    def query(self) -> str:
        """Write the link: the fields that its view depends on, as a query without "?".

        >>> ViewState(view="plots", run="20260101-120000-abcdef").query()
        'tab=evaluate&view=plots&run=20260101-120000-abcdef&score=psnr_db&plot=distribution'
        """
        values = {field: getattr(self, field) for field in _fields_of(self)}
        parts = {
            LINK_NAMES[field]: SEPARATORS[field].join(value) if field in SEPARATORS else value
            for field, value in values.items()
            if value or (field == "baseline" and value is not None)  # empty: paired with none
        }
        if "zoom" in parts:
            parts["zoom"] = f"{self.zoom:g}"
            parts["at"] = f"{self.across:.0f},{self.down:.0f}"
        return urlencode({"tab": "evaluate", "view": self.view} | parts)

    def worst_of(self, method: str) -> "ViewState":
        """The state that shows the worst pictures of a method."""
        return self.model_copy(
            update={
                "view": "pictures",
                "which": "worst",
                "method": method,
                "right": method,
                "pair": None,
            }
        )

    def for_run(self, run: Run) -> "ViewState":
        """This state made valid for a run: missing methods and protocols become its defaults."""
        ids = [method.id for method in run.methods]
        best, base = leader(run), default_baseline(run)
        others = [name for name in ids if name != best]
        other = base if base not in (None, best) else next(iter(others), best)

        def known(value: str | None, options: list[str], default: str | None) -> str | None:
            return value if value in options else default

        names = [INPUT, *ids, TARGET]
        compared = tuple(one for one in self.others if one != run.id)
        protocol = known(self.protocol, run.protocols, run.protocol) or run.protocol
        metrics = [metric.key for metric in shown_metrics(protocol)]
        return self.model_copy(
            update={
                "run": run.id,
                "protocol": protocol,
                "metric": known(self.metric, metrics, metrics[0]),
                "baseline": known(self.baseline, ["", *ids], base or ""),
                "a": known(self.a, ids, base if base != best else other),
                "b": known(self.b, ids, best),
                "method": known(self.method, ids, best),
                "other": known(self.other, ids, other),
                "left": known(self.left, names, INPUT),
                "right": known(self.right, names, best),
                "others": compared,
                "against": self.against if self.against in compared else None,
            }
        )


def _fields_of(state: ViewState) -> list[str]:
    """Fields that the view depends on, in the order of a link."""
    if state.view == "overview":
        return ["group", "metric"]
    fields = [] if state.view == "run" else ["run"]
    if state.view in ("board", "plots", "pictures", "compare", "slices"):
        fields += ["protocol"]
    if state.run and state.view in ("board", "pictures"):
        fields += ["baseline"]
    if state.view == "board":
        fields += ["columns", "sort"]
    if state.view == "plots":
        fields += ["metric", "plot", *(["a", "b"] if PLOTS[state.plot].of_two else [])]
        fields += ["unverified"] if state.plot == "published" else []
    if state.view == "pictures":
        fields += ["metric", "pair", "which", "layout"]
        fields += [] if state.which == "all" else ["k", "method"]
        fields += ["other"] if state.which in ("gain", "loss", "disagree") else []
        fields += ["slices"]
        fields += ["zoom"] if state.zoom else []
        fields += ["left", "right"] if state.layout == "slider" else []
    if state.view == "slices":
        fields += ["metric", "method", "other"]
    if state.view == "compare":
        fields += ["others", "against"]
        fields += ["metric", "method", "pair"] if state.others else []
    if state.view == "runs":
        fields += ["task", "status"]
    return fields
