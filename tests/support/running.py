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
    from playwright.sync_api import Browser, Playwright

START_SECONDS = 180
"""Longest start of the app in seconds, on a busy machine; a few are usual."""
PATIENCE_MS = 60_000
"""Longest wait for anything on a page, in milliseconds."""
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
    """A running app."""

    url: str
    """Address of the app, with a slash at the end."""
    process: subprocess.Popen
    """Process of the app."""


@contextlib.contextmanager
def running_app(
    script: str = "app.py", folder: Path = ROOT, log: Path | None = None, **environment: str
) -> Iterator[str]:
    """Run `python app.py` on a free port; yields its address once it answers."""
    with app_process(environment, script=script, folder=folder, log=log) as app:
        yield app.url


@contextlib.contextmanager
def app_process(
    environment: dict[str, str],
    *arguments: str,
    log: Path | None = None,
    script: str = "app.py",
    folder: Path = ROOT,
    python: str = sys.executable,
) -> Iterator[App]:
    """Run `python app.py` on a free port; yields the app once it answers, and ends it.

    Args:
        environment: Variables that differ from this process's.
        arguments: Further flags of the script.
        log: File for its output; by default only errors are shown.
        script: Python script to start.
        folder: Working directory.
        python: Interpreter that runs it.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    output = log.open("ab") if log else None
    process = subprocess.Popen(
        [python, script, "--port", str(port), *arguments],
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
def running_playwright() -> Iterator["Playwright"]:
    """Start what drives Debian's chromium, or skip the test where that is not installed."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium here")
    with sync_api.sync_playwright() as playwright:
        yield playwright


@contextlib.contextmanager
def launch_chromium(playwright: "Playwright", *flags: str) -> Iterator["Browser"]:
    """Launch Debian's chromium headless.

    Args:
        playwright: Drives it.
        flags: Further flags of chromium.
    """
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*CHROMIUM_FLAGS, *flags])
    try:
        yield browser
    finally:
        browser.close()


@contextlib.contextmanager
def running_chromium() -> Iterator["Browser"]:
    """Launch Debian's chromium headless, or skip the test where it is not installed."""
    with running_playwright() as playwright, launch_chromium(playwright) as browser:
        yield browser
