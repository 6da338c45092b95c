"""The app as strangers attack it over HTTP: files, ids, names, and requests that do not fit."""

import subprocess
import sys
from pathlib import Path

import pytest
import requests
from gradio_client import handle_file
from gradio_client.exceptions import AppError

from mirnet.app.examples import EXAMPLES_FOLDER
from mirnet.app.monitor import MONITOR
from tests.support.paths import ROOT
from tests.support.strangers import PHOTO, RUN, call, events

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
        answer = call(place, number, [data, "denoise", "", 1, False, "PNG", 1, 1, 0, ""])
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
    answer = call(place, number, [data, "denoise", "", 1, False, "PNG", 1, 1, 0, ""])
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
    before = MONITOR.errors()
    answer = requests.get(
        f"{place.url}gradio_api/queue/data", {"session_hash": "of before"}, timeout=60
    )
    assert answer.status_code == 200 and '"session_not_found":true' in answer.text
    assert MONITOR.errors() == before


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
