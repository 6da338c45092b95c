"""Protocols against numbers of the field's own MATLAB functions, and laws every metric obeys."""

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from eval.runs.scoring import score_files
from mirnet.errors import InvalidRequest
from mirnet.metrics.protocols import (
    LUMA_CLASSIC,
    PROTOCOLS,
    RGB_8BIT,
    get_protocol,
    shown_metrics,
)
from mirnet.metrics.registry import METRICS, PSNR

REFERENCE = Path(__file__).parent / "reference"
GREY_MEANS = ("gt-mean", "gt-mean-retinexformer", "gt-mean-llflow")
CASES = json.loads((REFERENCE / "reference.json").read_text())


def scored(case, protocol, scale=1):
    files = (REFERENCE / f"{case}_{role}.png" for role in ("restored", "target"))
    return score_files(*files, PROTOCOLS[protocol], scale)


@pytest.mark.parametrize("case", CASES)
def test_colour_protocols_agree_with_matlab(case):
    expected = CASES[case]
    rgb, volume = scored(case, "rgb"), scored(case, "matlab-rgb-3d")
    assert rgb["psnr_db"] == pytest.approx(expected["psnr_rgb"], abs=1e-5)
    assert rgb["ssim"] == pytest.approx(expected["ssim_per_channel_valid"], abs=1e-5)
    assert volume["psnr_db"] == rgb["psnr_db"]
    # The reference is computed in single precision.
    assert volume["ssim"] == pytest.approx(expected["ssim_3d_unit"], abs=1e-4)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("case", CASES)
def test_realsr_protocol_agrees_with_matlab(case, scale):
    expected = CASES[case]
    if f"y_psnr_x{scale}" not in expected:
        pytest.skip("no reference for this scale")
    score = scored(case, "y-crop", scale)
    assert score["psnr_db"] == pytest.approx(expected[f"y_psnr_x{scale}"], abs=5e-5)
    assert score["ssim"] == pytest.approx(expected[f"y_ssim_x{scale}"], abs=1e-6)


def test_protocols_differ_where_they_say_so():
    scores = {name: scored("noise", name, 4) for name in PROTOCOLS}
    assert scores["y-crop"] != scores["y-sr"]  # one row and column more
    assert scores["y-sr"]["psnr_db"] > scores["rgb"]["psnr_db"] + 4
    assert scores["matlab-rgb-3d"]["ssim"] > scores["rgb"]["ssim"] + 0.3


def test_grey_mean_forgives_brightness_alone():
    rng = np.random.default_rng(0)
    target = rng.uniform(0.2, 0.6, (32, 40, 3)).astype(np.float32)
    dark = target * 0.7
    assert PROTOCOLS["rgb"].score(dark, target)["psnr_db"] < 20
    assert PROTOCOLS["gt-mean"].score(dark, target)["psnr_db"] > 100


def noisy_pair(height: int = 40, width: int = 50) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    clean = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    noise = random.normal(0, 12, clean.shape)
    return (clean + noise).clip(0, 255).astype(np.uint8), clean


def test_depths_meet_at_eight_bits():
    noisy, clean = noisy_pair()
    shallow = RGB_8BIT.score(noisy, clean)
    assert RGB_8BIT.score(noisy.astype(np.uint16) * 257, clean) == shallow
    assert RGB_8BIT.score(np.clip((noisy + 0.3) / 255, 0, 1), clean) == shallow  # rounded back


