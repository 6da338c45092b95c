"""Parts of the Restore tab below the browser: words, events, work elsewhere."""

import doctest
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import requests

import mirnet
from mirnet import TASKS
from mirnet.app import cleanup
from mirnet.app.examples import EXAMPLES_FOLDER
from mirnet.app.jobs import BatchRow, RestoreRequest, Run
from mirnet.app.photo_reader import PhotoReader
from mirnet.app.restore_tab import html, modes
from mirnet.app.restore_tab.batch import archive_folder, batch_table, stopped_words
from mirnet.app.result_cache import KeptResult
from mirnet.errors import ImageRejected
from mirnet.images.decode import read_image
from mirnet.images.encode import write_image
from mirnet.images.picture import Picture
from mirnet.restoration.result import RestoreResult
from mirnet.weights import catalogue
from tests.support.small_restorations import Identity

PHOTO = EXAMPLES_FOLDER / "lowlight" / "window.jpg"


def test_stop_cancels_runs_and_downloads_even_while_they_wait(server):
    events = requests.get(f"{server}config", timeout=60).json()["dependencies"]
    cancelled = [event["cancels"] for event in events if event["cancels"]]
    assert [len(ids) for ids in cancelled] == [3]  # Restore, an example, a download
    kinds = {event["id"]: event["types"]["generator"] for event in events}
    assert all(kinds[index] for index in cancelled[0])


def test_work_elsewhere_sends_plain_values_only(tmp_path):
    import gradio

    from mirnet.app.restore_tab import RestoreTab
    from mirnet.app.zero_gpu import restore_on_gpu, restore_through

    function = pickle.loads(pickle.dumps(restore_on_gpu))

    def far_away(*values):
        for event in function(*pickle.loads(pickle.dumps(values))):
            yield pickle.loads(pickle.dumps(event))

    with gradio.Blocks() as page:
        tab = RestoreTab(page, PhotoReader(10**6), far_away)
    order = RestoreRequest("denoise", "denoise-compact", max_pixels=10**6)
    *tiles, result = tab.restorer.restore(str(PHOTO), order, Run(), "me")
    assert len(tiles) == result.tiles == 1
    assert result.picture.name == "window"
    with pytest.raises(ImageRejected, match="notes"):
        list(restore_through(far_away, str(tmp_path / "notes.png"), order, read_image))


def test_a_fault_leaves_no_view_waiting(monkeypatch):
    """The visitor reads the fault's id in the status, and Restore can be pressed again."""
    import gradio as gr

    from mirnet.app.restore_tab import RestoreTab
    from mirnet.app.restore_tab.photos_view import Selection

    def broken(*_):
        raise KeyError("beach")

    monkeypatch.setattr("mirnet.app.restore_tab.weights_view.fetch", broken)
    with gr.Blocks() as page:
        tab = RestoreTab(page, PhotoReader(10**6))
    monkeypatch.setattr(tab.restorer.reader, "read", broken)
    visitor = SimpleNamespace(session_hash="me")
    shown = tab.stage.show_photos(Selection((str(PHOTO),)), "denoise", visitor)
    for steps in (shown, tab.weights.download("denoise", "denoise-compact", visitor)):
        updates = []
        with pytest.raises(gr.Error, match="the fault is ours"):
            updates.extend(steps)
        told = updates[-1][tab.status.line]
        assert "the fault is ours" in told and "beach" not in told
    assert updates[-1][tab.status.go]["interactive"]
    assert not tab.restorer.runs.is_running("me")

    result = mirnet.restore(str(PHOTO), weights=Identity()).result()
    key = tab.restorer.results.put(KeptResult(result))
    with pytest.raises(gr.Error, match="the fault is ours"):
        updates.extend(tab.scores.measure(key, str(PHOTO), visitor, 1, 1, 1, 0))
    assert "the fault is ours" in updates[-1][tab.scores.scores]
    monkeypatch.setattr("mirnet.restoration.result.write_image", broken)
    file = "PNG", 95, "auto", "all", False
    with pytest.raises(gr.Error, match="the fault is ours"):
        updates.extend(tab.downloads.write(key, visitor, *file, 1, 1, 1, 0))
    assert updates[-1][tab.downloads.button]["label"] == "No file: restore again"
    with pytest.raises(gr.Error, match="no longer kept"):
        updates.extend(tab.downloads.write("gone", visitor, *file, 1, 1, 1, 0))
    assert updates[-1][tab.downloads.button]["label"] == "No file: restore again"


def test_what_a_format_leaves_out_is_said_beside_it():
    import gradio as gr

    from mirnet.app.restore_tab import RestoreTab
    from mirnet.app.restore_tab.download_bar import FORMAT_INFO

    with gr.Blocks() as page:
        tab = RestoreTab(page, PhotoReader(10**6))
    clear = Picture(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8))
    result = mirnet.restore(clear, weights=Identity()).result()
    key = tab.restorer.results.put(KeptResult(result))
    visitor = SimpleNamespace(session_hash="me")

    def info(name: str) -> str:
        file = name, 95, "auto", "all", False
        *_, update = tab.downloads.write(key, visitor, *file, 1, 1, 1, 0)
        return update[tab.downloads.save_format]["info"]

    assert info("JPEG") == "JPEG has no transparency: the picture was laid over white."
    assert info("PNG") == FORMAT_INFO


