"""The Look inside tab below the browser: what its events show, and its endpoint."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import mirnet
from mirnet.app.examples import examples_for
from mirnet.app.inside_tab import InsideTab, html
from mirnet.app.inside_tab.trace_cache import TraceCache
from mirnet.app.photo_reader import PhotoReader
from mirnet.errors import InvalidRequest
from mirnet.images.preview import shrink
from mirnet.inside import plots
from mirnet.inside.trace import summary, trace
from mirnet.weights import load as weights
from tests.support.small_networks import photo, small_v1, small_v2

PHOTO = examples_for("denoise")[0].path


@pytest.fixture(scope="module")
def page():

    import gradio as gr

    with gr.Blocks() as blocks, gr.Tabs(), gr.Tab("Look inside", id="inside") as tab:
        inside = InsideTab(tab, PhotoReader(1_000_000))
    return blocks, inside


@pytest.fixture(scope="module")
def tab(page):
    return page[1]


@pytest.fixture(scope="module")
def client(page):
    blocks, _ = page
    blocks.launch(server_name="127.0.0.1", prevent_thread_lock=True, quiet=True)
    yield Client(blocks.local_url, verbose=False)
    blocks.close()


def look(tab, path, task):
    """A pass as the button makes it: its key, and what all views show of it."""
    *_, last = tab.inputs.look(path, task, None)
    key = last[tab.inputs.key]
    shown = {}
    for view in (tab.pictures, tab.maps, tab.plots):
        update = view.show_pass(key)
        assert set(update) <= set(view.outputs)
        shown |= update
    return key, shown


def test_a_fault_of_the_first_pass_leaves_the_button_free(tab, monkeypatch):
    from gradio import Error

    def broken(*_):
        raise KeyError("beach")

    monkeypatch.setattr(tab.inputs.traces, "of_example", broken)
    updates = []
    with pytest.raises(Error, match="the fault is ours"):
        updates.extend(tab.inputs.open_first(None, "denoise", "denoise-compact"))
    assert updates[-1][tab.inputs.go]["interactive"] and updates[-1][tab.inputs.first_key] is None
    told = updates[-1][tab.inputs.bar]
    assert "the fault is ours" in told and "beach" not in told


def test_a_deep_photo_is_looked_at_and_shown_with_eight_bits(tab, tmp_path):
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), photo(dtype=np.uint16)[..., ::-1])
    key, shown = look(tab, str(path), "lowlight")
    assert shown[tab.pictures.seen].dtype == shown[tab.pictures.restored].dtype == np.uint8
    expected = mirnet.restore(path, "lowlight", engine="plain").result().picture
    assert np.array_equal(shown[tab.pictures.restored], shrink(expected).pixels)
    assert shown[tab.plots.exposure]["visible"]
    assert shown[tab.plots.area]["visible"] and shown[tab.maps.area]["visible"]
    found = tab.traces.get(key)
    moved = tab.maps.draw(key, 2, 2)
    for stream in range(3):
        for row, name in zip(tab.maps.maps, ("energy", "context attention"), strict=True):
            wanted = plots.map_picture(found.find(name, 2, stream, 2)).pixels
            image = row[stream][1]
            assert np.array_equal(moved[image], wanted)
            assert not np.array_equal(moved[image], shown[image])
    assert tab.plots.draw(key, 2, 1, 2)[tab.plots.fusion]["visible"]
    moved = tab.plots.draw(key, 2, 2, 2)
    assert not moved[tab.plots.fusion]["visible"]
    assert "Quarter receives no other" in moved[tab.plots.fusion_words]


def test_a_network_of_the_first_paper_is_drawn_too(tab, tmp_path, monkeypatch):
    cv2.imwrite(str(tmp_path / "small.png"), photo())
    found = trace(photo(), weights=small_v1())
    monkeypatch.setattr(tab.traces, "run", lambda *_: found)
    key, shown = look(tab, str(tmp_path / "small.png"), "denoise")
    assert not shown[tab.plots.exposure]["visible"]
    assert "Spatial attention: the places that a stream weighs most" in shown[tab.maps.headings[1]]
    attention = found.find("spatial attention", 1, 2, 1)
    assert np.array_equal(shown[tab.maps.maps[1][2][1]], plots.map_picture(attention).pixels)
    assert "only Full receives others" in tab.plots.draw(key, 1, 1, 2)[tab.plots.fusion_words]


def test_mistakes_are_one_sentence(tab, tmp_path):
    from gradio import Error

    bad = tmp_path / "broken.jpg"
    bad.write_bytes(PHOTO.read_bytes()[:300])
    events = tab.pictures.show_photo(str(bad), SimpleNamespace(session_hash="me"))
    assert next(events)[tab.inputs.chosen] is None
    with pytest.raises(Error, match=r"broken") as told:
        next(events)
    assert str(tmp_path) not in str(told.value)
    with pytest.raises(Error, match="Add a photo or click an example first"):
        list(tab.inputs.look(None, "denoise", None))
    with pytest.raises(Error, match="cannot use the weights"):
        list(tab.inputs.look(str(PHOTO), "denoise", "retouch-compact"))
    for draw in (tab.maps.draw, tab.plots.draw):
        with pytest.raises(Error, match="press Look inside again"):
            draw("gone", 1, *([1, 0] if draw == tab.plots.draw else [1]))


def test_maps_have_a_title_and_a_scale(tab):
    found = trace(photo(), weights=small_v2(2))
    feature = found.find("energy", 1, 1, 1)
    drawn = plots.map_picture(feature)
    title, scale = html.map_title(feature), html.map_scale(drawn)
    height, width = feature.on_picture.shape
    assert "Half" in title and f"{width} × {height}" in title
    assert f">{drawn.low:.3g}<" in scale and f">{drawn.high:.3g}<" in scale
    assert "#440154" in scale  # viridis begins in violet


def test_the_introduction_draws_every_stream():
    drawn = html.introduction()
    assert 'role="img"' in drawn and 'aria-label="One block of the network' in drawn
    for name, colour in zip(plots.STREAMS, plots.COLOURS, strict=True):
        assert f"<b>{name}</b>" in drawn and f'stroke="{colour}"' in drawn


def test_only_weights_on_this_machine_are_offered(tab, monkeypatch):
    inputs = tab.inputs
    update = inputs.change_task("sr-x2")
    offered = [value for _, value in update[inputs.weights]["choices"]]
    assert update[inputs.weights]["value"] == offered[0] == "sr-x2-compact"
    assert "sr-x2-v2" not in offered
    assert len(update[inputs.samples]["value"]) == len(examples_for("sr-x2"))
    assert ".heic" in inputs.photo.file_types  # as Restore takes them
    assert "value" not in inputs.refresh("sr-x2")[inputs.weights]  # a choice survives
    monkeypatch.setattr(weights, "locate", lambda _: None)
    for update in (inputs.change_task("denoise"), inputs.refresh("denoise")):
        assert update[inputs.go]["interactive"] is False
        assert "download some in Restore" in update[inputs.note]


def test_opening_the_tab_looks_at_an_example_once(tab, monkeypatch):
    inputs, runs = tab.inputs, []
    found = trace(photo(), weights=small_v2(2))
    monkeypatch.setattr(tab.traces, "run", lambda *given: runs.append(given) or found)
    for _ in range(2):  # the second visitor sees the same pass
        *_, last = inputs.open_first(None, "denoise", "denoise-compact")
        assert tab.traces.get(last[inputs.key]) is found
        assert last[inputs.first_key] == last[inputs.key]
    assert len(runs) == 1
    (only,) = inputs.open_first("own.jpg", "denoise", "denoise-compact")
    assert only == {inputs.first_key: None}  # a photo that was added stays
    assert tab.maps.draw(last[inputs.key], 1, 1) and len(runs) == 1
    for view in (tab.pictures, tab.maps, tab.plots):
        assert len(view.show_pass(None)) == 1  # nothing changes


def test_old_looks_make_room():
    found = trace(photo(), weights=small_v2(2))
    kept = TraceCache(10**6, max_bytes=int(2.5 * found.nbytes))
    first, second = kept.put(found), kept.put(found)
    kept.get(first)
    third = kept.put(found)
    assert kept.get(first) and kept.get(third)
    with pytest.raises(InvalidRequest, match="no longer kept"):
        kept.get(second)
    assert TraceCache(10**6, max_bytes=1).put(found)  # the newest always stays


def test_endpoint_tells_what_the_library_found(client):
    told = client.predict(
        image=handle_file(str(PHOTO)), task="retouch", weights="", api_name="/look_inside"
    )
    expected = summary(trace(PHOTO, "retouch", max_px=512))
    assert told["weights"] == "retouch-compact"
    assert told["colour_matrix"] == expected["colour_matrix"]
    assert told["features"] == expected["features"]
    shares = next(row["weights"] for row in told["features"] if row["name"] == "fusion")
    np.testing.assert_allclose(np.sum(shares, 0), 1, rtol=1e-5)


@pytest.mark.parametrize(
    "image, settings, words",
    [
        (None, {"task": "denoise", "weights": ""}, "Add a photo or click an example first"),
        (PHOTO, {"task": "denoise", "weights": "sr-x2-compact"}, "cannot use the weights"),
        (PHOTO, {"task": "denoise", "weights": "/etc/passwd"}, "cannot use the weights"),
        (__file__, {"task": "denoise", "weights": ""}, "test_inside_tab"),
    ],
)
def test_endpoint_refuses_in_words(client, image, settings, words):
    with pytest.raises(AppError, match=words) as told:
        client.predict(image=image and handle_file(str(image)), **settings, api_name="/look_inside")
    assert "Traceback" not in str(told.value)
