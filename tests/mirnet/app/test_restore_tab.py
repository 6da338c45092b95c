"""The app below the browser: flags, the page's events, the public endpoint, words, examples."""

import pickle
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import requests
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import app
import mirnet
from mirnet import TASKS
from mirnet.app import health
from mirnet.app.about import self_check
from mirnet.app.examples import EXAMPLES_FOLDER
from mirnet.app.jobs import (
    BatchRow,
    RestoreRequest,
    Run,
    Runs,
    choose_weights,
    restore_file,
    unused_name,
)
from mirnet.app.restore_tab import words
from mirnet.app.restore_tab.batch import batch_table, stopped_words
from mirnet.app.settings import read_settings
from mirnet.errors import ImageRejected, InvalidRequest, MIRNetError, WeightsUnavailable
from mirnet.images.decode import read_image
from mirnet.images.picture import Picture
from mirnet.images.raster import MAX_PIXELS
from mirnet.weights import catalogue
from mirnet.weights import load as weights
from tests.support.paths import ROOT

PHOTO = EXAMPLES_FOLDER / "lowlight" / "window.jpg"
SHIPPED = [task.id for task in TASKS.values() if weights.locate(task.default_weights)]


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def server():
    """The app, started once in this process; yields its address."""
    page = app.build(max_pixels=5_000_000)
    page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **app.launch_options()
    )
    yield page.local_url
    page.close()


@pytest.fixture(scope="module")
def client(server):
    return Client(server, verbose=False)


# ---------------------------------------------------------------- start