def test_luma_and_cropping_by_hand():
    noisy, clean = noisy_pair()
    score = LUMA_CLASSIC.score(noisy, clean, 3)
    weights = np.array([65.481, 128.553, 24.966]) / 255
    y, x = ((p.astype(float) @ weights + 16).round()[3:-3, 3:-3] for p in (noisy, clean))
    assert score["psnr_db"] == pytest.approx(10 * math.log10(255**2 / ((y - x) ** 2).mean()))
    expected = structural_similarity(
        x.astype(np.uint8),
        y.astype(np.uint8),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert score["ssim"] == pytest.approx(expected, abs=1e-12)


def test_metrics_whose_window_does_not_fit_can_be_left_out():
    noisy, clean = noisy_pair(10, 30)
    assert set(RGB_8BIT.score(noisy, clean, skip_small=True)) == {"psnr_db"}


def test_without_a_target_only_metrics_without_reference_are_computed(monkeypatch):
    noisy, clean = noisy_pair()
    assert RGB_8BIT.score(noisy, None) == {}
    mean = replace(
        PSNR, key="mean", needs_reference=False, function=lambda p, peak: p.mean() / peak
    )
    monkeypatch.setitem(METRICS, "mean", mean)
    alone = RGB_8BIT.score(noisy, None)
    assert alone == {"mean": pytest.approx(noisy.mean() / 255)}
    assert RGB_8BIT.score(noisy, clean)["mean"] == alone["mean"]


def test_luma_is_not_given_to_metrics_of_colour(monkeypatch):
    monkeypatch.setitem(METRICS, "hue", replace(PSNR, key="hue", needs_colour=True))
    noisy, clean = noisy_pair()
    assert "hue" in RGB_8BIT.score(noisy, clean)
    assert "hue" not in LUMA_CLASSIC.score(noisy, clean, 2)


def brightness_off() -> tuple[np.ndarray, np.ndarray]:
    """A reddish result, too dark, and its target: (40, 48, 3) float32 in [0, 1]."""
    rng = np.random.default_rng(5)
    target = rng.uniform(0.1, 0.9, (40, 48, 3)).astype(np.float32)
    tint = np.array([0.8, 0.55, 0.4], np.float32)
    restored = np.clip(target * tint + rng.normal(0, 0.02, target.shape), 0, 1)
    return restored.astype(np.float32), np.rint(target * 255).astype(np.uint8)


def unit_psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * math.log10(1 / np.mean((a - b) ** 2))


def test_grey_mean_of_retinexformer_by_its_arithmetic():
    """The public script hands RGB pictures to OpenCV's BGR2GRAY and clips the scaled result."""
    restored, target = brightness_off()
    clean = target.astype(np.float32) / 255
    ours, theirs = (cv2.cvtColor(p, cv2.COLOR_BGR2GRAY).mean() for p in (restored, clean))
    scaled = np.clip(restored * (theirs / ours), 0, 1)
    score = PROTOCOLS["gt-mean-retinexformer"].score(restored, target)
    assert score["psnr_db"] == pytest.approx(unit_psnr(scaled, clean), abs=1e-4)
    expected = structural_similarity(
        np.rint(scaled * 255).astype(np.uint8),
        target,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=2,
    )
    assert score["ssim"] == pytest.approx(expected, abs=1e-5)
    plain = PROTOCOLS["gt-mean"].score(restored, target)
    assert abs(plain["psnr_db"] - score["psnr_db"]) > 0.2


def test_grey_mean_of_llflow_by_its_arithmetic():
    """The public script divides by the plain mean, truncates to 8 bits and scores SSIM in grey."""
    restored, target = brightness_off()
    wanted = cv2.cvtColor(target.astype(np.float32), cv2.COLOR_BGR2GRAY).mean() / 255
    scaled = np.clip(restored * (wanted / restored.mean()), 0, 1)
    eight = (scaled * 255).astype(np.uint8)
    score = PROTOCOLS["gt-mean-llflow"].score(restored, target)
    assert score["psnr_db"] == pytest.approx(peak_signal_noise_ratio(target, eight), abs=1e-3)
    grey = (cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) for pixels in (eight, target))
    assert score["ssim"] == pytest.approx(structural_similarity(*grey), abs=1e-4)
    other = PROTOCOLS["gt-mean-retinexformer"].score(restored, target)
    assert abs(other["psnr_db"] - score["psnr_db"]) > 0.2


def test_a_black_result_is_not_scaled_to_infinity():
    black = np.zeros((20, 20, 3), np.float32)
    for name in GREY_MEANS:
        assert PROTOCOLS[name].score(black, np.full((20, 20, 3), 128, np.uint8))["psnr_db"] < 10
    faint = np.full((20, 20, 3), 1e-3, np.float32)  # as dark as 16 bits tell: scaled as any other
    found = PROTOCOLS["gt-mean"].score(faint, np.full((20, 20, 3), 128, np.uint8))
    assert found["psnr_db"] > 60


def test_matlabs_volume_of_eight_bit_files():
    noisy, clean = noisy_pair()
    eight, unit = PROTOCOLS["matlab-8bit-3d"], PROTOCOLS["matlab-rgb-3d"]
    assert eight.score(noisy, clean)["ssim"] == pytest.approx(
        unit.score(noisy, clean)["ssim"], abs=1e-6
    )
    between = np.clip((noisy + 0.45) / 255, 0, 1)  # rounded away in files
    assert eight.score(between, clean) == eight.score(noisy, clean)
    assert unit.score(between, clean) != unit.score(noisy, clean)


pictures = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(0, 256, (24, 27, 3), dtype=np.uint8)
)


@settings(max_examples=25, deadline=None)
@given(pictures, pictures, st.sampled_from(sorted(PROTOCOLS)))
def test_laws_of_every_protocol(restored, target, name):
    protocol = PROTOCOLS[name]
    score = protocol.score(restored, target, 2)
    assert -1 <= score["ssim"] <= 1
    if name == "gt-mean-llflow":
        return  # the target's two means differ, so that not even the target scores as equal
    same = protocol.score(target, target, 2)
    assert same["ssim"] == pytest.approx(1)
    assert math.isinf(same["psnr_db"]) or same["psnr_db"] > 100
    if name not in GREY_MEANS:  # which scale the first picture only
        swapped = protocol.score(target, restored, 2)
        assert swapped["psnr_db"] == pytest.approx(score["psnr_db"])
        assert swapped["ssim"] == pytest.approx(score["ssim"], abs=1e-6)  # float32
    closer = (0.5 * restored + 0.5 * target) / 255
    assert protocol.score(closer, target / 255, 2)["psnr_db"] > score["psnr_db"] or same == score


