"""Look inside: what is recorded is what the network used."""

import copy
import math
import threading

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import mirnet
from mirnet.app.examples import examples_for
from mirnet.errors import CheckpointRejected, ImageRejected, InvalidRequest, WeightsUnavailable
from mirnet.images.decode import read_image
from mirnet.images.picture import Picture, to_unit
from mirnet.images.preview import shrink
from mirnet.inside import plots
from mirnet.inside.trace import mean_energy, summary, trace
from mirnet.models.base import pad_to_multiple
from mirnet.models.mirnet import MIRNet
from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.weights import load as weights
from tests.support.small_networks import photo, small_v1, small_v2

PHOTO = examples_for("denoise")[0].path


NETWORKS = {
    "v1": lambda: small_v1(),
    "v1-unshuffle2": lambda: small_v1(2, groups=1, blocks=2),
    "v2": lambda: small_v2(),
    "v2-unshuffle2": lambda: small_v2(2),
    "v2-unshuffle4": lambda: small_v2(4),
    "v2-exposure": lambda: small_v2(2, exposure=True),
    "v2-colour": lambda: small_v2(2, exposure=True, colour=True),
}


@pytest.fixture(scope="module", params=NETWORKS)
def model(request):
    return NETWORKS[request.param]()


# ---------------------------------------------------------------- the networks once more, by hand