def test_scores_wait_in_the_queue_of_photos_alone_and_end_when_others_come(monkeypatch):
    import gradio as gr

    from mirnet.app.restore_tab import RestoreTab
    from mirnet.app.restore_tab.photos_view import Selection

    monkeypatch.setattr("mirnet.app.queue.POSITION_SECONDS", 0.02)
    with gr.Blocks() as page:
        tab = RestoreTab(page, PhotoReader(10**6))
    scores, visitor = tab.scores, SimpleNamespace(session_hash="me")
    limits = [
        function.concurrency_limit
        for function in page.fns.values()
        if set(scores.measured) <= set(function.outputs) and function.name != "show_photos"
    ]
    assert len(limits) > 4 and set(limits) == {None}

    result = mirnet.restore(str(PHOTO), weights=Identity()).result()
    key = tab.restorer.results.put(KeptResult(result))
    blends = []
    blend = RestoreResult.blend
    monkeypatch.setattr(
        RestoreResult, "blend", lambda *args, **shares: blends.append(1) or blend(*args, **shares)
    )
    others = [tab.restorer.reader.queue.enter(name, 0.1) for name in "abcd"]

    def end_by_photos():
        scores.show_photos(Selection(), visitor)

    def end_by_a_batch():
        list(scores.show_result(None, None, visitor, 1, 1, 1, 0))

    def end_by_newer_scores():
        next(scores.measure(key, str(PHOTO), visitor, 1, 0.5, 1, 0))

    for end in (end_by_photos, end_by_a_batch, end_by_newer_scores):
        steps = scores.measure(key, str(PHOTO), visitor, 1, 1, 1, 0)
        waiting = next(steps)
        assert set(waiting) == {scores.scores} and not blends
        end()
        assert [set(update) for update in steps] == [{scores.scores}] and not blends
    steps = scores.measure(key, str(PHOTO), visitor, 1, 1, 1, 0)
    next(steps)
    for entry in others:
        entry.leave()
    assert "PSNR" in list(steps)[-1][scores.scores] and blends


def test_a_download_does_not_end_ones_own_restoration():
    import gradio as gr

    from mirnet.app.restore_tab import RestoreTab

    with gr.Blocks() as page:
        tab = RestoreTab(page, PhotoReader(10**6))
    run = tab.restorer.runs.begin("me")
    with pytest.raises(gr.Error, match="A restoration is running: let it end or press Stop"):
        list(tab.weights.download("denoise", "denoise-v2", SimpleNamespace(session_hash="me")))
    assert not run.replaced and not run.stopped


def test_second_steps_are_offered_for_some_modes_only():
    import gradio as gr

    from mirnet.app.restore_tab import RestoreTab
    from mirnet.restoration.choices import SECOND_STEPS

    with gr.Blocks() as page:
        settings = RestoreTab(page, PhotoReader(10**6)).settings
    for mode in modes.MODES.values():
        offer = settings.change_mode(mode.id)[settings.then]
        tasks = () if mode.same_size else SECOND_STEPS.get(mode.task, ())
        assert [task for _, task in offer["choices"]] == ["", *tasks]
        assert offer["visible"] is bool(tasks) and offer["value"] == ""
        for entry in catalogue.entries_for(mode.task):  # measured with each task's own weights
            offer = settings.change_mode(mode.id, entry.id)[settings.then]
            own = entry.id == TASKS[mode.task].default_weights
            assert offer["visible"] is (bool(tasks) and own)
    offer = settings.offer_second_steps("lowlight", "lowlight-compact", False, "denoise")
    assert offer[settings.then]["value"] == "denoise"
    offered_on = [
        target for function in page.fns.values() if function.name == "offer_second_steps"
        for target in function.targets
    ]  # fmt: skip
    assert (settings.same_size._id, "input") in offered_on
    values = False, 0, "auto", "auto", False
    wanted = settings.request("denoise", None, 10**6, *values, "sr-x2")
    assert (wanted.tasks, wanted.scale) == (("denoise", "sr-x2"), 2)
    assert wanted.weights_ids == ("denoise-compact", "sr-x2-compact")
    assert settings.request("denoise", None, 10**6, *values, "").tasks == ("denoise",)


def test_names_of_photos_are_escaped():
    evil = "<img src=x onerror=alert(1)>"
    picture = Picture(np.zeros((2, 3, 3), np.uint8), name=evil)
    for text in (batch_table([BatchRow(evil, "failed", evil)]), html.photo_facts(picture)):
        assert "<img" not in text
        assert "&lt;img" in text


