"""Which of Gradio's routes are served, and what strangers can send to those that are."""

import doctest
import os
import tempfile
from pathlib import Path

import pytest
import requests

from mirnet.app import gradio_routes
from mirnet.app.examples import EXAMPLES_FOLDER
from mirnet.app.gradio_routes import is_served
from mirnet.app.monitor import MONITOR
from tests.support.strangers import launched

PHOTO = EXAMPLES_FOLDER / "denoise" / "dogs.jpg"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    page, service = launched(folder, "viewer")
    yield page
    page.close()
    service.close()


@pytest.fixture
def no_fault():
    """Nothing that a stranger sends is written down as an error of the page."""
    before = MONITOR.errors()
    yield
    assert MONITOR.errors() == before


def test_the_examples_in_docstrings_hold():
    assert doctest.testmod(gradio_routes).failed == 0


CLOSED = {
    "/gradio_api/component_server", "/gradio_api/deep_link", "/gradio_api/dev/reload",
    "/gradio_api/custom_component/{id}/{environment}/{type}/{file_name}",
    "/gradio_api/process_recording",
    "/gradio_api/proxy={url_path:path}", "/gradio_api/runs", "/gradio_api/stream/{event_id}",
    "/gradio_api/stream/{event_id}/close", "/gradio_api/undo-vibe-edit", "/gradio_api/vibe-code",
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file",
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
    "/gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",
    "/gradio_api/vibe-edit", "/gradio_api/vibe-starter-queries", "/monitoring",
    "/monitoring/summary", "/monitoring/{key}", "/openapi.json", "/pwa_icon/{size}",
    "/svelte/{path:path}",
}  # fmt: skip
"""Routes of Gradio 6 that are for features that this page does not have."""


def test_each_route_of_gradio_is_decided_on(place):
    """A new version may bring others: then somebody has to look at them."""
    paths = {getattr(route, "path", "") or "/" for route in place.app.routes}
    for route in place.app.routes:  # FastAPI keeps an included router as one route
        inner = getattr(getattr(route, "original_router", None), "routes", ())
        paths |= {route.path for route in inner}
    closed = {path.rstrip("/") for path in paths if not is_served(path)}
    assert len(paths) > 60 and closed - {""} == CLOSED


def test_icons_of_the_manifest_are_served_and_no_path_names_a_host():
    for path in ("/pwa_icon", "/pwa_icon/192", "/pwa_icon/512", "/pwa_icon/"):
        assert is_served(path)
    for path in ("/pwa_icon/30000", "/pwa_icon/x", "//", "///", "//evil.example", "//config",
                 "//assets/a"):  # fmt: skip
        assert not is_served(path)


@pytest.mark.parametrize(
    "path",
    [
        "/", "/evil.example", "pwa_icon/30000",
        "monitoring", "monitoring/summary", "gradio_api/component_server", "?page=2",
        "openapi.json", "config?page=x", "gradio_api/process_recording", "gradio_api/proxy=a%00b",
        "static/" + "a" * 3000, "assets/" + "a" * 3000, "gradio_api/deep_link?session_hash=a",
        "gradio_api/nothing",
    ],
)  # fmt: skip
def test_what_the_page_does_not_have_is_not_there(place, path, no_fault):
    for method in ("GET", "HEAD"):
        answer = requests.request(method, place.local_url + path, timeout=60)
        assert answer.status_code in (404, 405), answer.text[:200]
        assert "content-security-policy" in answer.headers


def test_no_route_takes_files_that_are_not_counted_and_deleted(place, no_fault):
    """Gradio left what came to two other routes in the system's temporary folder for good."""
    mine = Path(tempfile.gettempdir())
    before = {path for path in os.listdir(mine) if path.startswith("tmp")}
    for name in ("component_server", "process_recording"):
        for files in ({"video": ("a.mp4", b"x" * 1000)}, {"files": ("a.png", b"x" * 1000)}):
            answer = requests.post(f"{place.local_url}gradio_api/{name}", files=files, timeout=60)
            assert answer.status_code == 404
    assert {path for path in os.listdir(mine) if path.startswith("tmp")} <= before


@pytest.mark.parametrize(
    "body",
    [b'{"data": [NaN]}', b'{"session_hash": "\\ud800"}', b"[" * 100_000, b'"' + b"x" * 10**6],
)
@pytest.mark.parametrize(
    "name", ["cancel", "reset", "queue/join", "call/restore", "run/restore", "api/x", "nothing"]
)
def test_a_body_of_the_wrong_form_is_no_fault(place, name, body, no_fault):
    answer = requests.post(
        f"{place.local_url}gradio_api/{name}",
        body,
        headers={"Content-Type": "application/json"},
        timeout=60,
    )
    assert answer.status_code < 500 and len(answer.content) < 300, answer.text[:400]


# ---------------------------------------------------------------- parts of files

SECRETS = {"Cookie": "mirnet-operator=of-the-operator", "X-Other": "of-the-visitor"}


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-5", 206, slice(-5, None)),
        ("bytes=0-99999999999999999999", 206, slice(None)),
        ("bytes=999999999-", 416, None),
        ("bytes=0-1,4-5", 206, None),
        ("bytes=--5", 416, None),
        ("bytes=10-5", 400, None),
        ("bytes=" + ",".join(f"{n}-{n + 1}" for n in range(0, 4000, 3)), 200, slice(None)),
        (None, 200, slice(None)),
        ("", 400, None),
    ],
)
def test_a_part_of_a_file_holds_nothing_of_the_request(place, wanted, status, part, no_fault):
    """Gradio answered with the request's headers: scripts could read a cookie that is hidden."""
    content = PHOTO.read_bytes()
    (path,) = requests.post(
        f"{place.local_url}gradio_api/upload", files={"files": ("dogs.jpg", content)}, timeout=60
    ).json()
    headers = SECRETS if wanted is None else {"Range": wanted, **SECRETS}
    answer = requests.get(f"{place.local_url}gradio_api/file={path}", headers=headers, timeout=60)
    assert answer.status_code == status, answer.text[:200]
    if part is not None:
        assert answer.content == content[part]
    assert not {"cookie", "x-other", "host", "user-agent"} & {
        name.lower() for name in answer.headers
    }
    assert "of-the" not in str(answer.headers)
