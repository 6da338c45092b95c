"""Noise profiles: reading, drawing, and the factor that they are corrected by."""

import hashlib
import json
import math

import pytest
import torch

from mirnet.errors import InvalidRequest
from mirnet.train import fetch
from mirnet.train.degradations.mosaic import draw_phases, mosaic_and_demosaic
from mirnet.train.manifest import NOISE_PROFILES_FILE, NOISE_PROFILES_NAME
from mirnet.train.noise_profiles import MIN_READ_VARIANCE, VARIANCE_FACTOR, NoiseProfiles, held_out
from tests.support.debian import build_package


def profile(iso, a, b=1e-7, **more):
    return {"name": f"iso {iso}", "iso": iso, "a": [9.0, a, 9.0], "b": [9.0, b, 9.0], **more}


def document(**cameras):
    models = [{"comment": "", "model": name, "profiles": rows} for name, rows in cameras.items()]
    return {"version": 0, "noiseprofiles": [{"maker": "Made", "models": models}]}


def sample(known, count=1000, seed=0, **options):
    shot, read = known.sample(count, torch.Generator().manual_seed(seed), **options)
    assert shot.shape == read.shape == (count, 1, 1, 1)
    return shot.flatten(), read.flatten()


@pytest.fixture
def trained_on():
    """Names of cameras that training may use."""
    names = [f"c{number}" for number in range(40)]
    return [name for name in names if not held_out(f"Made {name}")]


def test_green_is_read_and_corrected(trained_on):
    known = NoiseProfiles(document(**{trained_on[0]: [profile(100, 1e-5, 2e-8)]}))
    shot, read = sample(known, 3)
    assert torch.allclose(shot, torch.full((3,), 1e-5 * VARIANCE_FACTOR))
    assert torch.allclose(read, torch.full((3,), 2e-8 * VARIANCE_FACTOR))


def test_isos_are_drawn_evenly_on_a_logarithmic_scale_and_interpolated(trained_on):
    # a is ISO times 1e-8 at every profile, so that the drawn ISO can be read from the shot noise.
    rows = [profile(iso, iso * 1e-8, iso * 1e-10) for iso in (6400, 100, 400, 1600)]
    known = NoiseProfiles(document(**{trained_on[0]: rows}))
    shot, read = sample(known, 4000, iso_range=(200, 3200))
    iso = shot / VARIANCE_FACTOR / 1e-8
    assert torch.allclose(read, iso * 1e-10 * VARIANCE_FACTOR, rtol=1e-4)
    assert 200 <= iso.min() < 203 and 3150 < iso.max() <= 3201
    octaves = torch.histc(iso.log2(), 4, math.log2(200), math.log2(3200))
    assert (octaves / 4000 - 0.25).abs().max() < 0.03


def test_cameras_are_drawn_evenly_among_those_that_reach_into_the_range(trained_on):
    first, second, third = trained_on[:3]
    cameras = {
        first: [profile(100, 1e-5)],
        second: [profile(200, 2e-5), profile(300, 2e-5), profile(250, 2e-5)],
        third: [profile(6400, 9e-4)],
    }
    shot, _ = sample(NoiseProfiles(document(**cameras)), 2000, iso_range=(50, 1000))
    share = (shot < 1.5e-5 * VARIANCE_FACTOR).float().mean()
    assert shot.max() < 3e-5 * VARIANCE_FACTOR and abs(share - 0.5) < 0.05


def test_read_noise_that_was_fitted_below_zero_is_raised(trained_on):
    known = NoiseProfiles(document(**{trained_on[0]: [profile(100, 1e-5, -1e-7)]}))
    assert sample(known, 2)[1].tolist() == pytest.approx([MIN_READ_VARIANCE] * 2)


def test_profiles_that_are_to_be_skipped_are(trained_on):
    rows = [profile(100, 1e-5), profile(200, 7.0, skip=True), profile(400, 0.0)]
    assert sample(NoiseProfiles(document(**{trained_on[0]: rows})))[0].max() < 1e-3


