"""The public function: settings, weights, depth and metadata of photos, super-resolution."""

import doctest
import math
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torch import nn

import mirnet
from mirnet.errors import (
    ImageRejected,
    InvalidRequest,
    WeightsUnavailable,
)
from mirnet.images.colour import PRIMARIES, make_profile
from mirnet.images.picture import Picture
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.restoration import api, job
from mirnet.restoration.api import restore
from mirnet.weights.load import load
from mirnet.weights.networks import save_weights
from tests.support.small_restorations import Identity, Pointwise, photo, tiny


def run_whole(model: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """The network on a whole uint8 picture, by hand: (H, W, 3) float32 in [0, 1]."""
    image = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
    with torch.inference_mode():
        return model(image)[0].clamp(0, 1).permute(1, 2, 0).numpy()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2), (37, 41), (64, 64)])
@pytest.mark.parametrize("architecture", [MIRNet, MIRNetV2])
def test_a_picture_no_larger_than_a_tile_equals_the_whole_network(size, architecture):
    pixels, model = photo(*size), tiny(architecture)
    work = restore(pixels, weights=model, tile_px=64)
    assert [(event.tile, event.tiles) for event in work] == [(1, 1)]
    expected = run_whole(model, pixels) * 255
    assert np.abs(work.result().picture.pixels - expected).max() <= 0.501


def test_float_arrays_come_back_as_floats_equal_to_the_network():
    pixels, model = photo(45, 61, np.float32), tiny()
    result = restore(pixels, weights=model).result().picture
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    with torch.inference_mode():
        expected = model(image)[0].clamp(0, 1).permute(1, 2, 0).numpy()
    assert result.pixels.dtype == np.float32
    np.testing.assert_allclose(result.pixels, expected, atol=1e-6)


def test_sixteen_bits_are_exact_through_files(tmp_path):
    pixels = photo(90, 130, np.uint16)
    cv2.imwrite(str(tmp_path / "in.png"), pixels[..., ::-1])
    result = restore(tmp_path / "in.png", weights=Identity(), tile_px=64).result()
    assert result.tiles > 1
    for name in ("out.png", "out.tif"):
        again = cv2.imread(str(result.save(tmp_path / name)), cv2.IMREAD_UNCHANGED)
        assert again.dtype == np.uint16 and np.array_equal(again[..., ::-1], pixels)


def test_grey_stays_grey(tmp_path):
    Image.fromarray(photo(channels=1)).save(tmp_path / "grey.png")
    tint = Pointwise(lambda image: image * torch.tensor([0.3, 0.6, 0.9])[:, None, None])
    result = restore(tmp_path / "grey.png", weights=tint).result()
    pixels = result.picture.pixels
    assert np.array_equal(pixels[..., 0], pixels[..., 1])
    assert np.array_equal(pixels[..., 0], pixels[..., 2])
    np.testing.assert_allclose(pixels[..., 0], photo(channels=1) * 0.6, atol=0.51)
    with Image.open(result.save(tmp_path / "out.png")) as saved:
        assert saved.mode == "L"


def test_alpha_exif_and_profile_survive(tmp_path):
    pixels = np.maximum(photo(40, 60, channels=4), 8)  # colours under no opacity are filled
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    Image.fromarray(pixels).save(tmp_path / "in.png", icc_profile=profile, exif=exif)
    result = restore(tmp_path / "in.png", weights=Identity()).result()
    with Image.open(result.save(tmp_path / "out.png")) as saved:
        assert saved.size == (40, 60)  # turned upright
        assert np.array_equal(np.asarray(saved), np.rot90(pixels, -1))
        assert saved.info["icc_profile"] == profile
        assert saved.getexif()[0x010F] == "Maker" and saved.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("exposure", [False, True])
