"""The app as strangers attack it, over HTTP: rights, ids, files, tokens, privacy."""

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import requests
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import app
from eval.app.run_limits import PUBLIC_LIMITS
from eval.app.run_queue import RunQueue
from eval.runs.store import RunStore
from mirnet.app import space
from mirnet.app.about import about
from mirnet.app.auth import COOKIE, Access
from mirnet.app.examples import EXAMPLES_FOLDER
from mirnet.app.monitor import MONITOR
from mirnet.app.settings import KEEP_HOURS
from mirnet.errors import InvalidRequest
from mirnet.weights import load as weights
from tests.support.paths import ROOT
from tests.support.running import running_app
from tests.support.runs_factory import method, write_run

RUN = "20260101-120000-abcdef"
GONE = "20260102-120000-abcdef"
DELETED = "20260103-120000-abcdef"
LOGIN = ("anna", "correct horse battery")
PHOTO = EXAMPLES_FOLDER / "lowlight" / "window.jpg"
METHODS = tuple(method(name) for name in ("identity", "clahe"))


def launched(folder: Path, everyone: str, keep_hours: float = 2.0, **options):
    """A page that strangers reach."""
    access = Access(everyone, LOGIN)
    service = RunQueue(RunStore(folder / "runs"), local=False)
    page = app.build(1_000_000, service, keep_hours, access)
    page.launch(
        server_name="127.0.0.1",
        prevent_thread_lock=True,
        quiet=True,
        **options,
        **app.launch_options(access, alone=False),
    )
    return page, service


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A page for which nobody allowed visitors to run anything."""
    folder = tmp_path_factory.mktemp("state")
    write_run(folder / "runs", pairs=3, methods=METHODS, title="Three pictures")
    write_run(folder / "runs", pairs=2, methods=METHODS, status="stopped", id=GONE)
    write_run(folder / "runs", pairs=1, methods=METHODS, id=DELETED)
    page, service = launched(folder, "viewer")
    yield SimpleNamespace(page=page, url=page.local_url, folder=folder, service=service)
    page.close()
    service.close()


@pytest.fixture(scope="module")
def client(place) -> Client:
    """A program of a visitor."""
    return Client(place.url, verbose=False)


@pytest.fixture(scope="module")
def cookie(place) -> dict[str, str]:
    """The operator's."""
    name, password = LOGIN
    form = {"name": name, "password": password}
    answer = requests.post(f"{place.url}operator", form, timeout=60, allow_redirects=False)
    assert answer.status_code == 303
    kept = answer.headers["set-cookie"]
    assert "HttpOnly" in kept and "SameSite=strict" in kept
    return {COOKIE: answer.cookies[COOKIE]}


def events(page) -> dict[str, list[int]]:
    """Numbers of the page's events by the names of their functions."""
    found: dict[str, list[int]] = {}
    for number, event in page.fns.items():
        if event.fn is not None:
            found.setdefault(event.fn.__qualname__, []).append(number)
    return found


def call(place, number: int, data: list, cookies=None, seconds: float = 60) -> dict:
    """Call any event by its number, as the page's own script does, private or not."""
    session = uuid.uuid4().hex
    body = {"data": data, "fn_index": number, "session_hash": session, "trigger_id": None}
    joined = requests.post(
        f"{place.url}gradio_api/queue/join", json=body, cookies=cookies, timeout=60
    )
    if joined.status_code != 200:
        return {"refused": joined.status_code, "output": joined.json()}
    with requests.get(
        f"{place.url}gradio_api/queue/data",
        {"session_hash": session},
        stream=True,
        cookies=cookies,
        timeout=seconds,
    ) as stream:
        for line in stream.iter_lines():
            if line.startswith(b"data:"):
                message = json.loads(line[5:])
                if message["msg"] in ("process_completed", "unexpected_error", "close_stream"):
                    return message
    raise AssertionError("no answer")


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of what is in it; locks and indexes are derived."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


