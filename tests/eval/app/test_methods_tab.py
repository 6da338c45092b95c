"""The Compare methods tab below the browser: states and handlers."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from eval.app.methods_stage import Comparison
from eval.app.methods_tab import MethodsTab
from eval.methods.one_photo import OWN_NETWORK
from mirnet.app.auth import Access
from mirnet.app.photo_reader import PhotoReader
from mirnet.app.queue import QueuePosition
from mirnet.errors import Cancelled

gr = pytest.importorskip("gradio")

VISITOR = SimpleNamespace(session_hash="one")


@pytest.fixture
def desk() -> MethodsTab:
    with gr.Blocks() as page, gr.Tabs(), gr.Tab("Compare methods") as tab:
        return MethodsTab(page, tab, PhotoReader(100_000))


@pytest.fixture
def photo(tmp_path) -> str:
    path = tmp_path / "mine.png"
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path)


def compared(desk, photo, methods, blind=False, task="sr-x2", own=None) -> dict:
    """Everything that a comparison wrote, the last value of each widget."""
    seen: dict = {}
    for update in desk.compare(photo, task, methods, blind, own, VISITOR):
        for widget, value in update.items():
            old = seen.get(widget)
            both = isinstance(value, dict) and isinstance(old, dict)
            seen[widget] = old | value if both else value
    return seen


def shown(desk, seen) -> list[str]:
    return [
        seen[place]["label"] for place in desk.stage.pictures if seen.get(place, {}).get("visible")
    ]


def test_results_stand_beside_the_input_with_their_times(desk, photo):
    seen = compared(desk, photo, ["bicubic", "lanczos"])
    labels = shown(desk, seen)
    assert labels[0] == "Input" and labels[1].startswith("Bicubic · ") and labels[2].endswith(" s")
    assert {seen[place]["value"].shape for place in desk.stage.pictures[:3]} == {(48, 64, 3)}
    assert "Done." in seen[desk.line] and seen[desk.go]["interactive"]


def test_blind_results_have_letters_until_the_vote(desk, photo):
    seen = compared(desk, photo, ["bicubic", "lanczos", "bicubic-unsharp"], blind=True)
    assert shown(desk, seen) == ["Input", "A", "B", "C"]
    assert seen[desk.stage.vote]["choices"] == ["A", "B", "C", "No difference"]
    sent = str([value for widget, value in seen.items() if widget is not desk.stage.comparison])
    assert "icubic" not in sent and "anczos" not in sent
    named = desk.stage.reveal("B", seen[desk.stage.comparison])
    best = seen[desk.stage.comparison].results[1].title
    assert f"Your choice: B, {best}" in named[desk.stage.about]
    assert named[desk.stage.pictures[2]]["label"].startswith(f"B: {best} · ")
    assert named[desk.stage.comparison].hidden is False
    assert (
        "no difference"
        in desk.stage.reveal("No difference", seen[desk.stage.comparison])[desk.stage.about]
    )


def test_a_vote_on_nothing_changes_nothing(desk):
    for comparison in (None, Comparison((), False)):
        assert desk.stage.reveal("A", comparison) == {desk.stage.about: gr.skip()}


@pytest.mark.parametrize(
    ("methods", "words"), [(["bicubic"], "1 are chosen"), (["bicubic", "tv"], "not offered")]
)
def test_a_wrong_choice_is_told_below_the_button(desk, photo, methods, words):
    seen = compared(desk, photo, methods)
    assert words in seen[desk.line] and seen[desk.go]["interactive"]


def test_a_photo_that_cannot_be_used_is_told_at_once(desk, tmp_path):
    Image.new("RGB", (400, 400)).save(tmp_path / "large.png")
    (update,) = desk.photo.take(str(tmp_path / "large.png"), "denoise", VISITOR)
    assert "megapixels" in update[desk.line] and update[desk.photo.path] is None


def test_an_example_that_a_newer_photo_ends_leaves_its_file(desk, monkeypatch):
    def ended(*_):
        yield desk.photo.waiting(QueuePosition(1))
        raise Cancelled("A newer photo came.")

    monkeypatch.setattr(desk.photo.reader, "read_when_scheduled", ended)
    clicked = SimpleNamespace(index=0)
    first, *rest = desk.photo.take_example("denoise", clicked, VISITOR)
    assert first == {desk.photo.file: None}
    assert len(rest) == 2 and not any(desk.photo.file in update for update in rest)


def test_the_tab_opens_with_an_example_before_and_after(desk):
    update = desk.first_sight("denoise", None, None)
    labels = shown(desk, update)
    assert len(labels) == 2 and labels[0] == "Input"
    assert "Example" in update[desk.stage.about]
    assert desk.first_sight("denoise", "mine.png", None) == {desk.stage.about: gr.skip()}


def test_stop_ends_a_comparison_before_the_next_method(desk, photo):
    events = desk.compare(photo, "sr-x2", ["bicubic", "lanczos"], False, None, VISITOR)
    next(events)
    desk.halt(VISITOR)
    rest = list(events)
    assert any("Stopped" in str(update.get(desk.line)) for update in rest)
    assert not any("Lanczos" in str(update) for update in rest)


@pytest.fixture
def network(tmp_path) -> str:
    """An ONNX file with a network that makes pictures twice as large."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    picture = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, (1, 3, "h", "w"))
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
    scales = onnx.numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "scales")
    node = onnx.helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")
    graph = onnx.helper.make_graph([node], "net", [picture], [result], [scales])
    opsets = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path = tmp_path / "twice.onnx"
    path.write_bytes(model.SerializeToString())
    return str(path)


