"""Tokens are nowhere to be seen, nobody is asked, and uploads are deleted in time."""

import json
import os
import pkgutil
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from mirnet.app import space
from mirnet.app.about import about
from mirnet.app.settings import KEEP_HOURS
from mirnet.weights import load as weights
from tests.support.paths import ROOT
from tests.support.running import running_app
from tests.support.strangers import call, contents, events, launched


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
    uploaded = threading.Event()

    def once_uploaded(delete):
        """Hold the removal back: a busy machine takes longer to upload than files are kept."""
        return lambda *args: delete(*args) if uploaded.is_set() else 0

    for name in (
        "mirnet.app.cleanup.Sweeper.sweep",
        "gradio.route_utils.delete_files_created_by_app",
    ):
        monkeypatch.setattr(name, once_uploaded(pkgutil.resolve_name(name)))
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
        uploaded.set()
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
