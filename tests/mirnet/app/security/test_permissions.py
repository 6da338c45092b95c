"""Who may do what to the app: visitors, the operator, and those whom the operator lets run."""

import json
import os
import sys
import time
from types import SimpleNamespace

import pytest
import requests
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import app
from eval.app.own_data import SAME_SIZE
from eval.app.run_limits import PUBLIC_LIMITS
from mirnet.app.auth import COOKIE
from mirnet.errors import InvalidRequest
from tests.support.paths import ROOT
from tests.support.strangers import (
    DELETED,
    GONE,
    LOGIN,
    PHOTO,
    RUN,
    call,
    contents,
    events,
    launched,
)

VISITORS = {
    "/restore": True, "/look_inside": True, "/review_results": True,
    "/evaluation_benchmarks": True, "/evaluation_methods": True, "/evaluate_start": False,
    "/evaluate_status": True, "/evaluate_result": True, "/evaluate_report": True,
}  # fmt: skip
"""Every public endpoint, and whether a visitor may use it where nobody has allowed more."""
ARGUMENTS = {
    "/restore": lambda: {"image": handle_file(PHOTO), "task": "denoise"},
    "/look_inside": lambda: {"image": handle_file(PHOTO), "task": "denoise"},
    "/evaluation_methods": lambda: {"task": "denoise"},
    "/evaluate_start": lambda: {
        "benchmark": "mini-retouch", "methods": ["identity"], "pairs": 1, "title": "By a stranger"},
    **{name: (lambda: {"run": RUN}) for name in (
        "/review_results", "/evaluate_status", "/evaluate_result", "/evaluate_report")},
}  # fmt: skip
RESERVED = {
    "RunView.start": [
        "mini-denoise",
        1,
        0,
        ["identity"],
        ["rgb"],
        "",
        "",
        "retouch",
        1,
        "",
        "",
        "",
        "",
        "",
        SAME_SIZE,
        False,
    ],
    "RunView.stop": [RUN, RUN],
    "RunView.resume": [GONE, RUN],
    "EvaluateTab.resume_stored": [GONE],
    "HistoryView.verify": [RUN],
    "EvaluateTab.delete_stored": [GONE, True],
    "Endpoints.start": ["mini-retouch", ["identity"], 1, 0, ["rgb"], "By a stranger", 1],
    "WeightsView.download": ["denoise", "denoise-v2"],
    "NotesForm.save_note": [f"{RUN}/p0000", "", ["a tag"], "a note"],
    "NotesForm.changing.<locals>.changed": [
        "a selection",
        f"{RUN}/p0000",
        "pictures",
        RUN,
        *[None] * 15,
    ],
}
"""Events of the operator; pages hide their buttons, and anybody can call them by number."""
REFUSALS = ("operator", "nothing can be stopped", "Deleting is off")


def test_every_public_endpoint_is_decided_on(client):
    found = client.view_api(return_format="dict")
    assert set(found["named_endpoints"]) == set(VISITORS)
    assert found["unnamed_endpoints"] == {}


@pytest.mark.parametrize("name", VISITORS)
def test_a_visitor_may_do_this_and_not_that(place, client, name):
    before = contents(place.folder)
    if VISITORS[name]:
        assert client.predict(**ARGUMENTS.get(name, dict)(), api_name=name)
    else:
        with pytest.raises(AppError, match="Only the operator"):
            client.predict(**ARGUMENTS[name](), api_name=name)
    assert contents(place.folder) == before


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize("cookies", [None, {COOKIE: "guess"}], ids=["nobody", "guess"])
def test_a_visitor_reaches_no_event_of_the_operator_by_its_number(place, name, cookies):
    before = contents(place.folder)
    for number in events(place.page)[name]:
        answer = json.dumps(call(place, number, RESERVED[name], cookies))
        assert any(words in answer for words in REFUSALS), answer
    assert contents(place.folder) == before
    assert place.service.current() is None


