"""Runs of visitors: the choice of weights, closing, Stop, names of results."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from PIL import Image

from mirnet.app import jobs
from mirnet.app.examples import EXAMPLES_FOLDER
from mirnet.app.jobs import (
    RestoreRequest,
    Run,
    Runs,
    choose_weights,
    restore_photo,
    restore_when_scheduled,
    unused_name,
)
from mirnet.app.photo_reader import PhotoReader
from mirnet.app.queue import FairQueue
from mirnet.errors import ImageRejected, InvalidRequest, MIRNetError, WeightsUnavailable

PHOTO = EXAMPLES_FOLDER / "lowlight" / "window.jpg"


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
    events = restore_photo(str(PHOTO), order, run)
    next(events)
    restoration = run.job
    assert restoration is not None
    events.close()
    assert run.job is None
    with pytest.raises(MIRNetError, match="stopped"):
        restoration.result()


def unqueued(path, order):
    return list(restore_when_scheduled(FairQueue(), "me", str(path), order, Run(), refuse_work))


def refuse_work(path, order):
    raise AssertionError("nothing may be restored")


def test_limits_are_checked_before_the_queue_with_the_true_reason(tmp_path, monkeypatch):
    path = tmp_path / "wide.png"
    Image.new("1", (3000, 2000)).save(path)
    with pytest.raises(ImageRejected, match=r"wide\.png has 6 megapixels .* limit of 5"):
        unqueued(path, RestoreRequest("denoise", "denoise-compact", max_pixels=5 * 10**6))
    large = RestoreRequest("sr-x4", "sr-x4-compact", max_pixels=50 * 10**6)
    monkeypatch.setattr(jobs, "free_bytes", lambda folder: 10**8)
    with pytest.raises(ImageRejected, match=r"wide\.png enlarged x4 would have 96 megapixels"):
        unqueued(path, large)
    with pytest.raises(InvalidRequest, match="The disk .* is full"):
        unqueued(path, replace(large, max_pixels=10**9))
    with pytest.raises(AssertionError, match="nothing may"):
        unqueued(path, replace(large, same_size=True))


def test_a_download_does_not_end_ones_restoration():
    import gradio

    from mirnet.app.restore_tab import RestoreTab

    with gradio.Blocks() as page:
        tab = RestoreTab(page, PhotoReader(10**6))
    request = SimpleNamespace(session_hash="me")
    run = tab.restorer.runs.begin("me")
    with pytest.raises(gradio.Error, match="A restoration is running: .* press Stop"):
        next(tab.weights.download("denoise", "denoise-v2", request))
    assert not run.replaced and tab.restorer.runs.stop("me") is run


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
