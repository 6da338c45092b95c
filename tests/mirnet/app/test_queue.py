"""Turns: nobody starves, nobody with one photo waits for somebody with many."""

import threading
from collections import namedtuple

import pytest
from PIL import Image

from mirnet.app.jobs import QueuePosition, RestoreRequest, Run, Runs, restore_when_scheduled
from mirnet.app.photo_reader import PhotoReader
from mirnet.app.queue import FairQueue
from mirnet.errors import Cancelled, ImageRejected, InvalidRequest
from mirnet.images.decode import size_of


def served(queue, entries, at_most=1000):
    """Finish photos one by one and say whose turn came when."""
    order = []
    left = list(entries)
    for _ in range(at_most):
        begun = [entry for entry in left if entry.wait(0)]
        if not begun:
            break
        order.append(begun[0].visitor)
        left.remove(begun[0])
        begun[0].leave()
    assert not left
    return order


def test_one_photo_does_not_wait_for_many_of_another_visitor():
    queue = FairQueue(small_at_once=1)
    entries = [queue.enter("many", 0.5) for _ in range(20)]
    entries += [queue.enter(f"one-{number}", 0.5) for number in range(5)]
    order = served(queue, entries)
    assert order[0] == "many"
    assert order[1:7].count("many") <= 1
    assert order.count("many") == 20


def test_a_visitor_with_many_is_served_although_new_ones_keep_coming():
    queue = FairQueue(small_at_once=1)
    mine = [queue.enter("many", 0.5) for _ in range(4)]
    others = [queue.enter("first", 0.5), queue.enter("second", 0.5)]
    for number in range(60):
        if all(entry.state == "left" for entry in mine):
            return
        begun = next(entry for entry in [*mine, *others] if entry.state == "begun")
        begun.leave()
        others.append(queue.enter(f"new-{number}", 0.5))
    pytest.fail("the visitor with many starved")


def test_small_photos_do_not_wait_for_large_ones_and_memory_is_bounded():
    queue = FairQueue(small_at_once=2, large_megapixels=25)
    large = [queue.enter(f"large-{number}", 12) for number in range(5)]
    huge = queue.enter("huge", 90)
    small = [queue.enter(f"small-{number}", 1) for number in range(3)]
    assert [entry.state for entry in large] == ["begun"] * 2 + ["waiting"] * 3
    assert [entry.state for entry in small] == ["begun", "begun", "waiting"]
    assert small[2].before() == 0 and large[4].before() == 2 and huge.before() == 3
    for entry in large[:4]:
        entry.leave()
    assert huge.state == "waiting"  # one large photo is still under way
    large[4].leave()
    assert huge.wait(0)
    assert not queue.enter("large-9", 12).wait(0)  # not beside one that is larger than all room


def test_places_are_given_back_whatever_happens():
    queue = FairQueue(small_at_once=1)
    with pytest.raises(ZeroDivisionError), queue.enter("a", 1):
        raise ZeroDivisionError
    first, second, third = (queue.enter(name, 1) for name in "abc")
    second.cancel()
    with pytest.raises(Cancelled, match="press Restore"):
        second.wait(1)
    second.leave()
    second.leave()
    assert third.before() == 0 and not third.wait(0)
    first.leave()
    assert third.wait(0)


def test_a_waiting_photo_hears_of_its_turn_at_once():
    queue = FairQueue(small_at_once=1)
    first, second = queue.enter("a", 1), queue.enter("b", 1)
    heard = []
    thread = threading.Thread(target=lambda: heard.append(second.wait(60)))
    thread.start()
    first.leave()
    thread.join(30)
    assert heard == [True]


def test_too_many_are_refused_in_a_sentence():
    queue = FairQueue(small_at_once=1, max_waiting=4, max_waiting_each=2)
    entries = [queue.enter("a", 1) for _ in range(3)]  # one begun, two waiting
    with pytest.raises(InvalidRequest, match="2 photos of yours are waiting"):
        queue.enter("a", 1)
    entries += [queue.enter(name, 1) for name in "bc"]
    with pytest.raises(InvalidRequest, match="4 photos are waiting"):
        queue.enter("d", 1)
    entries[0].leave()
    assert queue.enter("d", 1)


def photo(folder, width, height):
    path = folder / f"{width}x{height}.png"
    Image.new("L", (width, height), 90).save(path)
    return str(path)


def test_a_photo_tells_how_many_are_before_it_and_then_its_result(tmp_path):
    queue = FairQueue(small_at_once=1)
    others = [queue.enter("a", 1), queue.enter("b", 1)]
    request = RestoreRequest("denoise", "denoise-compact")
    run = Run()
    events = restore_when_scheduled(
        queue, "c", photo(tmp_path, 40, 30), request, run, lambda *_: iter_of("made")
    )
    assert next(events) == QueuePosition(1)
    others[0].leave()
    others[1].leave()
    assert list(events) == ["made"]
    assert run.entry.state == "left"
    assert queue.enter("d", 1).wait(0)


def iter_of(*events):
    yield from events


