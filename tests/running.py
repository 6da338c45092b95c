"""The app as a person starts it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

ROOT = Path(__file__).parent.parent
START_SECONDS = 180
"""How long a start may take on a busy machine; a few seconds are usual."""


@contextmanager
def running_app(script: str = "app.py", folder: Path = ROOT, **environment: str) -> Iterator[str]:
    """`python app.py` on a free port; gives its address once it answers, and ends it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, script, "--port", str(port)],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
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
            except (requests.ConnectionError, requests.Timeout):
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)
