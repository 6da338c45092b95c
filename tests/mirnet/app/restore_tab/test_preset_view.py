"""Presets on the page: what is loaded is what is saved again."""

import pytest

from mirnet.app.photo_reader import PhotoReader
from mirnet.restoration.presets import Preset, read_preset


@pytest.fixture(scope="module")
def view():
    import gradio as gr

    from mirnet.app.restore_tab import RestoreTab

    with gr.Blocks() as page:
        return RestoreTab(page, PhotoReader(10**6)).presets


@pytest.mark.parametrize(
    ("preset", "mode"),
    [
        (Preset(task="sr-x3", weights="sr-x3-compact", strength=0.5, luma=0.75, chroma=0.25,
                format="jpeg", quality=80, metadata="no-gps"), "sr-x3"),
        (Preset(task="sr-x2", weights="sr-x2-photo", same_size=True, format="png"), "sharpen"),
        (Preset(task="sr-x4", weights="sr-x4-compact", same_size=True, format="tiff"), "sr-x4"),
        (Preset(task="denoise", weights="denoise-compact", detail=0.5, format="webp"), "denoise"),
        (Preset(task="sr-x2", weights="sr-x2-compact", then="denoise", format="png"), "sr-x2"),
        (Preset(task="lowlight", weights="lowlight-compact", then="denoise", detail=0.5,
                format="png"), "lowlight"),
    ],
)  # fmt: skip
def test_what_is_loaded_is_saved_again(view, tmp_path, preset, mode):
    (tmp_path / "mine.toml").write_text(preset.toml())
    read = view.read(str(tmp_path / "mine.toml"))
    assert read[view.tasks.mode] == mode and "The preset is loaded" in read[view.status.line]
    preset_read = read[view.loaded]
    set_to = view.apply(preset_read) | view.apply_to_file(preset_read)
    widgets = [
        view.weights.choice, *view.settings.outputs, *view.adjust.inputs, *view.downloads.inputs,
    ]  # fmt: skip
    text = view.write(mode, *(set_to[widget] for widget in widgets))
    (tmp_path / "again.toml").write_text(text)
    assert read_preset(tmp_path / "again.toml") == preset


def test_no_preset_is_saved_that_the_page_refuses(view, tmp_path):
    """What is not offered beside "same size" or other weights is no longer chosen there."""
    settings = view.settings
    file = "PNG", 95, "auto", "all", False
    for weights, same_size in (("sr-x2-compact", True), ("sr-x2-photo", False)):
        offer = settings.offer_second_steps("sr-x2", weights, same_size, "denoise")[settings.then]
        assert offer["value"] == "" and not offer["visible"]
        text = view.write("sr-x2", weights, same_size, offer["value"], 1, 1, 1, 0, *file)
        (tmp_path / "mine.toml").write_text(text)
        assert view.read(str(tmp_path / "mine.toml"))[view.loaded].then is None
    offer = settings.offer_second_steps("sr-x2", "sr-x2-compact", False, "denoise")[settings.then]
    assert offer["value"] == "denoise" and offer["visible"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task = 'denoise'\nstrenght = 1", "has a key 'strenght' that there is not"),
        (
            "task = 'denoise'\nweights = 'mine'",
            "names the weights 'mine', which are not known here",
        ),
        ("task = 'retouch'\nthen = 'sr-x2'", "second step, sr-x2 with the weights 'sr-x2-compact'"),
        (
            "task = 'lowlight'\nthen = 'denoise'\nthen_weights = 'denoise-v2'",
            "'denoise-v2', is not offered on this page",
        ),
        ("task = 'sr-x2'\nsame_size = true\nthen = 'denoise'", "is not offered on this page"),
        ("task = 'sr-x2'\nweights = 'sr-x2-photo'\nthen = 'denoise'", "preset's other choices"),
    ],
)
def test_a_preset_that_does_not_fit_is_refused_in_words(view, tmp_path, text, words):
    from gradio import Error

    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(Error, match=words):
        view.read(str(tmp_path / "mine.toml"))


def test_a_refused_preset_leaves_all_settings_as_they_are():
    """Only the success of reading leads on: otherwise the preset before would be set again."""
    import gradio as gr

    from mirnet.app.restore_tab import RestoreTab

    with gr.Blocks() as page:
        RestoreTab(page, PhotoReader(10**6))
    after = {index: fn for index, fn in page.fns.items() if fn.trigger_after is not None}
    (read,) = [index for index, fn in page.fns.items() if fn.name == "read"]
    (first,) = [fn for fn in after.values() if fn.trigger_after == read]
    assert first.trigger_only_on_success

    def led_to(index: int) -> list[str]:
        names = []
        for later, fn in after.items():
            if fn.trigger_after == index:
                names += [fn.name, *led_to(later)]
        return names

    led = led_to(read)
    assert {"change_mode", "apply", "apply_to_file", "choose", "offer_second_steps"} <= set(led)