def conv(module, x):
    return F.conv2d(x, module.weight, padding=module.weight.shape[-1] // 2, groups=module.groups)


class Replay:
    """Both networks written out from their description, with every gate and stream kept.

    Of the networks' own modules, only those that resize are run; the rest takes their weights.
    """

    def __init__(self, model):
        self.model = model
        self.found = {}

    def run(self, image):
        """Restore (1, 3, H, W); fill `found` under (name, block, turn, stream)."""
        model = self.model
        margin = model.margin
        padded = pad_to_multiple(image, 4 * model.unshuffle, margin)
        base = seen = padded
        if model.thumbnail_px:
            base = model.exposure(padded, model.exposure.predict(image))
            seen = torch.cat([base, padded], 1)
        y = conv(model.conv_in, F.pixel_unshuffle(seen, model.unshuffle))
        number = 0
        for group in model.groups:
            start = y
            for block in group.blocks:
                number += 1
                y = (self.block_v1 if isinstance(model, MIRNet) else self.block_v2)(
                    block, number, y
                )
            y = conv(group.conv_out, y) + start
        out = F.pixel_shuffle(conv(model.conv_out, y), model.unshuffle) + base
        height, width = image.shape[2:]
        return out[..., margin : margin + height, margin : margin + width]

    def keep(self, name, at, values):
        assert (name, *at) not in self.found
        self.found[(name, *at)] = values.numpy()

    def attend(self, unit, at, x):
        slope = self.model.attention_slope
        r = conv(unit.conv1, x)
        r = conv(unit.conv2, torch.where(r > 0, r, slope * r))
        both = torch.stack([r[0].max(0).values, r[0].mean(0)])[None]
        place = 1 / (1 + torch.exp(-conv(unit.spatial_conv, both)))
        hidden = conv(unit.squeeze, r.mean((2, 3))[..., None, None]).clamp(min=0)
        channel = 1 / (1 + torch.exp(-conv(unit.excite, hidden)))
        out = conv(unit.merge, torch.cat([r * place, r * channel], 1)) + x
        self.keep("spatial attention", at, place[0, 0])
        self.keep("channel attention", at, channel[0, :, 0, 0])
        self.keep("energy", at, (out[0] ** 2).mean(0) ** 0.5)
        return out

    def context(self, unit, at, x):
        r = conv(unit.conv2, F.leaky_relu(conv(unit.conv1, x), 0.2))
        scores = conv(unit.attend, r)[0, 0]
        shares = torch.exp(scores - scores.max())
        shares = shares / shares.sum()
        summed = (r * shares).sum((2, 3))[..., None, None]
        added = conv(unit.context2, F.leaky_relu(conv(unit.context1, summed), 0.2))
        out = F.leaky_relu(r + added, 0.2) + x
        self.keep("context attention", at, shares)
        self.keep("context channels", at, added[0, :, 0, 0])
        self.keep("energy", at, (out[0] ** 2).mean(0) ** 0.5)
        return out

    def fuse(self, unit, at, *streams):
        z = conv(unit.squeeze, sum(streams).mean((2, 3))[..., None, None])
        slope = getattr(unit.activate, "weight", 0.2)
        z = torch.where(z > 0, z, slope * z)
        scores = torch.cat([conv(score, z)[:, :, 0, 0] for score in unit.score])
        shares = torch.exp(scores) / torch.exp(scores).sum(0)  # (S, n)
        self.keep("fusion", at, shares)
        return sum(
            stream * share[:, None, None] for stream, share in zip(streams, shares, strict=True)
        )

    def block_v1(self, b, number, x):
        a0 = self.attend(b.attend[0], (number, 1, 0), x)
        a1 = self.attend(b.attend[1], (number, 1, 1), b.down_0to1(a0))
        a2 = self.attend(b.attend[2], (number, 1, 2), b.down_1to2(a1))
        t0 = self.fuse(b.fuse[0], (number, 1, 0), a0, b.up_1to0(a1), b.up_2to0(a2))
        t1 = self.fuse(b.fuse[1], (number, 1, 1), b.down_0to1(a0), a1, b.up_2to1(a2))
        t2 = self.fuse(b.fuse[2], (number, 1, 2), b.down_0to2(a0), b.down_1to2(a1), a2)
        b0 = self.attend(b.attend[0], (number, 2, 0), t0)
        b1 = self.attend(b.attend[1], (number, 2, 1), t1)
        b2 = self.attend(b.attend[2], (number, 2, 2), t2)
        merged = self.fuse(b.fuse[0], (number, 2, 0), b0, b.last_up_1to0(b1), b.last_up_2to0(b2))
        return conv(b.conv_out, merged) + x

    def block_v2(self, b, number, x):
        def down(project, y):
            return project(F.avg_pool2d(y, 2))

        def up(project, y):
            return F.interpolate(project(y), scale_factor=2, mode="bilinear")

        top, mid = x, down(b.down_mid, x)
        bot = down(b.down_bot[1], down(b.down_bot[0], x))
        for turn, up_bot, up_mid in ((1, b.up_bot1, b.up_mid1), (2, b.up_bot2, b.up_mid2)):
            top = self.context(b.context_top, (number, turn, 0), top)
            mid = self.context(b.context_mid, (number, turn, 1), mid)
            bot = self.context(b.context_bot, (number, turn, 2), bot)
            mid = self.fuse(b.fuse_mid, (number, turn, 1), mid, up(up_bot, bot))
            top = self.fuse(b.fuse_top, (number, turn, 0), top, up(up_mid, mid))
        return conv(b.conv_out, top) + x


def place(feature):
    return feature.name, feature.block, feature.turn, feature.stream


@pytest.mark.parametrize("size", [(21, 30), (1, 1), (5, 3)])
def test_records_are_what_the_network_used(model, size):
    pixels = photo(*size)
    found = trace(pixels, weights=model)
    image = torch.from_numpy(to_unit(pixels)).permute(2, 0, 1)[None]
    replay = Replay(model)
    with torch.inference_mode():
        output = replay.run(image)
    by_hand = np.rint(output[0].permute(1, 2, 0).clamp(0, 1).numpy() * 255)
    assert np.abs(by_hand - found.restored.pixels).max() <= 1  # the replay is the network
    assert sorted(replay.found) == sorted(place(feature) for feature in found.features)
    for feature in found.features:
        expected = replay.found[place(feature)]
        assert feature.values.dtype == np.float32
        np.testing.assert_allclose(feature.values, expected, rtol=2e-4, atol=2e-6)
        if feature.name == "fusion":
            coarser = feature.stream, feature.stream + 1  # as `Replay.block_v2` hands them over
            assert feature.sources == (coarser if isinstance(model, MIRNetV2) else (0, 1, 2))
            assert len(feature.values) == len(feature.sources)
            np.testing.assert_allclose(feature.values.sum(0), 1, rtol=1e-5)
        elif feature.name == "context attention":
            assert feature.values.sum() == pytest.approx(1, rel=1e-4)
        elif feature.name in ("spatial attention", "channel attention"):
            assert ((feature.values > 0) & (feature.values < 1)).all()
    assert found.channels == ((8, 12, 18) if isinstance(model, MIRNetV2) else (8, 16, 32))
    assert found.blocks == sum(len(group.blocks) for group in model.groups)
    assert found.unshuffle == model.unshuffle


# ---------------------------------------------------------------- the pass


def grey_picture():
    return read_image(np.repeat(photo()[..., :1], 3, 2)[..., 0])


def with_alpha():
    return Picture(photo(), alpha=photo()[..., 0].copy())


@pytest.mark.parametrize(
    "make", [photo, grey_picture, with_alpha, lambda: photo(dtype=np.uint16)],
    ids=["colour", "grey", "alpha", "16-bit"],
)  # fmt: skip
def test_the_pass_is_an_ordinary_restoration(model, make):
    expected = mirnet.restore(make(), weights=model, engine="plain").result()
    found = trace(make(), weights=model)
    assert np.array_equal(found.restored.pixels, expected.picture.pixels)
    assert found.restored.pixels.dtype == expected.picture.pixels.dtype
    assert np.array_equal(found.seen.pixels, expected.before.pixels)
    assert found.restored.grey == expected.picture.grey
    if expected.picture.alpha is not None:
        assert np.array_equal(found.restored.alpha, expected.picture.alpha)


def test_the_first_look_ever_sees_one_pass(monkeypatch, tmp_path):
    monkeypatch.setenv("MIRNET_CACHE", str(tmp_path))  # no engine has been timed here yet
    found = trace(np.full((8, 8, 3), 90, np.uint8), "sr-x4")  # wide enough for two engines
    assert len(found.features) == len({(f.name, f.block, f.stream, f.turn) for f in found.features})
    assert np.isfinite(mean_energy(found)).all()


@pytest.mark.parametrize("task", ["sr-x2", "sr-x3", "sr-x4"])
def test_enlarging_sees_what_restore_would_show_it(task):
    scale = mirnet.TASKS[task].scale
    net = small_v2(2)
    small = shrink(read_image(photo(50, 90)), 64 // scale)
    found = trace(photo(50, 90), task, net, max_px=64)
    expected = mirnet.restore(small, task, weights=net, engine="plain").result()
    assert max(found.seen.width, found.seen.height) in range(64 - scale + 1, 65)
    assert np.array_equal(found.seen.pixels, expected.before.pixels)
    assert np.array_equal(found.restored.pixels, expected.picture.pixels)
    assert found.source_px == (90, 50)
    assert f"enlarged x{scale} first" in plots.facts(found)


def test_a_large_photo_is_reduced_and_a_thin_one_survives():
    found = trace(photo(300, 100), weights=small_v1(), max_px=60)
    assert (found.seen.width, found.seen.height, found.source_px) == (20, 60, (100, 300))
    assert "a reduced copy of 100 × 300" in plots.facts(found)
    found = trace(photo(8, 600), weights=small_v2(2))
    assert found.seen.width == 512
    if not torch.cuda.is_available():  # where a paper's network is slow, it sees less
        found = trace(photo(8, 300), weights=small_v1())
        assert found.seen.width == 256
    found = trace(photo(1, 900), weights=small_v2(2), max_px=32)
    assert found.find("energy", 1, 0, 1).on_picture.shape == (1, 16)
    assert "reduced" not in plots.facts(trace(photo(), weights=small_v1()))


@pytest.mark.parametrize("size", [(32, 48), (29, 47), (1, 1)])
def test_maps_lie_on_the_picture(model, size):
    height, width = size
    rows = torch.arange(height * width, dtype=torch.float32).reshape(1, 1, height, width)
    padded = pad_to_multiple(rows, model.multiple, model.margin)[0, 0]
    found = trace(photo(height, width), weights=model)
    for stream in range(3):
        step = model.unshuffle * 2**stream
        feature = found.find("energy", 1, stream, 1)
        assert feature.values.shape == (padded.shape[0] // step, padded.shape[1] // step)
        down, across = feature.box
        assert padded[down.start * step, across.start * step] == 0  # the picture's first pixel
        shape = feature.on_picture.shape
        assert shape == (math.ceil(height / step), math.ceil(width / step))
        assert shape == (down.stop - down.start, across.stop - across.start)


@pytest.mark.parametrize("name", ["v1", "v2", "v2-unshuffle2", "v2-unshuffle4"])
def test_a_lone_light_shows_where_it_is(name):
    net = NETWORKS[name]()
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[20:22, 70:72] = 255
    found = trace(pixels, weights=net)
    for stream in range(3):
        step = net.unshuffle * 2**stream
        values = found.find("energy", 1, stream, 1).on_picture
        row, column = np.unravel_index(values.argmax(), values.shape)
        assert abs(row - 20 / step) <= 2 and abs(column - 70 / step) <= 2


@pytest.fixture
def copies(monkeypatch):
    """All copies of networks that are made meanwhile."""
    made = []
    original = copy.deepcopy

    def deepcopy(thing, *rest):
        twin = original(thing, *rest)
        made.extend([twin] if isinstance(twin, torch.nn.Module) else [])
        return twin

    monkeypatch.setattr(copy, "deepcopy", deepcopy)
    return made


def test_nothing_is_left_on_the_network(copies):
    shared = weights.load("lowlight-compact")
    before = {name: value.clone() for name, value in shared.model.state_dict().items()}
    found = trace(photo(), "lowlight", shared)
    assert found.weights_id == "lowlight-compact"
    assert weights.load("lowlight-compact").model is shared.model
    assert len(copies) == 1
    for net in (*copies, shared.model):
        assert not any(module._forward_hooks for module in net.modules())
    assert not shared.model.training
    for name, value in shared.model.state_dict().items():
        assert torch.equal(value, before[name])


def test_hooks_go_when_the_pass_fails(copies):
    net = small_v1()
    torch.nn.init.constant_(net.conv_out.weight, float("nan"))
    with pytest.raises(CheckpointRejected, match="not numbers"):
        trace(photo(), weights=net)
    assert len(copies) == 1
    assert not any(module._forward_hooks for module in copies[0].modules())


def test_looks_and_restorations_at_once_do_not_mix():
    net = small_v2(2)
    pictures = [photo(40 + 8 * i, 56) for i in range(3)]
    alone = [trace(picture, weights=net) for picture in pictures]
    together = [None] * 3

    def work(i):
        together[i] = trace(pictures[i], weights=net)
        mirnet.restore(pictures[i], weights=net, engine="plain").result()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(alone, together, strict=True):
        assert len(one.features) == len(other.features)
        for a, b in zip(one.features, other.features, strict=True):
            assert np.array_equal(a.values, b.values)


@pytest.mark.parametrize("colour, levels", [(False, False), (True, False), (True, True)])
def test_exposure_is_what_the_network_applied(colour, levels):
    net = small_v2(2, exposure=True, colour=colour, levels=levels)
    found = trace(photo(), weights=net)
    image = torch.from_numpy(to_unit(photo())).permute(2, 0, 1)[None]
    with torch.inference_mode():
        prediction = net.condition(image)
        ramp = torch.linspace(0, 1, 65).expand(1, 3, 1, 65)
        curves = net.exposure(ramp, prediction)[0, :, 0].numpy()
    assert np.array_equal(found.curve, prediction[0, : net.exposure.steps].numpy())
    assert np.abs(found.curve).max() > 0.01
    assert (found.colours is not None) == colour
    assert (found.levels is not None) == levels
    if levels:
        assert found.levels == pytest.approx(prediction[0, -1, :2].tolist())
        line = plots.exposure_curve(found.curve, found.levels).data[1].y
        assert (line == 0).sum() == (np.linspace(0, 1, 65) <= max(found.levels[0], 0)).sum()
    if colour:
        np.testing.assert_allclose(found.colours.sum(1), 1, rtol=1e-5)
        figure = plots.colour_matrix(found.colours)
        np.testing.assert_allclose(figure.data[0].z, found.colours)
    else:
        figure = plots.exposure_curve(found.curve, found.levels)
        for line, expected in zip(figure.data[1:], curves, strict=True):
            np.testing.assert_allclose(line.y, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_no_exposure_without_a_curve(name):
    found = trace(photo(), weights=NETWORKS[name]())
    assert found.curve is None and found.colours is None


@pytest.mark.parametrize(
    "image, settings, error, words",
    [
        (None, {}, InvalidRequest, "Add a photo or click an example first"),
        (b"nothing", {}, ImageRejected, "is a text file"),
        (photo(), {"task": "fly"}, InvalidRequest, "There is no task 'fly'"),
        (photo(), {"max_px": 16}, InvalidRequest, "32 to 2048"),
        (photo(), {"max_px": 64.0}, InvalidRequest, "32 to 2048"),
        (photo(), {"weights": torch.nn.Conv2d(3, 3, 1)}, InvalidRequest, "Conv2d has no streams"),
        (photo(), {"weights": 3}, InvalidRequest, "cannot be a int"),
        (photo(), {"weights": "denoise-v9"}, WeightsUnavailable, "denoise-v9"),
        (photo(), {"max_pixels": 100}, ImageRejected, "megapixels"),
    ],
)
def test_what_does_not_fit_is_told(image, settings, error, words):
    with pytest.raises(error, match=words):
        trace(image, **settings)


# ---------------------------------------------------------------- tables and pictures


def test_mean_energy_leaves_the_padding_out():
    found = trace(photo(), weights=small_v2(2))
    table = mean_energy(found)
    assert table.shape == (3, 4, 2) and np.isfinite(table).all()
    feature = found.find("energy", 3, 1, 2)
    inside = feature.values[feature.box[0], feature.box[1]].astype(np.float64)
    assert inside.size < feature.values.size
    assert table[1, 2, 1] == pytest.approx(np.sqrt((inside**2).mean()))
    assert found.find("fusion", 1, 2, 1) is None


@pytest.fixture(scope="module")
def looks():
    return [trace(photo(), weights=net) for net in (small_v1(), small_v2(2))]


def test_summary_is_plain_and_complete(looks):
    for found in looks:
        told = summary(found)
        assert len(told["features"]) == len(found.features)
        for row, feature in zip(told["features"], found.features, strict=True):
            assert [row[k] for k in ("name", "block", "turn", "stream")] == list(place(feature))
            if feature.values.ndim == 2 and feature.name != "fusion":
                assert (row["height"], row["width"]) == feature.on_picture.shape
                assert row["min"] <= row["mean"] <= row["max"]
            else:
                assert row["weights"] == feature.values.tolist()
