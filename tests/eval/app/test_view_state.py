"""State of the Evaluate tab: links round-trip, and whatever is wrong in one gets its default."""

from urllib.parse import parse_qsl

import pytest

from eval.analysis.table_cache import MAX_TABLES
from eval.app.view_router import _unknown_view
from eval.app.view_state import MAX_RUNS, VIEW_ALIASES, VIEWS, ViewState
from tests.support.runs_factory import method, write_run

RUN = "20260101-120000-abcdef"
OTHER, THIRD = "20260102-120000-abcdef", "20260103-120000-abcdef"


def read(link: str) -> ViewState:
    return ViewState.from_query(dict(parse_qsl(link, keep_blank_values=True)))


@pytest.mark.parametrize(
    "state",
    [
        ViewState(),
        ViewState(view="board", run=RUN, protocol="rgb/1", baseline=""),
        ViewState(view="board", run=RUN, columns="psnr_db,p", sort="-ssim"),
        ViewState(view="board", run=RUN, columns="ssimulacra2", sort="-ssimulacra2"),
        ViewState(view="plots", run=RUN, metric="ssim", plot="scatter", a="clahe", b="ours"),
        ViewState(view="plots", run=RUN, plot="published", unverified=True),
        ViewState(view="pictures", run=RUN, baseline="clahe", which="best", k=3, method="ours"),
        ViewState(
            view="pictures", run=RUN, pair="p & q", which="disagree", method="a", other="b",
            layout="slider", zoom=2, across=20, down=70, left="input", right="ours",
        ),
        ViewState(
            view="pictures", run=RUN, method="a", other="b", slices=("iso=3200", "camera=a & b"),
            zoom=2.5, across=1, down=99,
        ),
        ViewState(view="slices", run=RUN, metric="ssim", method="a", other="b"),
        ViewState(view="compare", run=RUN, others=(OTHER,)),
        ViewState(
            view="compare", run=RUN, others=(OTHER, THIRD), against=THIRD, metric="ssim",
            method="ours", pair="p & q",
        ),
        ViewState(view="runs", run=RUN, task="denoise", status="done"),
    ],
    ids=lambda state: state.view,
)  # fmt: skip
def test_a_state_comes_back_from_its_link(state):
    assert read(state.query()) == state


@pytest.mark.parametrize(
    ("typed", "view"),
    [("report", "board"), ("Report", "board"), ("history", "runs"), ("poetry", "overview")],
)
def test_a_view_is_found_under_the_names_that_people_type(typed, view):
    assert read(f"tab=evaluate&view={typed}").view == view
    assert ("Unknown view" in _unknown_view(typed)) == (typed == "poetry")
    assert all(name in VIEWS for name in VIEW_ALIASES.values())


def test_a_link_of_before_still_opens():
    """As the app wrote it before its links were made of `ViewState`."""
    state = read(
        f"tab=evaluate&view=pictures&run={RUN}&protocol=rgb%2F1&baseline=identity&score=psnr_db"
        "&image=p0003&which=worst&look=error&k=10&method=ours&zoom=2&at=20%2C70"
    )
    assert (state.view, state.run, state.protocol) == ("pictures", RUN, "rgb/1")
    assert (state.pair, state.which, state.layout, state.k) == ("p0003", "worst", "error", 10)
    assert (state.zoom, state.across, state.down) == (2, 20, 70)


def test_a_link_to_a_picture_alone_shows_it_among_all():
    assert read(f"view=pictures&run={RUN}&image=p0003").which == "all"


def test_a_link_of_two_runs_of_before_still_opens():
    assert read(f"view=compare&run={RUN}&with={OTHER}").others == (OTHER,)


@pytest.mark.parametrize("ids", ["../../etc,<script>", "a/b", "x" * 41, ",,"])
def test_runs_of_a_link_are_ids(ids):
    assert read(f"view=compare&run={RUN}&with={ids}").others == ()
    assert read(f"view=compare&run={RUN}&against={ids}").against is None


def test_runs_of_a_link_are_limited_and_named_once():
    many = ",".join(f"20260101-120000-{number:06d}" for number in range(99))
    assert len(read(f"view=compare&run={RUN}&with={many}").others) == MAX_RUNS
    assert 2 * MAX_RUNS <= MAX_TABLES  # no choice drives its own tables out of memory
    assert read(f"view=compare&run={RUN}&with={OTHER},{OTHER}").others == (OTHER,)


@pytest.mark.parametrize(
    "wrong", ["view=poetry", "zoom=99", "zoom=x", "at=9999,1", "k=0", "k=x", "plot=no", "score=no",
              "look=no", "which=no"],
)  # fmt: skip
def test_what_is_wrong_in_a_link_gets_its_default(wrong):
    assert read(f"{wrong}&run={RUN}") == ViewState(run=RUN)


def test_a_widget_that_is_not_there_yet_sends_none_and_breaks_nothing():
    state = ViewState.lenient({"metric": None, "across": None, "down": None, "k": None})
    assert state.metric == "psnr_db" and (state.across, state.down) == (50, 50)


def test_a_value_that_is_no_text_gets_its_default():
    wrong = dict.fromkeys(("view", "group", "metric", "plot", "layout"), ["board"])
    assert ViewState.lenient(wrong) == ViewState()


def test_a_run_has_its_own_methods(tmp_path):
    methods = tuple(method(name) for name in ("identity", "clahe", "ours"))
    run = write_run(tmp_path, methods=methods).header()
    state = ViewState(
        protocol="gt-mean/1", baseline="nobody", method="nobody", left="official", a="clahe"
    ).for_run(run)
    assert (state.protocol, state.baseline) == ("gt-mean/1", "identity")
    assert (state.method, state.other, state.left, state.right) == (
        "ours", "identity", "input", "ours",
    )  # fmt: skip
    assert (state.a, state.b) == ("clahe", "ours")
    compared = ViewState(others=(OTHER, run.id), against=run.id).for_run(run)
    assert (compared.others, compared.against) == ((OTHER,), None)
    assert ViewState(baseline="").for_run(run).baseline == ""  # paired with none, as asked