def test_ensemble_is_the_mean_over_flips_and_rotations(exposure):
    model = tiny(exposure=exposure, unshuffle=1)
    if exposure:
        nn.init.normal_(model.exposure.slopes.weight, std=0.1)
    pixels = photo(21, 34, np.float32)
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    outputs = []
    with torch.inference_mode():
        condition = model.condition(image)
        for flipped in (False, True):
            for quarters in range(4):
                turned = np.rot90(pixels[:, ::-1] if flipped else pixels, quarters)
                turned = torch.from_numpy(turned.copy()).permute(2, 0, 1)[None]
                out = np.rot90(model(turned, condition)[0].permute(1, 2, 0).numpy(), -quarters)
                outputs.append(out[:, ::-1] if flipped else out)
    expected = np.clip(np.mean(outputs, axis=0), 0, 1)
    result = restore(pixels, weights=model, ensemble=True).result()
    assert result.ensemble and np.std(outputs, axis=0).max() > 1e-3
    np.testing.assert_allclose(result.picture.pixels, expected, atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(31, 45), (1, 1)])
def test_super_resolution_enlarges_then_restores(scale, size):
    pixels, model = photo(*size), tiny()
    result = restore(pixels, f"sr-x{scale}", weights=model, tile_px=64).result()
    height, width = size[0] * scale, size[1] * scale
    image = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    expected = nn.functional.interpolate(  # with antialias, torch has Pillow's kernel
        image, (height, width), mode="bicubic", antialias=True
    )
    expected = expected[0].permute(1, 2, 0).clamp(0, 255).numpy()
    np.testing.assert_allclose(result.before.pixels, expected, atol=0.51)
    again = restore(result.before, f"sr-x{scale}", weights=model, tile_px=64, same_size=True)
    assert np.array_equal(again.result().picture.pixels, result.picture.pixels)
    assert result.picture.pixels.shape == (height, width, 3)


def test_same_size_leaves_the_size():
    result = restore(photo(), "sr-x4", weights=Identity(), same_size=True).result()
    assert np.array_equal(result.picture.pixels, photo())


def test_the_limit_holds_for_the_result_too():
    restore(photo(10, 10), "sr-x2", weights=Identity(), max_pixels=400)
    with pytest.raises(ImageRejected, match=r"enlarged x2 would have 0\.0004 megapixels \(20 x 20"):
        restore(photo(10, 10), "sr-x2", weights=Identity(), max_pixels=399)
    restore(photo(10, 10), "sr-x2", weights=Identity(), max_pixels=100, same_size=True)
    with pytest.raises(ImageRejected, match="more than the limit"):
        restore(photo(10, 10), weights=Identity(), max_pixels=99)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"task": "polish"}, "There is no task 'polish'"),
        ({"strength": 1.01}, "Strength 1.01 is not a number from 0 to 1"),
        ({"strength": -0.1}, "Strength -0.1"),
        ({"strength": math.nan}, "Strength nan"),
        ({"strength": "1"}, "Strength '1'"),
        ({"tile_px": 31}, "tile size 31 does not fit: choose a whole number of pixels from 32"),
        ({"tile_px": 99.5}, "tile size 99.5"),
        ({"tile_px": 64, "overlap_px": 33}, "overlap 33 does not fit.*from 0 to 32"),
        ({"overlap_px": -1}, "overlap -1"),
        ({"device": "toaster"}, "no device 'toaster': choose cpu, cuda or mps"),
        ({"device": "meta"}, "cannot compute on 'meta': choose from cpu"),
        ({"device": "cuda:99"}, "cannot compute on 'cuda:99'"),
        ({"weights": 3}, "Weights cannot be a int"),
    ],
)
def test_settings_out_of_range_are_refused_at_once(wrong, words):
    with pytest.raises(InvalidRequest, match=words):
        restore(photo(), **{"weights": Identity(), **wrong})


def test_pictures_are_read_at_once():
    with pytest.raises(ImageRejected, match="does not exist"):
        restore("nowhere.png", weights=Identity())


def test_weights_by_default_id_path_and_loaded(tmp_path):
    path = save_weights(tiny(), tmp_path / "mine.safetensors", {})
    by_path = restore(photo(), weights=path).result()
    assert by_path.weights_id == "mine.safetensors" and len(by_path.weights_sha256) == 64
    assert f"sha256 {by_path.weights_sha256[:6]}… · " in by_path.facts()
    by_text = restore(photo(), weights=str(path)).result()
    by_module = restore(photo(), weights=tiny()).result()
    assert np.array_equal(by_path.picture.pixels, by_module.picture.pixels)
    assert np.array_equal(by_text.picture.pixels, by_module.picture.pixels)
    default = restore(photo()).result()
    loaded = load("denoise-compact")
    by_loaded = restore(photo(), weights=loaded).result()
    assert default.weights_id == by_loaded.weights_id == "denoise-compact"
    assert default.weights_sha256 == by_loaded.weights_sha256 == loaded.sha256


