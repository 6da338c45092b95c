"""A restoration under way: events, stopping, errors, taking turns."""

import threading
import time

import numpy as np
import pytest

from mirnet.errors import Cancelled, CheckpointRejected, InvalidRequest, MIRNetError
from mirnet.restoration.api import restore
from mirnet.restoration.compute_lock import COMPUTE_LOCK, ComputeUsage
from tests.support.small_restorations import Identity, Pointwise, photo, tiny


def test_events_count_tiles_and_estimate_the_rest():
    work = restore(photo(100, 100), weights=Identity(), tile_px=64)
    events = list(work)
    assert work.tiles == len(events) == 4
    assert [event.tile for event in events] == [1, 2, 3, 4]
    assert [event.seconds for event in events] == sorted(event.seconds for event in events)
    for event in events:
        expected = event.seconds / event.tile * (4 - event.tile)
        assert event.seconds_left == pytest.approx(expected, rel=0.2)
    assert work.result() is not None and list(work) == []


def test_stopping_ends_before_the_next_tile():
    model = Identity()
    work = restore(photo(200, 200), weights=model, tile_px=64)
    next(work), next(work)
    work.cancel()
    assert list(work) == [] and len(model.shapes) == 2
    with pytest.raises(Cancelled, match="was stopped"):
        work.result()
    assert issubclass(Cancelled, MIRNetError)


def test_closing_stops_too_and_stopping_afterwards_keeps_the_result():
    work = restore(photo(200, 200), weights=Identity(), tile_px=64)
    next(work)
    work.close()
    with pytest.raises(Cancelled):
        work.result()
    work = restore(photo(), weights=Identity())
    list(work)
    work.cancel()
    work.close()
    assert np.array_equal(work.result().picture.pixels, photo())


def test_another_thread_can_stop_within_one_pass_of_an_ensemble():
    inside, go_on = threading.Event(), threading.Event()

    class Slow(Identity):
        def forward(self, image):
            inside.set()
            assert go_on.wait(10)
            return super().forward(image)

    model = Slow()
    work = restore(photo(), weights=model, ensemble=True)
    errors = []

    def run():
        try:
            work.result()
        except MIRNetError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert inside.wait(10)
    work.close()  # from outside, while the network runs
    go_on.set()
    thread.join(10)
    assert not thread.is_alive()
    assert len(model.shapes) == 1 and isinstance(errors[0], Cancelled)


def test_not_a_number_is_an_error_each_time_it_is_asked_for():
    broken = Pointwise(lambda image: image / 0 * 0)
    work = restore(photo(), weights=broken, tile_px=64)
    with pytest.raises(CheckpointRejected, match="values that are not numbers"):
        next(work)
    with pytest.raises(CheckpointRejected, match="values that are not numbers"):
        work.result()
    assert not COMPUTE_LOCK.locked()


def test_memory_that_runs_out_beside_the_network_is_a_sentence_too(monkeypatch):
    def exhausted(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9999 bytes")

    monkeypatch.setattr("mirnet.restoration.runner.TileRunner.prepare", exhausted)
    work = restore(photo(), weights=tiny())
    for ask in (work.__next__, work.result):
        with pytest.raises(InvalidRequest, match="not enough memory to restore this photo"):
            ask()


def test_two_restorations_take_turns():
    order = []

    def noting(name):
        return Pointwise(lambda image: order.append(name) or image)

    pixels = photo(100, 100)
    a, b = (restore(pixels, weights=noting(name), tile_px=64) for name in "ab")
    for _ in zip(a, b, strict=True):
        pass
    assert order == list("abababab")
    assert np.array_equal(a.result().picture.pixels, pixels)
    assert np.array_equal(b.result().picture.pixels, pixels)


def test_waiting_for_others_is_no_time_of_a_restoration():
    made = []
    thread = threading.Thread(
        target=lambda: made.append(restore(photo(), weights=Identity()).result())
    )
    began = time.perf_counter()
    with COMPUTE_LOCK.hold(ComputeUsage()):
        thread.start()
        while not COMPUTE_LOCK._waiting:
            time.sleep(0.01)
        time.sleep(0.3)
    thread.join()
    took = time.perf_counter() - began
    assert made[0].waited_seconds >= 0.3
    assert 0 <= made[0].seconds <= took - made[0].waited_seconds