def test_the_queue_cannot_be_gone_around(place):
    for way in ("run", "api"):
        for name in ("restore", "evaluate_start", "evaluation_benchmarks"):
            url = f"{place.url}gradio_api/{way}/{name}"
            answer = requests.post(url, json={"data": [""]}, timeout=60)
            assert answer.status_code == 404
        number = events(place.page)["EvaluateTab.delete_stored"][0]
        body = {"data": [GONE, True], "fn_index": number, "session_hash": "x"}
        answer = requests.post(f"{place.url}gradio_api/{way}/restore", json=body, timeout=60)
        assert answer.status_code == 404
    assert (place.folder / "runs" / GONE).is_dir()


HOSTILE = [
    "../../../../etc/passwd",
    "<img src=x onerror=alert(1)>",
    "x\n\x00y",
    "a" * 5000,
    -1,
    None,
]


def test_no_event_called_with_anything_changes_what_is_kept(place, weights_cache):
    """Every event of the page, by number, with values that its widgets would never send."""
    before = contents(place.folder)
    root = {path.name for path in ROOT.iterdir()}
    for turn, (number, event) in enumerate(place.page.fns.items()):
        if event.fn is None:
            continue
        value = HOSTILE[turn % len(HOSTILE)]
        answer = call(place, number, [value] * len(event.inputs))
        text = json.dumps(answer)
        assert str(place.folder) not in text and "Traceback" not in text, event.fn
        assert "<img src=x" not in json.dumps(answer["output"].get("data")), event.fn
    assert contents(place.folder) == before
    assert not weights_cache.exists()
    assert {path.name for path in ROOT.iterdir()} <= root | {".gradio"}
    assert requests.get(place.url, timeout=60).status_code == 200


def test_the_operator_signs_in_and_may_do_all_of_it(place, cookie):
    number = events(place.page)["EvaluateTab.delete_stored"][0]
    answer = call(place, number, [DELETED, True], cookie)
    assert "is deleted" in json.dumps(answer)
    assert not (place.folder / "runs" / DELETED).exists()
    client = Client(place.url, verbose=False, httpx_kwargs={"cookies": cookie})
    status = client.predict("mini-retouch", ["identity"], 1, api_name="/evaluate_start")
    assert status["state"] in ("queued", "running", "done")
    end = time.monotonic() + 60
    while client.predict(status["run"], api_name="/evaluate_status")["state"] != "done":
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_page_shows_its_buttons_to_those_who_may_press_them(place, cookie):
    """The form of a new run when the page opens, and Delete when the list of runs does."""
    by_id = {block.elem_id: block._id for block in place.page.blocks.values() if block.elem_id}
    arrive = events(place.page)["EvaluateTab.arrive"][0]
    fill = next(
        number
        for number in events(place.page)["ViewEvents.filling.<locals>.fill"]
        if by_id["ev-delete"] in [block._id for block in place.page.fns[number].outputs]
    )

    def is_visible(number: int, name: str, cookies) -> bool:
        event = place.page.fns[number]
        given = ["runs", *[None] * len(event.inputs)][: len(event.inputs)]
        data = call(place, number, given, cookies)["output"]["data"]
        shown = dict(zip([block._id for block in event.outputs], data, strict=True))
        return shown[by_id[name]].get("visible", False)

    for number, name in ((arrive, "ev-run-form"), (fill, "ev-delete")):
        assert not is_visible(number, name, None)
        assert is_visible(number, name, cookie)


def test_signing_out_ends_it(place):
    form = {"name": LOGIN[0], "password": LOGIN[1]}
    with requests.Session() as session:
        session.post(f"{place.url}operator", form, timeout=60, allow_redirects=False)
        assert "You are signed in" in session.get(f"{place.url}operator", timeout=60).text
        kept = dict(session.cookies)
        session.post(f"{place.url}operator", {"out": "1"}, timeout=60, allow_redirects=False)
    page = requests.get(f"{place.url}operator", cookies=kept, timeout=60).text
    assert "You are signed in" not in page and 'name="password"' in page
    wrong = requests.post(f"{place.url}operator", {"name": "<b>", "password": "<b>"}, timeout=60)
    assert wrong.status_code == 403 and "<b>" not in wrong.text