def test_notes_say_what_is_missing():
    entry = catalogue.get_entry("sr-x4-v2")
    note = html.weights_note(TASKS["sr-x4"], entry)
    for said in ("23 MB", "non-commercial", "until you press Download"):
        assert said in note
    by_hand = html.weights_note(TASKS["sr-x4"], catalogue.get_entry("sr-x4-v1"))
    assert "weights import FILE --as sr-x4-v1" in by_hand
    assert "No weights" in html.weights_note(TASKS["denoise"], None)
    label = html.weights_label(entry)
    assert "23 MB" in label and "download first" in label and "non-commercial" in label


def test_a_stopped_batch_counts_in_english():
    assert stopped_words(1) == "Stopped. The zip holds the photo that was finished."
    assert stopped_words(2) == "Stopped. The zip holds the 2 photos that were finished."


def test_every_mode_has_a_card_and_a_title():
    assert doctest.testmod(modes).failed == 0
    shown = [mode for card in modes.CARDS.values() for mode in card.modes.values()]
    assert sorted(shown) == sorted(modes.MODES) and set(TASKS) < set(shown)


def test_no_event_fills_more_than_its_view():
    """One event once filled 26 widgets; eight and ten fill their own view today."""
    import gradio

    from mirnet.app.restore_tab import RestoreTab

    with gradio.Blocks() as page:
        RestoreTab(page, PhotoReader(10**6))
    assert max(len(function.outputs) for function in page.fns.values()) <= 10


def test_large_denoising_results_open_at_true_pixels_where_detail_is():
    import gradio

    from mirnet.app.restore_tab.adjust_view import AdjustView
    from mirnet.app.restore_tab.compare_view import CompareView
    from mirnet.app.restore_tab.restorer import Restorer

    pixels = np.full((1000, 2000, 3), 90, np.uint8)
    pixels[100:200:20, 1700:1900] = 250
    picture = Picture(pixels)
    with gradio.Blocks():
        restorer = Restorer(PhotoReader(10**7))
        view = CompareView(restorer, gradio.State(None), AdjustView(restorer))

    visitor = SimpleNamespace(session_hash="me")

    def shown(task: str, picture: Picture, **more) -> dict:
        result = mirnet.restore(picture, task, weights=Identity(), **more).result()
        key = restorer.results.put(KeptResult(result))
        (update,) = view.show_result("slider", key, visitor, 1, 1, 1, 0, 600)
        assert update[view.key] == key
        return update

    update = shown("denoise", picture)
    assert update[view.view]["value"] == "close" and update[view.close]["visible"]
    assert update[view.across]["value"] > 80 and update[view.down]["value"] < 20
    assert shown("retouch", picture)[view.view]["value"] == "slider"
    two = shown("retouch", picture, then="denoise", then_weights=Identity())
    assert two[view.view]["value"] == "slider"
    small = Picture(pixels[:300, :400].copy())
    assert shown("denoise", small)[view.view]["value"] == "slider"


def test_a_finished_photo_of_a_batch_has_thumbnails_and_a_key():
    rows = [BatchRow("a.png", "done", "0.1 s", "KEY", b"one", b"two"), BatchRow("b.png")]
    html = batch_table(rows)
    assert html.count("data-result") == 1 and 'data-result="KEY"' in html
    assert "b25l" in html and "dHdv" in html  # base64 of both


def test_any_file_is_taken_and_judged_by_its_content(tmp_path):
    from gradio.data_classes import FileData, ListFiles

    from mirnet.app.photo_inputs import photo_file

    path = tmp_path / "scan.3fr"
    path.write_bytes(PHOTO.read_bytes())
    taken = photo_file("Photos", "photos", multiple=True).preprocess(
        ListFiles(root=[FileData(path=str(path))])
    )
    assert [str(one) for one in taken] == [str(path)]


@pytest.mark.parametrize(
    ("place", "scale", "left", "top"),
    [((0.5, 0.5), 1, 180, 60), ((0, 1), 1, 0, 120), ((0.9, 0.25), 2, 680, 30)],
)
def test_a_part_is_cut_out_of_the_photo_around_its_place(tmp_path, place, scale, left, top):
    from mirnet.app.restore_tab.restorer import Restorer

    pixels = np.random.default_rng(0).integers(0, 65536, (600, 1000, 3)).astype(np.uint16)
    alpha = np.ascontiguousarray(pixels[..., 1] | 1)
    photo = write_image(Picture(pixels, alpha), tmp_path / "photo.png")
    part = Restorer.part(read_image(photo), scale, place)
    height, width = 480 // scale, 640 // scale
    assert part.name == "photo-part"
    expected = pixels[top : top + height, left : left + width]
    assert np.array_equal(part.pixels, expected)
    assert part.alpha is not None
    for array in (part.pixels, part.alpha):  # a view would keep the whole photo in memory
        assert array.base is None or array.base.nbytes == array.nbytes
    assert Restorer.part(read_image(photo), scale, None).height == height


def test_the_zip_of_a_batch_is_deleted_by_its_age(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    archive = archive_folder() / "mirnet-denoise.zip"
    archive.write_bytes(b"zip")
    sweeper = cleanup.Sweeper(tmp_path)
    assert sweeper.sweep(60, keep_seconds=3600) == 0 and archive.exists()
    assert sweeper.sweep(60, keep_seconds=-1) == 1 and not archive.exists()
