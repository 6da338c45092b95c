"""A Space with a shared GPU: the real `spaces` package against a stub of its API, without a GPU."""

import json
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import requests
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from mirnet import restore
from mirnet.app.jobs import RestoreRequest
from mirnet.app.space import stage
from mirnet.app.zero_gpu import MAX_SECONDS, gpu_seconds
from mirnet.images.picture import Picture
from tests.support.paths import ROOT
from tests.support.running import running_app

pytest.importorskip("spaces")

PHOTO = ROOT / "examples" / "lowlight" / "window.jpg"


class Lender(ThreadingHTTPServer):
    """Lends a GPU that is not there, and remembers for how long it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked: list[tuple[str, dict]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Answers(BaseHTTPRequestHandler):
    def do_POST(self):
        where = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(where.query).items()}
        self.server.asked.append((where.path, given))
        lease = {"idle": True, "nvidiaIndex": 0, "nvidiaUUID": "GPU-0", "allowToken": "lease"}
        body = json.dumps(lease if where.path == "/schedule" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def lender():
    server = Lender()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def busy(tmp_path):
    """Where this file is, other visitors hold every lock of the app."""
    return tmp_path / "busy"


@pytest.fixture
def space(lender, busy, tmp_path):
    """Starts exactly what `space push` uploads, as ZeroGPU does; its address once it answers."""
    folder = tmp_path / "space"
    for file in stage():
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.source, folder / file.path)
    (folder / "tests/support").mkdir(parents=True)
    shutil.copy(ROOT / "tests/support/zero_gpu_app.py", folder / "tests/support")
    with running_app(
        "tests/support/zero_gpu_app.py",
        folder,
        SPACE_ID="us/studio",
        SPACES_ZERO_GPU="true",
        SPACES_ZERO_DEVICE_API_URL=f"http://127.0.0.1:{lender.server_port}",
        ZEROGPU_OFFLOAD_DIR=str(tmp_path / "offload"),
        HOME=str(tmp_path),
        BUSY=str(busy),
        MIRNET_ALLOW_RUNS="1",
    ) as url:
        yield url


def test_photos_are_restored_by_the_borrowing_process_with_the_same_pixels(
    space, lender, busy, tmp_path
):
    client = Client(space, verbose=False)
    assert ("/startup-report", {}) in lender.asked
    busy.touch()
    while busy.read_text() != "held":
        time.sleep(0.1)
    for _ in range(2):  # the second time by the process that is there already
        job = client.submit(image=handle_file(str(PHOTO)), task="lowlight", api_name="/restore")
        path = job.result(timeout=120)
    found = np.asarray(Image.open(path))
    here = restore(PHOTO, task="lowlight").result().picture.pixels
    assert np.abs(found.astype(int) - here).max() <= 1
    schedules = [given for where, given in lender.asked if where == "/schedule"]
    assert [int(given["durationSeconds"]) for given in schedules] == [15, 15]
    assert [given["fail"] for where, given in lender.asked if where == "/release"] == ["false"] * 2

    # Evaluations have no GPU, though torch says there is one: they compute on the processor.
    busy.unlink()
    given = {"benchmark": "mini-denoise", "methods": ["denoise-compact"], "pairs": 1}
    run = client.predict(**given, api_name="/evaluate_start")["run"]
    while client.predict(run=run, api_name="/evaluate_status")["state"] in ("queued", "running"):
        time.sleep(0.2)
    (row,) = client.predict(run=run, api_name="/evaluate_result")["leaderboard"]
    assert row["psnr_db"] > 20

    health = requests.get(f"{space}healthz", timeout=20).json()
    assert {found["what"]: found["ok"] for found in health["findings"]}["weights"]

    text = tmp_path / "notes.png"
    text.write_text("no picture")
    with pytest.raises(AppError, match="is a text file: choose a JPEG"):
        client.predict(image=handle_file(str(text)), task="denoise", api_name="/restore")


def test_the_gpu_is_borrowed_for_as_long_as_the_photo_needs():
    small, large = (
        Picture(np.zeros((height, width, 3), np.uint8))
        for height, width in ((1000, 1000), (3000, 4000))
    )
    ours, papers = (
        RestoreRequest("denoise", "denoise-compact"),
        RestoreRequest("denoise", "denoise-v1"),
    )
    assert gpu_seconds(small, ours) < gpu_seconds(large, ours)
    assert gpu_seconds(small, ours) < gpu_seconds(small, papers)
    four_times = gpu_seconds(small, RestoreRequest("sr-x2", "sr-x2-compact"))
    same_size = gpu_seconds(small, RestoreRequest("sr-x2", "sr-x2-compact", same_size=True))
    assert four_times > same_size == gpu_seconds(small, ours)
    assert gpu_seconds(large, RestoreRequest("denoise", "denoise-v1", ensemble=True)) == MAX_SECONDS
    two = RestoreRequest("denoise", "denoise-compact", then="sr-x2", then_weights="sr-x2-compact")
    assert gpu_seconds(small, two) > four_times
