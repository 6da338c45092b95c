"""Photos are decoded once, in their turn in the queue of photos."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mirnet.app.jobs import Run
from mirnet.app.photo_reader import PhotoReader
from mirnet.app.queue import FairQueue, QueuePosition
from mirnet.errors import Cancelled, ImageRejected
from mirnet.images.encode import write_image
from mirnet.images.picture import Picture

VISITOR = SimpleNamespace(session_hash="me")


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch):
    monkeypatch.setattr("mirnet.app.queue.POSITION_SECONDS", 0.02)


@pytest.fixture
def photos(tmp_path):
    """Paths of two photos."""
    return [
        str(write_image(Picture(np.full((30, 40, 3), level, np.uint8)), tmp_path / f"{level}.png"))
        for level in (60, 90)
    ]


@pytest.fixture
def reader():
    return PhotoReader(10**6)


@pytest.fixture
def tabs(reader):
    """The page, and its tabs that take photos: Restore, Compare methods, Look inside."""
    import gradio as gr

    from eval.app.methods_tab import MethodsTab
    from mirnet.app.inside_tab import InsideTab
    from mirnet.app.restore_tab import RestoreTab

    with gr.Blocks() as page, gr.Tabs(), gr.Tab() as place:
        return (
            page,
            RestoreTab(page, reader),
            MethodsTab(page, place, reader),
            InsideTab(place, reader),
        )


def fill(queue: FairQueue) -> list:
    """Restorations of others that leave no room for a small photo."""
    return [queue.enter(name, 0.1) for name in "abcd"]


def returned(steps):
    """What a generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_a_photo_is_decoded_in_its_turn_and_then_at_once(reader, photos):
    others = fill(reader.queue)
    shown: list[QueuePosition] = []
    steps = reader.read_when_scheduled(photos[0], "me", "stage", lambda at: shown.append(at) or {})
    next(steps)
    assert shown == [QueuePosition(0)] and reader.pictures.find(photos[0]) is None
    others[0].leave()
    assert returned(steps).pixels[0, 0, 0] == 60
    others += fill(reader.queue)
    again = reader.read_when_scheduled(photos[0], "me", "stage", lambda _: pytest.fail("it waits"))
    assert returned(again) is reader.pictures.find(photos[0])
    for entry in others:
        entry.leave()
    assert all(entry.state == "begun" for entry in fill(reader.queue))  # no turn is left behind


def test_a_photo_over_the_limit_is_refused_before_it_waits(tmp_path):
    path = write_image(Picture(np.zeros((40, 50, 3), np.uint8)), tmp_path / "photo.png")
    small = PhotoReader(1999)
    fill(small.queue)
    with pytest.raises(ImageRejected, match="photo"):
        returned(small.read_when_scheduled(str(path), "me", "stage", lambda _: {}))


def test_stop_ends_the_wait_of_a_run(reader, photos):
    fill(reader.queue)
    run = Run()
    steps = reader.read_when_scheduled(photos[0], "me", "part", lambda _: {}, run)
    next(steps)
    run.cancel()
    with pytest.raises(Cancelled):
        next(steps)


def test_each_tab_reads_in_turn_and_a_newer_photo_ends_the_wait(reader, photos, tabs):
    import gradio as gr

    from mirnet.app.restore_tab.photos_view import Selection

    _, restore, methods, inside = tabs
    others = fill(reader.queue)

    def added(path):
        return (
            restore.stage.show_photos(Selection((path,)), "denoise", VISITOR),
            methods.photo.take(path, "denoise", VISITOR),
            inside.pictures.show_photo(path, VISITOR),
        )

    older = added(photos[0])
    said = [next(steps) for steps in older]
    for update, widget in zip(
        said, (restore.status.line, methods.line, inside.pictures.board), strict=True
    ):
        words = update[widget] if isinstance(update[widget], str) else update[widget]["value"]
        assert "Yours is next" in words or "before yours" in words
    newer = added(photos[1])
    for steps in newer:
        next(steps)
    for steps in (older[0], older[2]):
        with pytest.raises(gr.Error) as hidden:
            next(steps)
        assert not hidden.value.visible
    assert list(older[1]) == [{methods.line: gr.skip()}]
    # Their failure clears nothing, because a newer photo is there.
    assert restore.photos.forget(Selection((photos[1],))) == {restore.photos.selection: gr.skip()}
    assert inside.inputs.forget(photos[1]) == gr.skip()

    for entry in others:
        entry.leave()
    *_, shown = newer[0]
    assert shown[restore.stage.photo]["visible"]
    *_, taken = newer[1]
    assert taken[methods.photo.path] == photos[1]
    *_, seen = newer[2]
    assert seen[inside.pictures.seen][0, 0, 0] == 90
    assert reader.pictures.find(photos[0]) is None


