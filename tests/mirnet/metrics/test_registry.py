"""Metrics: their reference values, their words, and PSNR by hand."""

import dataclasses
import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from mirnet.errors import InvalidRequest
from mirnet.metrics.protocols import PROTOCOLS
from mirnet.metrics.registry import METRICS, OPTIONAL, get_metric, psnr, reference_pair

# In one order: processes that share the tests out must agree on it.
COMPUTED = list(
    dict.fromkeys(
        metric
        for protocol in PROTOCOLS.values()
        for metric in protocol.metrics
        if metric.key not in OPTIONAL  # see test_perceptual.py
    )
)
PSNR, SSIM = METRICS["psnr_db"], METRICS["ssim"]


@pytest.mark.parametrize("metric", COMPUTED, ids=lambda metric: metric.function.__name__)
def test_every_metric_gives_its_reference_value(metric):
    restored, clean = reference_pair()
    pictures = (restored, clean) if metric.needs_reference else (restored,)
    assert metric.function(*pictures, 1) == pytest.approx(metric.reference_value, abs=1e-9)
    deep = [(255 * picture).astype(np.float64) for picture in pictures]
    assert metric.function(*deep, 255) == pytest.approx(metric.reference_value, abs=1e-9)


@pytest.mark.parametrize("metric", COMPUTED, ids=lambda metric: metric.function.__name__)
def test_every_metric_rewards_the_better_picture(metric):
    restored, clean = reference_pair()
    closer = (restored + clean) / 2
    if metric.needs_reference:
        gain = metric.gain(metric.function(closer, clean, 1), metric.function(restored, clean, 1))
        assert gain > 0


def test_psnr_by_hand():
    zeros = np.zeros((4, 5, 3), np.uint8)
    one = zeros.copy()
    one[1, 2, 0] = 60  # mean square error 60 * 60 / 60 = 60
    assert psnr(one, zeros) == pytest.approx(10 * math.log10(255**2 / 60))
    assert psnr(zeros, one) == psnr(one, zeros)  # no wrap-around below zero
    assert math.isinf(psnr(zeros, zeros))


def test_psnr_agrees_with_scikit_image():
    random = np.random.default_rng(3)
    clean, noisy = random.integers(0, 256, (2, 150, 50, 3), dtype=np.uint8)
    assert psnr(noisy, clean) == pytest.approx(peak_signal_noise_ratio(clean, noisy), abs=1e-9)


def test_words_for_tables_and_sentences():
    assert (PSNR.label, SSIM.label, PSNR.stem, SSIM.stem) == ("PSNR (dB)", "SSIM", "psnr", "ssim")
    assert PSNR.text(31.456) == "31.46 dB" and SSIM.text(0.87654) == "0.8765"
    assert PSNR.text(0.5, "+") == "+0.50 dB" and PSNR.number(0.5, "+") == "+0.50"
    assert PSNR.text(math.inf) == "identical" and PSNR.number(math.inf) == "∞"
    assert PSNR.text(math.nan) == SSIM.number(math.nan) == "–"
    assert PSNR.number(0.5) == "0.50" and PSNR.number(-math.inf) == "-∞"


def test_published_numbers_have_the_decimals_that_were_printed():
    assert [SSIM.as_published(value) for value in (0.583, 0.8163, 0.5)] == [
        "0.583", "0.8163", "0.500"
    ]  # fmt: skip
    assert PSNR.as_published(24.1) == "24.10"


def test_a_gain_is_positive_where_the_result_is_better():
    error = dataclasses.replace(SSIM, higher_is_better=False)
    assert SSIM.gain(0.9, 0.8) == pytest.approx(0.1)
    assert error.gain(0.9, 0.8) == pytest.approx(-0.1)


def test_an_unknown_metric_is_named():
    with pytest.raises(InvalidRequest, match="Unknown metric 'vmaf': choose one of psnr_db, ssim"):
        get_metric("vmaf")