# ---------------------------------------------------------------- who may do what

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
    "RunView.start": ["mini-retouch", 1, 0, ["identity"], ["rgb"], "", ""],
    "RunView.stop": [RUN],
    "RunView.resume": [GONE],
    "EvaluateTab.resume_stored": [GONE],
    "HistoryView.verify": [RUN],
    "EvaluateTab.delete_stored": [GONE, True],
    "Endpoints.start": ["mini-retouch", ["identity"], 1, 0, ["rgb"], "By a stranger"],
    "WeightsView.download": ["denoise", "denoise-v2"],
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
        answer = json.dumps(call(here, stop, [status["run"]]))
        assert "Somebody else started this run" in answer or "not under way" in answer
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
    _, headers, guard = (one.kwargs for one in seen["app_kwargs"]["middleware"])
    space = "SPACE_ID" in environment
    proxied = space or {"--share", "--proxy"} & {*arguments} != set()
    assert guard == {
        "alone": alone, "closed": "--auth" in arguments, "space": space, "proxied": proxied,
        "keys": access.keys,
    }  # fmt: skip
    assert bool(headers["proxies"]) == proxied
    said = capsys.readouterr().out
    assert ("Visitors may" in said) == (role != "admin") and LOGIN[1] not in said


# ---------------------------------------------------------------- files and ids

SECRET_PLACES = [
    "/etc/passwd", "/proc/self/environ", str(ROOT / "app.py"), str(ROOT / "mirnet" / "ui.py"),
    "../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc%2fpasswd", "/tmp/../etc/passwd",
    "%2Fetc%2Fpasswd", "//etc/passwd", "\\etc\\passwd", "file:///etc/passwd",
    f"{EXAMPLES_FOLDER}/../app.py", "http://127.0.0.1:1/", "https://example.com/x.png",
    "/etc/passwd%00.png", "~/.ssh/id_rsa", "C:\\Windows\\win.ini",
]  # fmt: skip


@pytest.mark.parametrize("name", SECRET_PLACES)
@pytest.mark.parametrize(
    "way", ["gradio_api/file=", "gradio_api/file/", "file=", "static/", "assets/"]
)
def test_no_file_of_the_machine_can_be_had(place, way, name):
    answer = requests.get(f"{place.url}{way}{name}", timeout=60, allow_redirects=False)
    assert answer.status_code in (400, 403, 404, 405, 307, 422), answer.status_code
    assert "root:" not in answer.text and "import" not in answer.text


def test_stored_runs_cannot_be_had_as_files(place):
    path = place.folder / "runs" / RUN / "run.json"
    assert path.is_file()
    for name in (str(path), f"{place.folder}/runs/{RUN}/../{RUN}/scores.jsonl"):
        answer = requests.get(f"{place.url}gradio_api/file={name}", timeout=60)
        assert answer.status_code == 403


WRONG_IDS = [
    "../../etc",
    "..",
    "/etc/passwd",
    "<script>alert(1)</script>",
    "a\x00b",
    "x" * 10_000,
    "",
]


@pytest.mark.parametrize("wrong", WRONG_IDS)
@pytest.mark.parametrize("name", ["/evaluate_status", "/evaluate_result", "/evaluate_report",
                                  "/review_results"])  # fmt: skip
def test_ids_of_runs_lead_nowhere_else(place, client, name, wrong):
    with pytest.raises(AppError) as told:
        client.predict(wrong, api_name=name)
    words = str(told.value)
    assert "no run" in words and str(place.folder) not in words and len(words) < 300


@pytest.mark.parametrize("wrong", WRONG_IDS[:-1])
def test_other_ids_lead_nowhere_else(client, wrong):
    for name, given in (
        ("/evaluation_methods", (wrong,)),
        ("/evaluate_result", (RUN, wrong)),
        ("/evaluate_result", (RUN, "", wrong)),
        ("/evaluate_report", (RUN, wrong)),
        ("/restore", (handle_file(PHOTO), "denoise", wrong)),
        ("/look_inside", (handle_file(PHOTO), "denoise", wrong)),
    ):
        with pytest.raises(AppError) as told:
            client.predict(*given, api_name=name)
        words = str(told.value)
        assert len(words) < 400 and "Traceback" not in words and str(ROOT) not in words, name


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", str(ROOT / "examples" / "lowlight" / "window.jpg"), "http://127.0.0.1:9/a"],
)
def test_a_photo_is_what_was_uploaded_and_nothing_else(place, path):
    number = events(place.page)["RestoreEndpoint.restore"][0]
    for data in (
        {"path": path, "meta": {"_type": "gradio.FileData"}},
        path,
        {"url": path, "path": path},
    ):
        answer = call(place, number, [data, "denoise", "", 1, False, "PNG"])
        assert answer["msg"] == "process_completed" and not answer["success"]
        assert "data" not in answer["output"]


