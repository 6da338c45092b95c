"""3x3 convolutions by Winograd's method: the same values as the convolution itself."""

import pytest
import torch
from torch import nn
from torch.nn.functional import leaky_relu

from mirnet.restoration.engines import (
    native,
    winograd,
    winograd_transforms,
)


@pytest.mark.parametrize("height", [1, 3, 4, 17, 64])
@pytest.mark.parametrize("width", [1, 6, 40])
def test_winograd_is_the_convolution(height, width, way):
    torch.manual_seed(0)
    conv = nn.Conv2d(96, 112, 3, padding=1, bias=False)
    x = torch.randn(2, 96, height, width)
    layer = winograd.WinogradConv2d(conv)
    with torch.inference_mode():
        expected, made = conv(x), layer(x)
        torch.testing.assert_close(layer(x, 0.2), leaky_relu(made, 0.2), rtol=0, atol=1e-6)
    assert made.shape == expected.shape
    assert made.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(made, expected, rtol=0, atol=3e-5)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("channels", "groups"), [(16, 1), (23, 1), (80, 2), (180, 4)])
@pytest.mark.skipif(winograd_transforms.transforms() is None, reason="nothing can be compiled here")
def test_every_number_of_channels_groups_and_threads_is_computed(channels, groups, threads):
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False, groups=groups)
    # A part of a larger map, as a band or a tile of one is.
    x = torch.randn(1, channels, 21, 30).contiguous(memory_format=torch.channels_last)[:, :, 2:, 3:]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            made = winograd.WinogradConv2d(conv)(x)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(made, conv(x).detach(), rtol=0, atol=3e-5)


def test_values_that_are_not_numbers_stay_so(way):
    conv = nn.Conv2d(64, 64, 3, padding=1, bias=False)
    x = torch.zeros(1, 64, 9, 9)
    x[..., 4, 4] = torch.nan
    with torch.inference_mode():
        made = winograd.WinogradConv2d(conv)(x, 0.2)
    assert made[..., 4, 4].isnan().all() and made[..., 8, 8].isfinite().all()


@pytest.mark.skipif(winograd_transforms.transforms() is None, reason="nothing can be compiled here")
def test_memory_of_a_layer_is_lent_to_the_next_and_not_to_two_at_once():
    torch.manual_seed(0)
    wide, narrow = (nn.Conv2d(n, n, 3, padding=1, bias=False) for n in (128, 48))
    x = torch.randn(1, 48, 30, 30)
    with torch.inference_mode():
        winograd.WinogradConv2d(wide)(torch.full((1, 128, 40, 40), torch.nan))
        (lent,) = winograd._FREE
        made = winograd.WinogradConv2d(narrow)(x)
        assert winograd._FREE[0] is lent and made.isfinite().all()
        with winograd._scratch(9) as mine:  # somebody else is at it
            again = winograd.WinogradConv2d(narrow)(x)
            assert mine.data_ptr() == lent.data_ptr() != winograd._FREE[0].data_ptr()
    torch.testing.assert_close(made, narrow(x).detach(), rtol=0, atol=3e-5)
    torch.testing.assert_close(again, made, rtol=0, atol=1e-5)


def test_bands_join_without_a_trace(monkeypatch, way):
    torch.manual_seed(0)
    conv = nn.Conv2d(96, 96, 3, padding=1, bias=False)
    x = torch.randn(1, 96, 50, 22)
    with torch.inference_mode():
        one = winograd.WinogradConv2d(conv)(x)
        monkeypatch.setattr(winograd, "BAND_VALUES", 1)  # as little at a time as there can be
        torch.testing.assert_close(winograd.WinogradConv2d(conv)(x), one, rtol=0, atol=2e-5)


@pytest.mark.parametrize("lanes", [4, 8])
@pytest.mark.skipif(winograd_transforms.transforms() is None, reason="nothing can be compiled here")
def test_shorter_vectors_compute_the_same(lanes, monkeypatch):
    """Of processors older than this one, or of another kind."""
    kinds = winograd_transforms.ToDomain, winograd_transforms.FromDomain
    shorter = winograd_transforms.Transforms(native.Native(kinds, native.openmp(), lanes))
    assert shorter.lanes == lanes
    torch.manual_seed(0)
    conv, x = nn.Conv2d(30, 30, 3, padding=1, bias=False), torch.randn(1, 30, 18, 25)
    with torch.inference_mode():
        monkeypatch.setattr(winograd, "transforms", lambda: shorter)
        made = winograd.WinogradConv2d(conv)(x)
    torch.testing.assert_close(made, conv(x).detach(), rtol=0, atol=3e-5)


@pytest.mark.parametrize(
    ("conv", "compiled_fits", "plain_fits"),
    [
        (nn.Conv2d(96, 96, 3, padding=1, bias=False), True, True),
        (nn.Conv2d(64, 96, 3, padding=1, bias=False), True, False),
        (nn.Conv2d(32, 96, 3, padding=1, bias=False), False, False),
        (nn.Conv2d(96, 96, 3, padding=1, bias=False, groups=2), True, False),
        (nn.Conv2d(96, 96, 3, padding=1, bias=False, groups=4), False, False),
        (nn.Conv2d(96, 96, 3, padding=1), False, False),
        (nn.Conv2d(96, 96, 3, bias=False), False, False),
        (nn.Conv2d(96, 96, 3, stride=2, padding=1, bias=False), False, False),
        (nn.Conv2d(96, 96, 1, bias=False), False, False),
        (nn.ReLU(), False, False),
    ],
)
def test_only_what_it_can_compute_is_replaced(conv, compiled_fits, plain_fits, way, monkeypatch):
    monkeypatch.setattr(winograd, "MIN_CHANNELS", 96)
    monkeypatch.setattr(winograd, "MIN_COMPILED", 64)
    monkeypatch.setattr(winograd, "MIN_GROUPED", 48)
    assert winograd.fits(conv) is (compiled_fits if way == "compiled" else plain_fits)