def test_stop_reaches_a_photo_that_waits(tmp_path):
    queue = FairQueue(small_at_once=1)
    first = queue.enter("a", 1)
    runs = Runs()
    run = runs.begin("me")
    request = RestoreRequest("denoise", "denoise-compact")
    path = photo(tmp_path, 40, 30)
    events = restore_when_scheduled(
        queue, "me", path, request, run, lambda *_: pytest.fail("it was begun")
    )
    assert next(events) == QueuePosition(0)
    threading.Timer(0.05, runs.stop, ["me"]).start()
    with pytest.raises(Cancelled):
        next(events)
    with pytest.raises(Cancelled):
        next(
            restore_when_scheduled(
                queue, "me", path, request, run, lambda *_: pytest.fail("it was begun")
            )
        )
    first.leave()
    assert queue.enter("b", 1).wait(0)


def test_a_visitor_who_leaves_while_waiting_gives_the_place_back(tmp_path):
    queue = FairQueue(small_at_once=1)
    first, request = queue.enter("a", 1), RestoreRequest("denoise", "denoise-compact")
    path = photo(tmp_path, 40, 30)
    events = restore_when_scheduled(queue, "gone", path, request, Run(), lambda *_: iter_of("made"))
    next(events)
    last = queue.enter("b", 1)
    assert last.before() == 1
    events.close()
    assert last.before() == 0
    first.leave()
    assert last.wait(0)


@pytest.mark.parametrize(
    ("size", "more", "large"),
    [
        ((1400, 1400), {}, False),
        ((1500, 1400), {}, True),
        ((800, 700), {"task": "sr-x2"}, True),  # the result counts
        ((800, 700), {"task": "sr-x2", "same_size": True}, False),
        ((1400, 1400), {"then": "lowlight", "then_weights": "lowlight-compact"}, False),
        ((800, 700), {"then": "sr-x2", "then_weights": "sr-x2-compact"}, True),
    ],
)
def test_the_size_of_the_result_says_where_a_photo_waits(tmp_path, size, more, large):
    queue = FairQueue(small_at_once=1)
    assert queue.enter("a", 1).wait(0)  # small ones have to wait now
    request = RestoreRequest(**{"task": "denoise", "weights": "denoise-compact"} | more)
    path = photo(tmp_path, *size)
    events = restore_when_scheduled(queue, "b", path, request, Run(), lambda *_: iter_of("made"))
    assert next(events) == ("made" if large else QueuePosition(0))


def test_all_steps_count_for_the_time_and_the_larger_result_for_the_memory(tmp_path, monkeypatch):
    queue = FairQueue()
    entered = []
    enter = queue.enter
    monkeypatch.setattr(queue, "enter", lambda *args: entered.append(args) or enter(*args))
    request = RestoreRequest(
        "denoise", "denoise-compact", ensemble=True, then="sr-x2", then_weights="sr-x2-compact"
    )
    path = photo(tmp_path, 1000, 1000)
    list(restore_when_scheduled(queue, "me", path, request, Run(), lambda *_: iter_of("made")))
    assert entered == [("me", 4.0, 8 * 5 / 4)]


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "avif"])
def test_the_size_of_a_file_is_read_without_its_pixels(tmp_path, suffix):
    path = tmp_path / f"photo.{suffix}"
    Image.new("RGB", (70, 50), "teal").save(path)
    assert size_of(path) == (70, 50)


def test_scores_wait_for_a_turn_as_restorations_do():
    reader = PhotoReader(10**6)
    others = [reader.queue.enter(name, 0.1) for name in "abcdefgh"]
    with reader.turn("me", "scores", 0.1, 0.1) as turn:
        assert not turn.wait(0) and turn.cost < others[0].cost
        for entry in others:
            entry.leave()
        assert turn.wait(0)
    assert reader.queue.enter("next", 0.1).wait(0)


def test_a_visitor_has_one_turn_for_a_purpose_which_newer_work_ends():
    reader = PhotoReader(10**6)
    with (
        reader.turn("me", "scores", 0.1, 1) as older,
        reader.turn("you", "scores", 0.1, 1) as other,
        reader.turn("me", "stage", 0.1, 1) as beside,
    ):
        with reader.turn("me", "scores", 0.1, 1) as newer:
            with pytest.raises(Cancelled):
                older.wait(0)
            assert newer.wait(0) and not newer.cancelled
            reader.end_turn("me", "scores")
            assert newer.cancelled and not other.cancelled and not beside.cancelled
        reader.end_turn("me", "scores")  # nothing is left to end


def test_what_is_no_picture_is_refused_before_it_waits(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(ImageRejected):
        size_of(path)


def test_a_full_disk_is_told_before_the_photo_waits(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9, 10_000))
    request, path = RestoreRequest("denoise", "denoise-compact"), photo(tmp_path, 40, 30)
    with pytest.raises(InvalidRequest, match="its owner has to make room"):
        next(
            restore_when_scheduled(
                FairQueue(), "a", path, request, Run(), lambda *_: iter_of("made")
            )
        )