def test_removed_photos_end_the_wait(reader, photos, tabs):
    from gradio import Error

    from mirnet.app.restore_tab.photos_view import Selection

    _, restore, *_ = tabs
    fill(reader.queue)
    steps = restore.stage.show_photos(Selection((photos[0],)), "denoise", VISITOR)
    next(steps)
    list(restore.stage.show_photos(Selection(), "denoise", VISITOR))
    with pytest.raises(Error):
        next(steps)


def test_the_events_of_added_photos_wait_in_the_queue_of_photos_alone(tabs):
    """Gradio would run four at once, and leave out a photo that comes while one waits."""
    page, *_ = tabs
    found = [
        (function.concurrency_limit, function.trigger_mode)
        for function in page.fns.values()
        if getattr(function.fn, "__qualname__", "")
        in ("StageView.show_photos", "PhotoView.take", "PhotoView.take_example",
            "PicturesView.show_photo")
    ]  # fmt: skip
    assert len(found) >= 7 and set(found) == {(None, "multiple")}


def test_views_and_files_count_for_a_visitors_next_photo():
    queue = FairQueue(small_at_once=1)
    other = queue.enter("other", 1.0)
    queue.charge("busy", 2.0, 1.0)
    late, early = queue.enter("busy", 1.0), queue.enter("calm", 1.0)
    assert (late.before(), early.before()) == (1, 0)
    other.leave()
    assert early.state == "begun"


def test_views_of_a_visitor_who_is_alone_cost_nothing_later():
    queue = FairQueue(small_at_once=1)
    queue.charge("me", 2.0, 5.0)
    other = queue.enter("other", 1.0)
    mine, next_one = queue.enter("me", 1.0), queue.enter("third", 1.0)
    assert (mine.before(), next_one.before()) == (0, 1)
    other.leave()


def test_a_newer_photo_wins_over_one_that_was_read_already(reader, photos, tabs, monkeypatch):
    """Its preview is still being made, or it was in memory and never waited."""
    from gradio import Error

    from mirnet.app.restore_tab.photos_view import Selection
    from mirnet.restoration import inspection

    _, restore, *_ = tabs
    reader.read(photos[0])
    inspect = inspection.inspect_picture

    def overtaken(picture):
        monkeypatch.setattr(inspection, "inspect_picture", inspect)
        newer = restore.stage.show_photos(Selection((photos[1],)), "denoise", VISITOR)
        found.extend(newer)
        return inspect(picture)

    found: list[dict] = []
    monkeypatch.setattr(inspection, "inspect_picture", overtaken)
    with pytest.raises(Error) as hidden:
        found.extend(restore.stage.show_photos(Selection((photos[0],)), "denoise", VISITOR))
    assert not hidden.value.visible
    selections = [update[restore.photos.selection].paths for update in found]
    assert selections == [(photos[1],)]


def test_an_older_photo_that_cannot_be_read_takes_nothing_from_a_newer_one(
    reader, photos, tabs, tmp_path, monkeypatch
):
    import gradio as gr
    from gradio import Error

    from mirnet.app.restore_tab.photos_view import Selection

    _, restore, methods, inside = tabs
    found: list[dict] = []

    def broken(path):
        monkeypatch.undo()
        found.extend(restore.stage.show_photos(Selection((photos[1],)), "denoise", VISITOR))
        found.extend(inside.pictures.show_photo(photos[1], VISITOR))
        found.extend(methods.photo.take(photos[1], "denoise", VISITOR))
        raise ImageRejected("photo is damaged")

    for older in (
        restore.stage.show_photos(Selection((photos[0],)), "denoise", VISITOR),
        inside.pictures.show_photo(photos[0], VISITOR),
    ):
        found.clear()
        monkeypatch.setattr(reader, "read", broken)
        shown = []
        with pytest.raises(Error) as hidden:
            shown.extend(older)
        assert not hidden.value.visible and not shown and len(found) == 3
    monkeypatch.setattr(reader, "read", broken)
    older = methods.photo.take(photos[0], "denoise", VISITOR)
    assert list(older) == [{methods.line: gr.skip()}]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_click_is_placed_on_the_upright_photo(reader, tabs, tmp_path, orientation):
    from mirnet.app.restore_tab.photos_view import Selection

    _, restore, *_ = tabs
    path = tmp_path / "photo.jpg"
    tags = Image.Exif()
    tags[274] = orientation
    Image.new("RGB", (40, 30)).save(path, exif=tags)
    upright = reader.read(str(path))
    corner = SimpleNamespace(index=[upright.width - 1, upright.height - 1])
    across, down = restore.stage.choose_place(Selection((str(path),)), corner)
    assert across == pytest.approx(1, abs=0.02) and down == pytest.approx(1, abs=0.02)