@pytest.mark.parametrize("path", ["v2/restore", "restore/nobody", "v2/restore/nobody"])
def test_who_asks_for_an_event_that_is_not_there_is_told(place, path):
    """Gradio began an answer and broke the connection."""
    answer = requests.get(f"{place.url}gradio_api/call/{path}", timeout=60)
    assert answer.status_code == 404 and "no such event" in answer.json()["detail"]
    assert "content-security-policy" in answer.headers


NAMES = ["../../../../tmp/evil.png", "..\\..\\evil.png", "a\nSet-Cookie: x=1.png",
         "<img src=x onerror=alert(1)>.png", "\u202egnp.exe.png", "x" * 250 + ".png",
         "-rf.png", "~.png", "nul\0.png"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_of_an_upload_is_only_a_name(place, name):
    photo = (EXAMPLES_FOLDER / "denoise" / "dogs.jpg").read_bytes()
    sent = requests.post(
        f"{place.url}gradio_api/upload", files={"files": (name, photo)}, timeout=60
    )
    if sent.status_code != 200:
        assert sent.status_code in (400, 422)
        return
    (path,) = sent.json()
    real = Path(path).resolve()
    assert any(real.is_relative_to(folder) for folder in cache_folders(place)), path
    assert not Path("/tmp/evil.png").exists()
    number = events(place.page)["RestoreEndpoint.restore"][0]
    data = {"path": path, "meta": {"_type": "gradio.FileData"}, "orig_name": name}
    answer = call(place, number, [data, "denoise", "", 1, False, "PNG"])
    made = answer["output"]["data"][0]
    shown = Path(made["path"]).name + (made.get("orig_name") or "")
    assert not set("<>\n\r\0\u202e/\\\"'") & set(shown), shown
    assert Path(made["path"]).name.endswith("-denoise.png")
    got = requests.get(f"{place.url}gradio_api/file={made['path']}", timeout=60)
    assert got.status_code == 200 and "Set-Cookie" not in got.headers


def cache_folders(place) -> list[Path]:
    from gradio.utils import get_cache_folder, get_upload_folder

    return [Path(get_upload_folder()).resolve(), Path(str(get_cache_folder())).resolve()]


@pytest.mark.parametrize("name", ["evil.html", "evil.svg", "evil.xml", "evil.js", "evil.png"])
def test_an_upload_is_never_run_as_a_page(place, name):
    body = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/><script>alert(1)</script>"
    (path,) = requests.post(
        f"{place.url}gradio_api/upload", files={"files": (name, body, "text/html")}, timeout=60
    ).json()
    got = requests.get(f"{place.url}gradio_api/file={path}", timeout=60)
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    attached = got.headers.get("content-disposition", "").startswith("attachment")
    assert attached or got.headers["content-type"].startswith("image/png")


# ---------------------------------------------------------------- what does not fit

MALFORMED = [
    ("call/v2/restore", b"{}"), ("call/v2/look_inside", b"{}"), ("call/v2/evaluate_start", b"{}"),
    ("call/v2/restore", b"[]"), ("call/v2/restore", b"nonsense"), ("call/v2/nothing", b"{}"),
    ("call/restore", b"{}"), ("call/restore", b'{"data": 5}'), ("call/restore", b'{"data": []}'),
    ("call/restore", b'{"data": [1, 2, 3, 4, 5, 6, 7, 8]}'), ("call/nothing", b'{"data": []}'),
    ("queue/join", b"{}"), ("queue/join", b'{"data": [], "fn_index": 99999, "session_hash": "a"}'),
    ("queue/join", b'{"data": null, "fn_index": -1, "session_hash": "a"}'),
    ("queue/join", b'{"data": [], "fn_index": "x", "session_hash": "a"}'),
    ("queue/join", b"\xff\xfe"), ("cancel", b"{}"), ("reset", b"{}"), ("upload", b"{}"),
    ("run/restore", b"{}"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body"), MALFORMED)
def test_malformed_requests_are_answered_without_a_fault(place, path, body):
    """The first three: found by schemathesis."""
    answer = requests.post(
        f"{place.url}gradio_api/{path}",
        body,
        headers={"Content-Type": "application/json"},
        timeout=60,
    )
    assert 200 <= answer.status_code < 500, answer.text[:200]
    assert "Traceback" not in answer.text and str(ROOT) not in answer.text


def test_a_body_without_a_length_ends_at_the_limit_with_a_sentence(place):
    """FastAPI answers "There was an error parsing the body" to whatever ends one."""
    answer = requests.post(
        f"{place.url}gradio_api/queue/join",
        (b" " * 500_000 for _ in range(5)),
        headers={"Content-Type": "application/json"},
        timeout=60,
    )
    assert answer.status_code == 413 and "at most 2 MB" in answer.json()["detail"]
    assert answer.json()["request"] == answer.headers["x-request-id"]


def test_a_page_left_open_over_a_restart_is_no_fault(place):
    """Its stream is of a session that the new program does not know."""
    before = len(MONITOR.errors())
    answer = requests.get(
        f"{place.url}gradio_api/queue/data", {"session_hash": "of before"}, timeout=60
    )
    assert answer.status_code == 200 and '"session_not_found":true' in answer.text
    assert len(MONITOR.errors()) == before


@pytest.mark.slow
def test_schemathesis_finds_no_fault_in_what_the_app_says_of_itself(place):
    pytest.importorskip("schemathesis")
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "run",
            f"{place.url}gradio_api/openapi.json",
            # An id that is none is waited for, as Gradio does.
            "--exclude-path-regex", "event_id", "--checks", "not_a_server_error",
            "--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--workers", "1",
            "--request-timeout", "60", "--seed", "1",
        ],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Tested: 10" in done.stdout


# ---------------------------------------------------------------- tokens


@pytest.mark.slow
def test_tokens_and_passwords_are_nowhere_to_be_seen(tmp_path, weights_cache):
    token, password = "hf_" + "Q" * 34, "unguessable-" + "Z" * 20
    log = tmp_path / "log.txt"
    state = tmp_path / "state"
    with running_app(
        log=log, HF_TOKEN=token, MIRNET_OPERATOR=f"anna:{password}",
        MIRNET_STATE_DIR=str(state), MIRNET_RESULTS_REPO="", HF_ENDPOINT="http://127.0.0.1:9",
    ) as url:  # fmt: skip
        client = Client(url, verbose=False)
        status = client.predict("mini-retouch", ["identity"], 1, api_name="/evaluate_start")
        end = time.monotonic() + 120
        while client.predict(status["run"], api_name="/evaluate_status")["state"] != "done":
            assert time.monotonic() < end
            time.sleep(0.2)
        seen = [
            json.dumps(client.predict(status["run"], api_name="/evaluate_result")),
            client.predict(status["run"], api_name="/evaluate_report"),
        ]
        with pytest.raises(AppError) as told:  # the Hub is not there
            client.predict("lol", ["identity"], 1, api_name="/evaluate_start")
        seen.append(str(told.value))
        for path in ("", "config", "operator", "healthz?hub", "gradio_api/info",
                     "gradio_api/openapi.json", "gradio_api/startup-events", "theme.css",
                     "monitoring", "gradio_api/token", "manifest.json"):  # fmt: skip
            seen.append(requests.get(f"{url}{path}", timeout=60).text)
    seen += [path.read_text("utf-8", "replace") for path in state.rglob("*") if path.is_file()]
    seen.append(log.read_text())
    assert len(seen) > 15
    for text in seen:
        assert token not in text and password not in text
    for staged in space.stage():
        assert token.encode() not in staged.source.read_bytes()


# ---------------------------------------------------------------- privacy


@pytest.mark.skipif(sys.platform != "linux", reason="one way to start is enough")
def test_a_page_that_starts_asks_nobody_whatever_the_environment_says(tmp_path):
    code = """
import os, sys, time
asked = []
def hear(event, given):
    if event in ("socket.connect", "socket.getaddrinfo"):
        address = given[1] if event == "socket.connect" else given[0]
        host = address[0] if isinstance(address, tuple) else address
        if str(host) not in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "None", ""):
            asked.append((event, str(address)))
sys.addaudithook(hear)
import app
page = app.build(10**6)
page.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **app.launch_options())
import requests
text = requests.get(page.local_url, timeout=60).text
config = requests.get(page.local_url + "config", timeout=60).json()
time.sleep(2)
from huggingface_hub import constants
print(asked, config.get("analytics_enabled"), constants.HF_HUB_DISABLE_TELEMETRY,
      config.get("run_history"), "googletagmanager" in text)
os._exit(0)
"""
    environment = {
        k: v for k, v in os.environ.items() if k not in ("HF_HUB_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment | {"GRADIO_ANALYTICS_ENABLED": "True", "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[] False True False False", done.stdout


@pytest.mark.parametrize("gradio_sweeps", [True, False])
def test_uploads_and_results_are_deleted_after_the_stated_time(
    tmp_path, monkeypatch, gradio_sweeps
):
    if not gradio_sweeps:  # as after an upload that came while it looked through the names

        def ended(blocks, age):
            if age is not None:
                raise RuntimeError("Set changed size during iteration")

        monkeypatch.setattr("gradio.route_utils.delete_files_created_by_app", ended)
    monkeypatch.setattr("mirnet.app.page.SWEEP_SECONDS", 1)
    monkeypatch.setattr("mirnet.app.serving.INTERRUPTED_SECONDS", 2)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    page, service = launched(tmp_path, "viewer", keep_hours=2 / 3600)
    try:
        client = Client(page.local_url, verbose=False, download_files=False)
        before = contents(tmp_path / "cache")
        photo = tmp_path / "mine.png"  # an example would be kept, as an example
        Image.new("RGB", (40, 30), "teal").save(photo)
        made = client.predict(image=handle_file(photo), task="denoise", api_name="/restore")
        break_off_an_upload(page.local_url)
        (alone,) = requests.post(
            f"{page.local_url}gradio_api/upload", files={"files": ("a.png", b"never used")},
            timeout=60,
        ).json()  # fmt: skip
        assert Path(alone).is_file() and made
        assert len(contents(tmp_path / "cache")) >= len(before) + 3
        end = time.monotonic() + 30
        while new := set(contents(tmp_path / "cache")) - set(before):
            assert time.monotonic() < end, new
            time.sleep(0.5)
    finally:
        page.close()
        service.close()


def break_off_an_upload(url: str) -> None:
    """Begin to send a photo and hang up."""
    host, port = urlsplit(url).netloc.split(":")
    head = (
        "POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n"
        "Content-Type: multipart/form-data; boundary=B\r\n\r\n--B\r\n"
        'Content-Disposition: form-data; name="files"; filename="half.png"\r\n\r\n'
    )
    with socket.create_connection((host, int(port))) as wire:
        wire.sendall(head.encode() + bytes(100_000))
        time.sleep(0.5)


def test_the_page_says_how_long_and_that_nothing_is_sent():
    text = " ".join(re.sub(r"<[^>]+>", "", about(10**8, KEEP_HOURS)).split())
    assert "deleted after 2 hours" in text and "no statistics are sent" in text
    assert "keeps a history" in text


def test_weights_are_fetched_by_no_visitor(place, hub, weights_cache):
    assert weights.locate("denoise-v2") is None
    for number in events(place.page)["WeightsView.download"]:
        call(place, number, ["denoise", "denoise-v2"])
    assert hub.requests == [] and not weights_cache.exists()
