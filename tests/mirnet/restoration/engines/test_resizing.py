"""Compiled halving and doubling, and what happens where nothing can be compiled."""

import sys
import warnings

import pytest
import torch
from torch import nn

from mirnet.models import blocks
from mirnet.restoration.engines import (
    fused,
    native,
    resizing,
    winograd,
)


class _Unloadable:
    """Finds llvmlite's library and cannot load it."""

    def find_spec(self, name, *_):
        if name == "llvmlite.binding":
            raise OSError("cannot map a segment")


def test_what_cannot_be_compiled_is_done_without(monkeypatch):
    def refused(kinds, library):
        raise OSError("memory cannot be made executable\nand more")

    again = native.native.__wrapped__
    with monkeypatch.context() as patch:
        patch.setattr(native, "Native", refused)
        with pytest.warns(UserWarning, match="compiled here: memory cannot be made executable$"):
            assert again(resizing.Doubling) is None
    with monkeypatch.context() as patch:  # a library that lacks memory, or another library
        for name in [name for name in sys.modules if name.startswith("llvmlite.binding")]:
            patch.delitem(sys.modules, name)
        patch.setattr(sys, "meta_path", [_Unloadable(), *sys.meta_path])
        with pytest.warns(UserWarning, match="compiled here: cannot map a segment$"):
            assert again(resizing.Doubling) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # another system, or not installed: nothing to say
        with monkeypatch.context() as patch:
            patch.setattr(native, "openmp", lambda: None)
            assert again(resizing.Doubling) is None
        monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
        assert again(resizing.Doubling) is None


@pytest.mark.parametrize("channels", [3, 16, 23, 80])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (7, 2), (12, 9)])
@pytest.mark.skipif(resizing.resizing() is None, reason="nothing can be compiled here")
def test_streams_are_joined_as_by_the_reference(channels, height, width, monkeypatch):
    torch.manual_seed(0)
    last = torch.channels_last
    fine = torch.randn(2, channels, 2 * height, 2 * width).contiguous(memory_format=last)
    coarse = torch.randn(2, channels, height, width)
    factors = torch.rand(2, channels, 1, 1), torch.rand(1, channels, 1, 1)
    monkeypatch.setattr(fused, "add_doubled_", lambda *_: pytest.fail("not compiled"))
    for own, others in (factors, factors[::-1], (None, None)):
        with torch.inference_mode():
            expected = fine * (1 if own is None else own)
            expected += blocks.upsample(coarse * (1 if others is None else others))
            made = resizing.CompiledJoin()(fine.clone(memory_format=last), own, coarse, others)
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)


@pytest.mark.skipif(native.openmp() is None, reason="nothing can be compiled here")
def test_maps_that_compiled_functions_would_misread_are_refused():
    layer = winograd.WinogradConv2d(nn.Conv2d(64, 64, 3, padding=1, bias=False))
    fine, coarse = torch.rand(1, 8, 6, 4), torch.rand(1, 8, 3, 2)
    fine = fine.contiguous(memory_format=torch.channels_last)
    down = resizing.CompiledBlurPool(blocks.BlurPool())
    with torch.inference_mode():
        for call, args in (
            (layer, (torch.rand(1, 63, 9, 9),)),
            (layer, (torch.rand(1, 64, 9, 9, dtype=torch.float64),)),
            (down, (fine.double(),)),
            (resizing.CompiledJoin(), (fine, None, coarse[:, :, :2], None)),
            (resizing.CompiledJoin(), (fine, None, coarse[:, :7], None)),
            (resizing.CompiledJoin(), (fine, None, coarse.half(), None)),
        ):
            with pytest.raises(ValueError, match="channels instead of|a map is|doubled is not"):
                call(*args)
    with pytest.raises(ValueError, match="strides"):
        native.check(torch.rand(1, 4, 3, 3))  # rows last in memory


@pytest.mark.parametrize("channels", [3, 23, 64])
@pytest.mark.parametrize(("height", "width"), [(2, 2), (3, 8), (9, 14), (16, 5)])
def test_maps_are_halved_as_by_the_reference(channels, height, width, monkeypatch):
    torch.manual_seed(0)
    x, down = torch.randn(2, channels, height, width), blocks.BlurPool()
    with torch.inference_mode():
        expected, made = down(x), resizing.CompiledBlurPool(down)(x)
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)
        assert made.is_contiguous(memory_format=torch.channels_last)
        monkeypatch.setattr(resizing, "resizing", lambda: None)
        assert torch.equal(resizing.CompiledBlurPool(down)(x), expected)


def test_streams_are_joined_by_the_reference_where_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(resizing, "resizing", lambda: None)
    fine, coarse = torch.rand(1, 8, 6, 4), torch.rand(1, 8, 3, 2)
    own, others = torch.rand(1, 8, 1, 1), torch.rand(1, 8, 1, 1)
    for last in (False, True):
        if last:
            fine = fine.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            made = resizing.CompiledJoin()(fine.clone(), own, coarse, others)
            expected = fine * own + blocks.upsample(coarse * others)
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)