def test_a_network_of_ones_own_is_compared_under_the_name_of_its_file(desk, photo, network):
    taken = desk.take_network(network, VISITOR)
    assert desk.methods not in taken  # the task and the ticks may have changed meanwhile
    methods = desk.offer_network(taken[desk.own.settings], "sr-x2", ["bicubic"])[desk.methods]
    assert methods["choices"][-1][0] == "twice.onnx" and taken[desk.line] == ""
    assert methods["value"] == ["bicubic", methods["choices"][-1][1]]
    own = taken[desk.own.settings]
    seen = compared(desk, photo, methods["value"], own=own)
    assert shown(desk, seen)[2].startswith("twice.onnx · ")
    assert seen[desk.stage.pictures[2]]["value"].shape == (48, 64, 3)
    other = desk.change_task("denoise", own)[desk.methods]
    assert ("twice.onnx", methods["value"][-1]) in other["choices"]
    wrong = compared(desk, photo, ["tv", methods["value"][-1]], task="denoise", own=own)
    assert "it is for another task" in wrong[desk.line]
    assert desk.take_network(None, VISITOR)[desk.own.settings] is None
    gone = desk.offer_network(None, "sr-x2", methods["value"])
    assert gone[desk.methods]["value"] == ["bicubic"]
    left = compared(desk, photo, methods["value"])
    assert "not offered here" in left[desk.line]


def test_a_file_that_is_no_network_is_told_at_once(desk, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    (tmp_path / "no.onnx").write_bytes(b"no network")
    update = desk.take_network(str(tmp_path / "no.onnx"), VISITOR)
    assert "mir-failed" in update[desk.line] and str(tmp_path) not in update[desk.line]
    assert update[desk.own.file] is None and update[desk.own.settings] is None


def test_only_the_operator_adds_a_network(network):
    with gr.Blocks() as page, gr.Tabs(), gr.Tab("Compare methods") as tab:
        desk = MethodsTab(page, tab, PhotoReader(100_000), Access("runner"))
    update = desk.take_network(network, SimpleNamespace(headers={}))
    assert "Only the operator" in update[desk.line] and update[desk.own.settings] is None
    assert not desk.own.file.visible


def test_who_has_signed_out_runs_the_network_no_more(desk, photo, network, monkeypatch):
    own = desk.take_network(network, VISITOR)[desk.own.settings]
    monkeypatch.setattr(desk.own, "access", Access("runner"))
    visitor = SimpleNamespace(session_hash="one", headers={}, cookies={})
    events = desk.compare(photo, "sr-x2", ["bicubic", OWN_NETWORK], False, own, visitor)
    assert any("Only the operator" in str(update.get(desk.line)) for update in events)