def test_draws_depend_on_the_generator_alone(trained_on):
    rows = [profile(100, 1e-5), profile(6400, 1e-3)]
    known = NoiseProfiles(document(**dict.fromkeys(trained_on, rows)))
    assert torch.equal(sample(known, seed=3)[0], sample(known, seed=3)[0])
    assert not torch.equal(sample(known, seed=3)[0], sample(known, seed=4)[0])


def test_a_tenth_of_the_cameras_is_held_out_by_name():
    cameras = {f"c{number}": [profile(100, 1e-5)] for number in range(400)}
    train, apart = (NoiseProfiles(document(**cameras), split) for split in ("train", "held_out"))
    assert not set(train.cameras) & set(apart.cameras)
    assert len(train.cameras) + len(apart.cameras) == 400
    assert 25 <= len(apart.cameras) <= 55


def test_a_range_that_no_camera_reaches_is_named(trained_on):
    known = NoiseProfiles(document(**{trained_on[0]: [profile(100, 1e-5)]}))
    with pytest.raises(InvalidRequest, match="ISO 200 to 400: choose a wider range"):
        sample(known, iso_range=(200, 400))


def test_the_factor_undoes_what_the_profiling_tool_loses():
    """Its estimate of known noise: the median of Haar coefficients, after demosaicking."""
    generator = torch.Generator().manual_seed(0)
    noise = 0.01 * torch.randn(1, 1, 512, 512, generator=generator)
    phases = draw_phases(1, generator)
    green = mosaic_and_demosaic((0.3 + noise).expand(1, 3, 512, 512), phases)[0, 1]
    quads = green.unfold(0, 2, 2).unfold(1, 2, 2)
    diagonal = (quads[..., 0, 0] - quads[..., 0, 1] - quads[..., 1, 0] + quads[..., 1, 1]) / 4
    estimate = (diagonal.abs().median() / 0.6745) ** 2
    assert 0.7 < float(estimate) * VARIANCE_FACTOR / 0.01**2 < 1.3


def test_profiles_are_read_from_the_prepared_folder(tmp_path, trained_on):
    with pytest.raises(InvalidRequest, match="mirnet prepare"):
        NoiseProfiles.load(tmp_path)
    path = tmp_path / NOISE_PROFILES_NAME
    path.write_text(json.dumps(document(**{trained_on[0]: [profile(100, 1e-5)]})))
    assert NoiseProfiles.load(tmp_path).cameras == [f"Made {trained_on[0]}"]
    with pytest.raises(InvalidRequest, match="no camera for the split 'held_out'"):
        NoiseProfiles.load(tmp_path, "held_out")
    for broken in ("{}", "[", '{"noiseprofiles": [{"maker": 1}]}'):
        path.write_text(broken)
        with pytest.raises(InvalidRequest, match="is no file of noise profiles"):
            NoiseProfiles.load(tmp_path)


@pytest.mark.parametrize("damaged", [False, True])
def test_prepare_takes_the_profiles_out_of_their_package_by_hash(tmp_path, monkeypatch, damaged):
    content = json.dumps(document(c=[profile(100, 1e-5)])).encode()
    package, _ = build_package(tmp_path, {NOISE_PROFILES_FILE: content})
    digest = "0" * 64 if damaged else hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(fetch, "NOISE_PROFILES", package)
    monkeypatch.setattr(fetch, "NOISE_PROFILES_SHA256", digest)
    monkeypatch.setattr(fetch, "read_manifest", lambda: ([], []))
    made = tmp_path / "to" / NOISE_PROFILES_NAME
    if damaged:
        with pytest.raises(InvalidRequest, match="has another hash"):
            list(fetch.prepare(tmp_path / "to", [tmp_path / "debs"]))
        assert not made.exists()
    else:
        list(fetch.prepare(tmp_path / "to", [tmp_path / "debs"]))
        assert made.read_bytes() == content
