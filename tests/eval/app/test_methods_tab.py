"""The Compare methods tab below the browser: states and handlers."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from eval.app.methods_stage import Comparison
from eval.app.methods_tab import MethodsTab

gr = pytest.importorskip("gradio")

VISITOR = SimpleNamespace(session_hash="one")


@pytest.fixture
def desk() -> MethodsTab:
    with gr.Blocks() as page, gr.Tabs(), gr.Tab("Compare methods") as tab:
        return MethodsTab(page, tab, 100_000)


@pytest.fixture
def photo(tmp_path) -> str:
    path = tmp_path / "mine.png"
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path)


def compared(desk, photo, methods, blind=False, task="sr-x2") -> dict:
    """Everything that a comparison wrote, the last value of each widget."""
    seen: dict = {}
    for update in desk.compare(photo, task, methods, blind, VISITOR):
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
    update = desk.take(str(tmp_path / "large.png"), "denoise")
    assert "megapixels" in update[desk.line] and update[desk.path] is None


def test_the_tab_opens_with_an_example_before_and_after(desk):
    update = desk.first_sight("denoise", None, None)
    labels = shown(desk, update)
    assert len(labels) == 2 and labels[0] == "Input"
    assert "Example" in update[desk.stage.about]
    assert desk.first_sight("denoise", "mine.png", None) == {desk.stage.about: gr.skip()}


def test_stop_ends_a_comparison_before_the_next_method(desk, photo):
    events = desk.compare(photo, "sr-x2", ["bicubic", "lanczos"], False, VISITOR)
    next(events)
    desk.halt(VISITOR)
    rest = list(events)
    assert any("Stopped" in str(update.get(desk.line)) for update in rest)
    assert not any("Lanczos" in str(update) for update in rest)
