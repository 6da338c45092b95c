"""The public endpoints of the app, /restore foremost, as programs use them."""

import re
import shutil
import subprocess
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

import mirnet
from mirnet import TASKS
from mirnet.app.examples import EXAMPLES_FOLDER
from mirnet.images.decode import read_image
from mirnet.weights import load as weights
from tests.support.paths import ROOT

PHOTO = EXAMPLES_FOLDER / "lowlight" / "window.jpg"
SHIPPED = [task.id for task in TASKS.values() if weights.locate(task.default_weights)]


PUBLIC = {
    "/restore", "/look_inside", "/review_results", "/evaluation_benchmarks", "/evaluation_methods",
    "/evaluate_start", "/evaluate_status", "/evaluate_result", "/evaluate_report",
}  # fmt: skip


def test_nothing_else_is_public(server):
    info = requests.get(f"{server}gradio_api/info", timeout=60).json()
    assert set(info["named_endpoints"]) == PUBLIC
    assert info["unnamed_endpoints"] == {}
    names = [p["parameter_name"] for p in info["named_endpoints"]["/restore"]["parameters"]]
    assert names == [
        "image", "task", "weights", "strength", "ensemble", "format", "luma", "chroma", "detail",
        "then",
    ]  # fmt: skip


def test_no_event_of_a_widget_defers_two_calls(server):
    """Gradio repeats the whole event when a deferred call ends: two would do so without end."""
    deferred: dict[tuple, list[str]] = {}
    for call in requests.get(f"{server}config", timeout=60).json()["dependencies"]:
        if call["trigger_mode"] == "always_last" and call["backend_fn"]:
            for widget, event in call["targets"]:
                deferred.setdefault((widget, event), []).append(call["api_name"])
    assert len(deferred) > 20
    assert [names for names in deferred.values() if len(names) > 1] == []


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
def test_endpoint_gives_the_librarys_pixels(client, task, tmp_path):
    photo = tmp_path / "window.png"
    Image.open(PHOTO).crop((200, 120, 297, 193)).save(photo)  # small: six networks run twice
    path = client.predict(image=handle_file(photo), task=task, api_name="/restore")
    assert Path(path).name == f"window-{task}.png"
    expected = mirnet.restore(photo, task).result().picture
    assert np.array_equal(read_image(path).pixels, expected.pixels)


def test_endpoint_keeps_sixteen_bits_and_takes_settings(client, tmp_path):
    import mirnet

    deep = np.random.default_rng(0).integers(0, 65536, (37, 53, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    settings = {"strength": 0.25, "ensemble": True}
    shares = {"luma": 0.5, "chroma": 0.75, "detail": 0.25}
    path = client.predict(
        image=handle_file(tmp_path / "deep.png"),
        task="denoise",
        weights="denoise-compact",
        format="TIFF",
        api_name="/restore",
        **settings,
        **shares,
    )
    result = read_image(path)
    whole = mirnet.restore(tmp_path / "deep.png", "denoise", **settings).result()
    expected = whole.blend(**shares).picture
    assert (result.bits, result.source_format) == (16, "TIFF")
    assert np.array_equal(result.pixels, expected.pixels)


def test_endpoint_restores_in_two_steps(client, tmp_path):
    photo = tmp_path / "window.png"
    Image.open(PHOTO).crop((200, 120, 297, 193)).save(photo)
    path = client.predict(
        image=handle_file(photo), task="denoise", then="sr-x2", api_name="/restore"
    )
    assert Path(path).name == "window-denoise-sr-x2.png"
    expected = mirnet.restore(photo, "denoise", then="sr-x2").result().picture
    assert np.array_equal(read_image(path).pixels, expected.pixels)


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
        ({"luma": -1}, "Luma -1"),
        ({"task": "sr-x2", "detail": 0.5}, "which sr-x2 does not remove"),
        ({"then": "sr-x2", "detail": 0.5}, "which sr-x2 does not remove"),
        ({"then": "colourise"}, "no task 'colourise'"),
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
    values = {"data": [target, "denoise", "", 1, False, "PNG", 1, 1, 0, ""]}
    event = requests.post(start, json=values, timeout=60).json()["event_id"]
    answer = requests.get(f"{start}/{event}", timeout=120).text
    assert "event: error" in answer
    assert "complete" not in answer


def test_a_cancelled_call_lets_go_of_the_network(server, tmp_path):
    from mirnet.restoration.compute_lock import COMPUTE_LOCK

    path = tmp_path / "large.png"
    Image.new("RGB", (2400, 2000), "grey").save(path)
    patient = {"timeout": 120}  # the answer comes after the tile under way
    client = Client(server, verbose=False, httpx_kwargs=patient)
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
