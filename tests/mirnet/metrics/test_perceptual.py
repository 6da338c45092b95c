"""Optional metrics agree with reference implementations on stored pairs, and know their limits."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.color import deltaE_ciede2000

from mirnet.metrics.perceptual import ciede2000, flip, gmsd, ms_ssim
from mirnet.metrics.protocols import PERCEPTUAL, PROTOCOLS, RGB_8BIT
from mirnet.metrics.registry import METRICS, OPTIONAL, get_metric, metrics_in, reference_pair

REFERENCE = Path(__file__).parent / "reference"
VALUES = {  # pytorch-msssim 1.0.0, piq 0.8.0, flip-evaluator 1.7
    "noise": (0.9285905849856287, 0.04319684207600928, 0.11671275645494461),
    "blur": (0.9779304784101296, 0.06029331665395518, 0.0746704488992691),
    "jpeg": (0.9526737102443742, 0.03759056516267162, 0.11345850676298141),
    "near": (0.9999934056528433, 6.355144268431139e-06, 0.002105124993249774),
    "dark": (None, 0.20426814039858035, 0.778065025806427),
}
"""MS-SSIM, GMSD and FLIP of each pair. MS-SSIM of the one with an odd side is left out: the package
averages its last pixels with zeros, the authors' filter with their mirror image."""


def pair(name):
    return tuple(
        np.asarray(Image.open(REFERENCE / f"{name}_{role}.png").convert("RGB"))
        for role in ("restored", "target")
    )


@pytest.mark.parametrize("name", VALUES)
def test_they_agree_with_reference_implementations(name):
    restored, target = pair(name)
    multi, deviation, seen = VALUES[name]
    if multi is not None:
        assert ms_ssim(restored, target) == pytest.approx(multi, abs=1e-6)
    # piq divides by n where the authors' std2 divides by n - 1.
    assert gmsd(restored, target) == pytest.approx(deviation, rel=1e-4)
    pytest.importorskip("flip_evaluator")
    assert flip(restored, target) == pytest.approx(seen, abs=1e-5)


@pytest.mark.parametrize(
    "first, second, difference",
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 3.1571, -77.2803), (50, 0, -82.7485), 2.8615),
        ((50, 2.8361, -74.0200), (50, 0, -82.7485), 3.4412),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
    ],
)
def test_the_colour_difference_is_that_of_its_paper(first, second, difference):
    assert deltaE_ciede2000(first, second) == pytest.approx(difference, abs=1e-4)


def test_colour_differences_of_pictures():
    grey = np.full((4, 5, 3), 119, np.uint8)  # L* = 50.0
    lighter = np.full((4, 5, 3), 122, np.uint8)
    assert ciede2000(grey, grey) == 0
    assert ciede2000(lighter, grey) == pytest.approx(1.187, abs=0.001)
    assert ciede2000(lighter / 255, grey / 255, 1) == pytest.approx(ciede2000(lighter, grey))


def test_equal_pictures_are_perfect():
    _, target = pair("noise")
    assert ms_ssim(target, target) == pytest.approx(1)
    assert gmsd(target, target) == 0
    assert ciede2000(target, target) == 0


@pytest.mark.parametrize("key", OPTIONAL)
def test_each_gives_its_reference_value_and_direction(key):
    if key == "flip":
        pytest.importorskip("flip_evaluator")
    metric = OPTIONAL[key]
    restored, clean = reference_pair(*metric.reference_size)
    expected = pytest.approx(metric.reference_value, rel=1e-4, abs=1e-6)
    assert metric.function(restored, clean, 1) == expected
    closer = metric.function((restored + clean) / 2, clean, 1)
    assert metric.gain(closer, metric.function(restored, clean, 1)) > 0
    assert metric.axis_label.endswith("lower is better") != metric.higher_is_better


def test_only_the_protocol_that_names_them_computes_them(monkeypatch):
    restored, target = pair("noise")
    scores = PERCEPTUAL.score(restored, target)
    assert set(scores) == {*METRICS, *OPTIONAL}
    assert set(RGB_8BIT.score(restored, target)) == set(METRICS)
    for name, protocol in PROTOCOLS.items():
        assert (name == "perceptual") == bool(set(OPTIONAL) & {m.key for m in protocol.metrics})
    small = PERCEPTUAL.score(restored[:60, :60], target[:60, :60])
    assert set(small) == {"psnr_db", "ssim", "gmsd", "delta_e", "flip"}
    monkeypatch.setitem(sys.modules, "flip_evaluator", None)
    assert "flip" not in PERCEPTUAL.score(restored, target)


def test_tables_show_those_that_are_there():
    assert [metric.key for metric in metrics_in(["flip", "pair"])] == [*METRICS, "flip"]
    assert get_metric("gmsd").title == "GMSD"
