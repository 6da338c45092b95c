"""The app as a person starts it, and the browser in which they see it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from tests.support.paths import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser

START_SECONDS = 180
"""How long a start may take on a busy machine; a few seconds are usual."""
PATIENCE_MS = 60_000
"""How long a page may take for anything."""
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class App:
    """An app under way."""

    url: str
    """Its address, with a slash at the end."""
    process: subprocess.Popen
    """What was started."""


@contextlib.contextmanager
def running_app(
    script: str = "app.py", folder: Path = ROOT, log: Path | None = None, **environment: str
) -> Iterator[str]:
    """`python app.py` on a free port; gives its address once it answers, and ends it."""
    with app_process(environment, script=script, folder=folder, log=log) as app:
        yield app.url


@contextlib.contextmanager
def app_process(
    environment: dict[str, str],
    *arguments: str,
    log: Path | None = None,
    script: str = "app.py",
    folder: Path = ROOT,
) -> Iterator[App]:
    """`python app.py` on a free port, once it answers; ended at the end if it still runs.

    Args:
        environment: What differs from this process's own.
        arguments: Further flags.
        log: Takes what it prints; by default only its errors are shown.
        script: What Python starts.
        folder: Where it is started.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    output = log.open("ab") if log else None
    process = subprocess.Popen(
        [sys.executable, script, "--port", str(port), *arguments],
        cwd=folder,
        env=os.environ | environment,
        stdout=output or subprocess.DEVNULL,
        stderr=output,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        give_up = time.monotonic() + START_SECONDS
        while True:
            assert time.monotonic() < give_up, "the app does not answer"
            assert process.poll() is None, "the app ended: its words are above"
            try:
                requests.get(url, timeout=5)
                break
            except requests.RequestException:
                time.sleep(0.1)
        yield App(url, process)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        with contextlib.suppress(ProcessLookupError):  # what it started and left behind
            os.killpg(process.pid, signal.SIGKILL)
        if output:
            output.close()


@contextlib.contextmanager
def running_chromium() -> Iterator["Browser"]:
    """Debian's chromium without a window; tests that need it are skipped where it is not."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium here")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