def test_help_loads_nothing():
    done = subprocess.run(
        [sys.executable, "app.py", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    for flag in ("--host", "--port", "--share", "--auth", "--max-pixels"):
        assert flag in done.stdout
    assert read_settings([]).max_pixels == MAX_PIXELS
    done = python(
        "import sys, app, mirnet.app.settings as one; one.read_settings([]);"
        "sys.exit(bool({'gradio', 'torch', 'numpy'} & {*sys.modules}))"
    )
    assert done.returncode == 0, done.stderr


def test_the_state_of_the_last_pages_only_is_kept(monkeypatch):
    """It was what grew in an hour's soak: 0.65 MB for each page that anybody had opened."""
    import gradio as gr

    monkeypatch.setattr("mirnet.app.serving.MAX_SESSIONS", 3)
    with gr.Blocks() as page:
        gr.Textbox()
    page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **app.launch_options()
    )
    try:
        for number in range(6):
            assert page.state_holder[f"page-{number}"].config_values
        assert list(page.state_holder.session_data) == ["page-3", "page-4", "page-5"]
    finally:
        page.close()


def test_the_page_is_built_without_torch_or_network():
    done = python(
        "import socket, sys\n"
        "def refuse(*_): raise OSError('no network')\n"
        "socket.socket.connect = refuse\n"
        "import app; app.build(10**8)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert done.returncode == 0, done.stderr


def test_a_failed_share_link_is_said_and_the_app_goes_on(monkeypatch, capsys):
    import gradio

    seen = {}

    def launch(self, **options):
        seen.update(options)
        self.share_url, self.local_url = None, "http://127.0.0.1:7860/"

    monkeypatch.setattr(gradio.Blocks, "launch", launch)
    monkeypatch.setattr(gradio.Blocks, "block_thread", lambda _: seen.update(blocked=True))
    monkeypatch.setattr(sys, "argv", ["app.py", "--share", "--auth", "anna:se:cret"])
    monkeypatch.delenv("SPACE_ID", raising=False)
    app.main()
    assert "No public link could be made; the page goes on here" in capsys.readouterr().out
    assert seen["auth"] == ("anna", "se:cret")
    assert seen["share"] and seen["blocked"]
    assert (seen["run_history"], seen["ssr_mode"]) == (False, False)


def test_a_space_asks_for_no_share_link(monkeypatch):
    import gradio

    seen = {}
    monkeypatch.setattr(gradio.Blocks, "launch", lambda self, **options: seen.update(options))
    monkeypatch.setattr(gradio.Blocks, "block_thread", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["app.py", "--share"])
    monkeypatch.setenv("SPACE_ID", "someone/mirnet-studio")
    app.main()
    assert seen["share"] is False


# ---------------------------------------------------------------- the public endpoint


def test_monitors_are_told_how_the_app_is(server, monkeypatch):
    answer = requests.get(f"{server}healthz", timeout=60)
    assert answer.status_code == 200 and answer.json()["ok"]
    assert {f["what"] for f in answer.json()["findings"]} == {
        "weights",
        "disk",
        "memory",
        "versions",
    }
    monkeypatch.setattr(health, "_disk", lambda: health.Finding("disk", False, "Full."))
    assert requests.get(f"{server}healthz", timeout=60).status_code == 503
    assert "disk</b> — wrong: Full." in self_check(health.check(hub=False))


PUBLIC = {
    "/restore", "/look_inside", "/review_results", "/evaluation_benchmarks", "/evaluation_methods",
    "/evaluate_start", "/evaluate_status", "/evaluate_result", "/evaluate_report",
}  # fmt: skip


def test_nothing_else_is_public(server):
    info = requests.get(f"{server}gradio_api/info", timeout=60).json()
    assert set(info["named_endpoints"]) == PUBLIC
    assert info["unnamed_endpoints"] == {}
    names = [p["parameter_name"] for p in info["named_endpoints"]["/restore"]["parameters"]]
    assert names == ["image", "task", "weights", "strength", "ensemble", "format"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the documented commands use curl")
def test_the_documented_curl_commands_work(server, tmp_path):
    page = (ROOT / "mirnet" / "docs" / "using.md").read_text()
    commands = next(b for b in re.findall(r"```sh\n(.*?)```", page, re.S) if "curl" in b)
    photo = EXAMPLES_FOLDER / "denoise" / "dogs.jpg"
    shutil.copyfile(photo, tmp_path / "holiday.jpg")
    commands = commands.replace("http://127.0.0.1:7860", server.rstrip("/"))
    subprocess.run(["bash", "-euc", commands], cwd=tmp_path, check=True, timeout=120)
    expected = mirnet.restore(photo, task="denoise").result().picture
    got = read_image(tmp_path / "holiday-denoise.png")
    assert np.array_equal(got.pixels, expected.pixels)


def test_the_documented_evaluation_example_works(server, capsys):
    page = (ROOT / "mirnet" / "docs" / "using.md").read_text()
    code = next(b for b in re.findall(r"```python\n(.*?)```", page, re.S) if "evaluate_start" in b)
    found: dict = {}
    exec(code.replace("http://127.0.0.1:7860", server.rstrip("/")), found)  # noqa: S102
    assert {row["method"] for row in found["result"]["leaderboard"]} == {"retouch-compact", "clahe"}
    assert all(row["psnr_db"] > 10 for row in found["result"]["leaderboard"])
    assert found["report"].lower().startswith("<!doctype html>")
    assert "retouch-compact" in capsys.readouterr().out


@pytest.mark.parametrize("task", SHIPPED)
def test_endpoint_gives_the_librarys_pixels(client, task):
    import mirnet

    path = client.predict(image=handle_file(PHOTO), task=task, api_name="/restore")
    assert Path(path).name == f"window-{task}.png"
    expected = mirnet.restore(PHOTO, task).result().picture
    assert np.array_equal(read_image(path).pixels, expected.pixels)


def test_endpoint_keeps_sixteen_bits_and_takes_settings(client, tmp_path):
    import mirnet

    deep = np.random.default_rng(0).integers(0, 65536, (37, 53, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    settings = {"strength": 0.25, "ensemble": True}
    path = client.predict(
        image=handle_file(tmp_path / "deep.png"),
        task="denoise",
        weights="denoise-compact",
        format="TIFF",
        api_name="/restore",
        **settings,
    )
    result = read_image(path)
    expected = mirnet.restore(tmp_path / "deep.png", "denoise", **settings).result().picture
    assert (result.bits, result.source_format) == (16, "TIFF")
    assert np.array_equal(result.pixels, expected.pixels)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"weights": "/etc/passwd"}, "cannot use the weights"),
        ({"weights": "mirnet/weights/denoise-compact.safetensors"}, "cannot use the weights"),
        ({"weights": "hub:someone/model@main"}, "cannot use the weights"),
        ({"weights": "lowlight-compact"}, "cannot use the weights"),
        ({"weights": "denoise-v2"}, "not on this machine"),
        ({"task": "colourise"}, "colourise"),
        ({"strength": 2}, "Strength 2"),
        ({"format": "GIF"}, "GIF"),
    ],
)
def test_endpoint_refuses_in_words(client, wrong, words):
    with pytest.raises(AppError, match=words):
        client.predict(**({"image": handle_file(PHOTO)} | wrong), api_name="/restore")


def test_endpoint_says_what_is_no_picture(client, tmp_path):
    path = tmp_path / "notes.jpg"
    path.write_text("no picture at all")
    with pytest.raises(AppError, match="notes.jpg"):
        client.predict(image=handle_file(path), api_name="/restore")
    wide = tmp_path / "wide.png"
    Image.new("1", (3000, 2000)).save(wide)
    with pytest.raises(AppError, match="megapixels"):
        client.predict(image=handle_file(wide), api_name="/restore")


@pytest.mark.parametrize("meta", [{"meta": {"_type": "gradio.FileData"}}, {}])
def test_endpoint_reads_no_file_of_the_server(server, meta):
    start = f"{server}gradio_api/call/restore"
    target = {"path": str(PHOTO)} | meta
    values = {"data": [target, "denoise", "", 1, False, "PNG"]}
    event = requests.post(start, json=values, timeout=60).json()["event_id"]
    answer = requests.get(f"{start}/{event}", timeout=120).text
    assert "event: error" in answer
    assert "complete" not in answer


def test_a_cancelled_call_lets_go_of_the_network(server, tmp_path):
    from mirnet.restoration.compute_lock import COMPUTE_LOCK

    path = tmp_path / "large.png"
    Image.new("RGB", (2400, 2000), "grey").save(path)
    client = Client(server, verbose=False)
    job = client.submit(image=handle_file(path), task="denoise", api_name="/restore")
    wait_until(lambda: len(job.outputs()) > 0)
    assert job.outputs()[0] is None  # a first tile is done, not the photo
    job.cancel()
    wait_until(lambda: is_free_for(COMPUTE_LOCK, 1.0))


def wait_until(condition, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def is_free_for(lock: threading.Lock, seconds: float) -> bool:
    """A run under way holds the lock nearly all the time; look often."""
    looks = [(lock.locked(), time.sleep(0.02)) for _ in range(int(seconds / 0.02))]
    return not any(locked for locked, _ in looks)


def test_stop_cancels_runs_and_downloads_even_while_they_wait(server):
    events = requests.get(f"{server}config", timeout=60).json()["dependencies"]
    cancelled = [event["cancels"] for event in events if event["cancels"]]
    assert [len(ids) for ids in cancelled] == [2]
    kinds = {event["id"]: event["types"]["generator"] for event in events}
    assert all(kinds[index] for index in cancelled[0])


# ---------------------------------------------------------------- parts


def test_choice_of_weights():
    assert choose_weights("denoise", None) == "denoise-compact"
    assert choose_weights("denoise", "") == "denoise-compact"
    with pytest.raises(WeightsUnavailable, match="press Download"):
        choose_weights("denoise", "denoise-v2")
    with pytest.raises(InvalidRequest, match="cannot use"):
        choose_weights("denoise", "../weights/denoise-compact.safetensors")


def test_closing_a_run_stops_it():
    run = Run()
    order = RestoreRequest("denoise", "denoise-compact", tile_px=64, max_pixels=10**6)
    events = restore_file(str(PHOTO), order, run)
    next(events)
    restoration = run.job
    assert restoration is not None
    events.close()
    assert run.job is None
    with pytest.raises(MIRNetError, match="stopped"):
        restoration.result()


def test_work_elsewhere_sends_plain_values_only(tmp_path):
    import gradio

    from mirnet.app.restore_tab import RestoreTab
    from mirnet.app.zero_gpu import restore_on_gpu, restore_through

    function = pickle.loads(pickle.dumps(restore_on_gpu))

    def far_away(*values):
        for event in function(*pickle.loads(pickle.dumps(values))):
            yield pickle.loads(pickle.dumps(event))

    with gradio.Blocks() as page:
        tab = RestoreTab(page, 10**6, far_away)
    order = RestoreRequest("denoise", "denoise-compact", max_pixels=10**6)
    *tiles, result = tab.restorer.restore(str(PHOTO), order, Run(), "me")
    assert len(tiles) == result.tiles == 1
    assert result.picture.name == "window"
    with pytest.raises(ImageRejected, match="notes"):
        list(restore_through(far_away, str(tmp_path / "notes.png"), order))


def test_stop_reaches_only_ones_own_run():
    runs = Runs()
    mine, other = runs.begin("me"), runs.begin("you")
    assert runs.stop("me") is mine
    assert (mine.stopped, other.stopped) == (True, False)
    runs.end("me", mine)
    assert mine.ended.is_set()
    assert runs.stop("me") is None


def test_names_in_a_zip_differ():
    taken = ["a-denoise.png", "a-denoise-2.png"]
    assert unused_name("a-denoise.png", taken) == "a-denoise-3.png"
    assert unused_name("b-denoise.png", taken) == "b-denoise.png"


def test_names_of_photos_are_escaped():
    evil = "<img src=x onerror=alert(1)>"
    picture = Picture(np.zeros((2, 3, 3), np.uint8), name=evil)
    for html in (batch_table([BatchRow(evil, "failed", evil)]), words.photo_facts(picture)):
        assert "<img" not in html
        assert "&lt;img" in html


def test_notes_say_what_is_missing():
    entry = catalogue.get_entry("sr-x4-v2")
    note = words.weights_note(TASKS["sr-x4"], entry)
    for said in ("23 MB", "non-commercial", "until you press Download"):
        assert said in note
    by_hand = words.weights_note(TASKS["sr-x4"], catalogue.get_entry("sr-x4-v1"))
    assert "weights import FILE --as sr-x4-v1" in by_hand
    assert "No weights" in words.weights_note(TASKS["denoise"], None)
    label = words.weights_label(entry)
    assert "23 MB" in label and "download first" in label and "non-commercial" in label


def test_a_stopped_batch_counts_in_english():
    assert stopped_words(1) == "Stopped. The zip holds the photo that was finished."
    assert stopped_words(2) == "Stopped. The zip holds the 2 photos that were finished."