def test_visitors_run_small_evaluations_where_the_operator_says_so(tmp_path):
    page, service = launched(tmp_path, "runner")
    try:
        here = SimpleNamespace(page=page, url=page.local_url)
        client = Client(page.local_url, verbose=False)
        with pytest.raises(AppError, match=f"at most {PUBLIC_LIMITS.pairs}"):
            client.predict(
                "sidd", ["identity"], PUBLIC_LIMITS.pairs + 1, api_name="/evaluate_start"
            )
        status = client.predict("mini-retouch", ["identity"], 8, api_name="/evaluate_start")
        stop = events(page)["RunView.stop"][0]
        answer = json.dumps(call(here, stop, [status["run"], None]))
        assert "was deleted meanwhile" in answer  # the run is the page's own, whatever is asked
        with pytest.raises(InvalidRequest, match="Somebody else started this run|not under way"):
            service.stop(status["run"], "runner", "somebody")
        with pytest.raises(InvalidRequest, match="Deleting is off"):
            service.delete(status["run"], "runner")
    finally:
        page.close()
        service.close()


@pytest.mark.parametrize(
    ("arguments", "environment", "role", "alone"),
    [
        ([], {"MIRNET_OPERATOR": ""}, "admin", True),
        (["--host", "localhost"], {"MIRNET_OPERATOR": ""}, "admin", True),
        ([], {}, "viewer", True),  # an operator who is named signs in
        (["--proxy", "127.0.0.1"], {}, "viewer", False),
        (["--host", "0.0.0.0"], {}, "viewer", False),
        (["--share"], {}, "viewer", False),
        ([], {"SPACE_ID": "a/b"}, "viewer", False),
        (["--share", "--allow-runs"], {}, "runner", False),
        ([], {"SPACE_ID": "a/b", "MIRNET_ALLOW_RUNS": "1"}, "runner", False),
        (["--share", "--auth", "a:b"], {}, "viewer", False),
    ],
)
def test_who_may_do_what_follows_from_how_the_app_is_started(
    arguments, environment, role, alone, monkeypatch, capsys
):
    import gradio

    seen = {}

    def launch(self, **options):
        seen.update(options)
        self.share_url, self.local_url = "https://x.gradio.live", "http://127.0.0.1:7860/"

    kept = []
    real = app.build
    monkeypatch.setattr(app, "build", lambda *given: kept.append(given) or real(*given))
    monkeypatch.setattr(gradio.Blocks, "launch", launch)
    monkeypatch.setattr(gradio.Blocks, "block_thread", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["app.py", *arguments])
    monkeypatch.setenv("MIRNET_OPERATOR", ":".join(LOGIN))
    monkeypatch.setenv("GRADIO_TEMP_DIR", os.environ.get("TMPDIR", "/tmp"))
    monkeypatch.delenv("SPACE_ID", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    app.main()
    _, service, _, access, _ = kept[0]
    assert access.everyone == role
    assert access.operator == (None if environment.get("MIRNET_OPERATOR") == "" else LOGIN)
    assert service.policy.capped(access.everyone) == role
    _, headers, guard, _ = (one.kwargs for one in seen["app_kwargs"]["middleware"])
    space = "SPACE_ID" in environment
    proxied = space or {"--share", "--proxy"} & {*arguments} != set()
    assert guard == {
        "alone": alone, "closed": "--auth" in arguments, "space": space, "proxied": proxied,
        "keys": access.keys,
    }  # fmt: skip
    assert bool(headers["proxies"]) == proxied
    said = capsys.readouterr().out
    assert ("Visitors may" in said) == (role != "admin") and LOGIN[1] not in said