def test_weights_of_another_task_and_unknown_ones_are_refused():
    with pytest.raises(InvalidRequest, match="'lowlight-compact' are for the task lowlight, not"):
        restore(photo(), "denoise", weights="lowlight-compact")
    with pytest.raises(WeightsUnavailable, match="no weights 'nothing'"):
        restore(photo(), weights="nothing")


def test_the_package_offers_the_function():
    assert mirnet.restore(photo(), weights=Identity()).result().tiles == 1
    assert mirnet.restore is restore
    assert {"MIRNet", "MIRNetV2", "TASKS", "load_weights", "restore"} <= set(dir(mirnet))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = mirnet.nonsense


def test_the_examples_in_the_documentation_are_true():
    for module in (api, job):
        outcome = doctest.testmod(module)
        assert outcome.attempted and not outcome.failed


MEASURE = """
import resource, sys
import numpy as np
from mirnet.restoration.api import restore
from mirnet.restoration.plan import automatic_tile_px
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
kind, source = sys.argv[1:]
model = {"MIRNet": MIRNet, "MIRNetV2": MIRNetV2}.get(kind, lambda: None)()
if source == "one tile":
    side = automatic_tile_px(model.bytes_per_pixel)
    source = np.zeros((side, side, 3), np.uint8)
task = kind if model is None else "denoise"
restored = restore(source, task, weights=model, device="cpu").result()
if isinstance(source, str):
    restored.save(source + ".out.png")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, restored.facts())
"""


def peak_megabytes(*arguments: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(mirnet.__file__).parents[1],
    )
    print(arguments[0], done.stdout)
    return int(done.stdout.split()[0])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["denoise", "lowlight"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_24_megapixels_stay_under_3_gigabytes(task, dtype, tmp_path):
    cv2.imwrite(str(tmp_path / "large.png"), photo(4000, 6000, dtype))
    assert peak_megabytes(task, str(tmp_path / "large.png")) < 3000


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["MIRNet", "MIRNetV2"])
def test_one_tile_of_the_full_networks_leaves_room_for_24_megapixels(architecture):
    """A 16-bit photo of 24 megapixels costs up to 1 GB beside the network, as the test above."""
    assert peak_megabytes(architecture, "one tile") < 1500


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_photo_of_wide_gamut_is_restored_in_srgb_and_stays_what_it_is(dtype):
    seen = []

    class Probe(Identity):
        def forward(self, x):
            seen.append(x.clone())
            return super().forward(x)

    profile = make_profile("linear P3", PRIMARIES["Display P3"], 1.0)
    grey = np.full((16, 16, 3), 0.2158605 * np.iinfo(dtype).max).astype(dtype)
    for pixels in (grey, photo(16, 16, dtype)):
        result = restore(Picture(pixels, icc_profile=profile), weights=Probe()).result()
        assert result.picture.icc_profile == profile and result.picture.pixels.dtype == dtype
        difference = np.abs(result.picture.pixels.astype(int) - pixels)
        assert difference.max() <= np.iinfo(dtype).max / 255
        assert np.array_equal(result.before.pixels, pixels)
    assert seen[0].sub(128 / 255).abs().max() < 0.01  # sRGB of that light


def test_an_enlarged_sprite_has_no_dark_outline():
    y, x = np.mgrid[:48, :48] - 24
    alpha = np.where(np.hypot(x, y) < 16, 255, 0).astype(np.uint8)
    pixels = np.where(alpha[..., None] > 0, np.array([255, 230, 60]), 0).astype(np.uint8)
    sprite = Picture(pixels, alpha)
    result = mirnet.restore(sprite, "sr-x4").result().picture
    opacity = result.alpha[..., None] / 255
    over_white = result.pixels * opacity + 255 * (1 - opacity)
    expected = np.array([255, 230, 60]) * opacity + 255 * (1 - opacity)
    assert np.abs(over_white - expected).max() < 6
    unchanged = mirnet.restore(sprite, "denoise", strength=0).result().picture
    np.testing.assert_array_equal(unchanged.pixels, pixels)