def test_depth_does_not_matter():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 20, 20, 3), dtype=np.uint8)
    deep = PROTOCOLS["rgb"].score(a.astype(np.uint16) * 257, b)
    assert deep["psnr_db"] == pytest.approx(PROTOCOLS["rgb"].score(a, b)["psnr_db"], abs=1e-4)


@pytest.mark.parametrize(
    ("shapes", "protocol", "scale", "message"),
    [
        (((20, 20, 3), (20, 21, 3)), "rgb", 1, "20 x 20 pixels and the target 21 x 20"),
        (((9, 20, 3), (9, 20, 3)), "rgb", 1, "does not fit into the 20 x 9"),
        (((13, 13, 3), (13, 13, 3)), "y-sr", 2, "does not fit into the 9 x 9"),
        (((3, 3, 3), (3, 3, 3)), "y-crop", 4, "leaves nothing to compare"),
        (((20, 20, 3), (20, 20, 3)), "y-sr", 1, "needs the scale"),
    ],
)
def test_what_cannot_be_scored_is_said_in_words(shapes, protocol, scale, message):
    a, b = (np.zeros(shape, np.uint8) for shape in shapes)
    with pytest.raises(InvalidRequest, match=message):
        PROTOCOLS[protocol].score(a, b, scale)


def test_unknown_protocols_are_named():
    with pytest.raises(InvalidRequest, match="choose one of rgb"):
        get_protocol("psnr")


@pytest.mark.parametrize("name", ["rgb", "rgb-8bit", "matlab-rgb-3d", "y-sr"])
def test_floats_outside_0_to_1_count_as_black_and_white(name):
    target = np.random.default_rng(0).random((24, 24, 3)).astype(np.float32)
    target[:12, :12], target[12:, 12:] = 1, 0
    restored = target.copy()
    restored[:12, :12], restored[12:, 12:] = 1.7, -0.6
    assert PROTOCOLS[name].score(restored, target, 2)["psnr_db"] == math.inf


def test_names_with_and_without_version_show_the_same_metrics():
    usual = [metric.key for metric in shown_metrics("rgb/1")]
    assert usual == [metric.key for metric in shown_metrics("unknown")] == list(METRICS)
    for name in ("perceptual", "perceptual/1"):
        optional = [metric.key for metric in PROTOCOLS["perceptual"].optional]
        assert [metric.key for metric in shown_metrics(name)] == [*METRICS, *optional]


def test_the_scale_is_needed_where_it_matters_and_may_be_any_of_own_data():
    flat = np.zeros((64, 64, 3), np.uint8)
    for scale in (2, 3, 4, 8):
        assert get_protocol("y-sr").score(flat, flat, scale)
    for scale in ({}, {"scale": 1}, {"scale": 9}):
        with pytest.raises(InvalidRequest, match="y-sr needs the scale: 2 to 8"):
            get_protocol("y-sr").score(flat, flat, **scale)


def test_a_picture_as_small_as_its_metric_allows_is_scored():
    for protocol in PROTOCOLS.values():
        if protocol.scaled:
            continue
        side = max(metric.min_side_px for metric in protocol.metrics)
        flat = np.full((side, side, 3), 128, np.uint8)
        assert set(protocol.score(flat, flat)) == {metric.key for metric in protocol.metrics}


def test_refusals_end_with_a_way_out():
    small = np.zeros((3, 3, 3), np.uint8)
    with pytest.raises(InvalidRequest, match=r"edges are cropped: give a larger one\.$"):
        get_protocol("y-sr").score(small, small, 2)
    with pytest.raises(InvalidRequest, match=r"that are scored: give larger pictures\.$"):
        get_protocol("rgb").score(small, small)
    with pytest.raises(InvalidRequest, match="choose one of rgb, rgb-8bit, perceptual"):
        get_protocol("x")


def test_floats_below_and_above_their_range_are_clipped_and_stay_as_they_were():
    """A negative value is black, also where the brightness is matched first."""
    random = np.random.default_rng(1)
    target = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    restored = random.normal(0.5, 0.6, (32, 32, 3)).astype(np.float32)
    kept = restored.copy()
    for name in ("rgb", "gt-mean"):
        protocol = get_protocol(name)
        assert protocol.score(restored, target) == protocol.score(np.clip(kept, 0, 1), target)
    np.testing.assert_array_equal(restored, kept)
