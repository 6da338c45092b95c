"""Runs of visitors: the choice of weights, closing, Stop, names of results."""

import pytest

from mirnet.app.examples import EXAMPLES_FOLDER
from mirnet.app.jobs import (
    RestoreRequest,
    Run,
    Runs,
    choose_weights,
    restore_file,
    unused_name,
)
from mirnet.errors import InvalidRequest, MIRNetError, WeightsUnavailable

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
    events = restore_file(str(PHOTO), order, run)
    next(events)
    restoration = run.job
    assert restoration is not None
    events.close()
    assert run.job is None
    with pytest.raises(MIRNetError, match="stopped"):
        restoration.result()


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
