"""One training step: loss, averages, phases, and the captured graph."""

import copy

import pytest
import torch
from torch import nn

from mirnet.models.mirnet_v2 import MIRNetV2
from mirnet.train.batches import Batch, generator_for
from mirnet.train.config import Optimizer
from mirnet.train.loss import shift_difference, with_shifted
from mirnet.train.muon import is_matrix
from mirnet.train.step import Stepper, level_phases, mix
from mirnet.train.validation import Conditioned


def network(seed=0):
    torch.manual_seed(seed)
    return MIRNetV2(features=8, blocks=1, conv_groups=(1,), unshuffle=2)


def batch(seed=0, size=2):
    generator = torch.Generator().manual_seed(seed)
    degraded = torch.rand(size, 3, 16, 16, generator=generator)
    return Batch(degraded, degraded**0.8, degraded)


def stepper(device="cpu", captured=False, **recipe):
    model = network().to(device)
    averaged = Conditioned(copy.deepcopy(model)).requires_grad_(False)
    settings = Optimizer(**{"learning_rate": 1e-3, "ema": 0.5, **recipe})
    return Stepper(Conditioned(model), model, averaged, settings, captured), averaged


def test_a_noise_level_is_estimated_on_the_patch_and_not_on_the_thumbnail():
    torch.manual_seed(0)
    model = MIRNetV2(features=8, blocks=1, conv_groups=(1,), unshuffle=2, noise_level=True).eval()
    noisy = 0.5 + 0.1 * torch.randn(2, 3, 32, 32).clamp(-4, 4)
    with torch.inference_mode():
        restored, exposed = Conditioned(model)(noisy, torch.full_like(noisy, 0.5))
        assert torch.equal(restored, model(noisy, model.condition(noisy)))
        assert not torch.equal(restored, model(noisy, torch.zeros(2, 1)))
    assert torch.equal(exposed, noisy)


@pytest.mark.parametrize("algorithm", ["adam", "muon"])
def test_steps_lower_the_loss_and_the_average_follows(algorithm):
    taken, averaged = stepper(algorithm=algorithm)
    taken.step(batch(), 1e-3)
    first = taken.mean_loss()
    before = [p.clone() for p in averaged.parameters()]
    taken.step(batch(), 1e-3)
    for old, now, own in zip(before, averaged.parameters(), taken.parameters, strict=True):
        assert torch.allclose(now, (old + own) / 2, atol=1e-7)
    for _ in range(30):
        taken.step(batch(), 1e-3)
    assert taken.mean_loss() < 0.8 * first


def test_a_step_from_saved_moments_is_the_step_of_a_run_that_was_not_stopped():
    """Muon's moments and Adam's are both saved: without either, weights would differ."""
    taken, _ = stepper(algorithm="muon")
    taken.step(batch(), 1e-3)
    again, _ = stepper(algorithm="muon")
    again.network.load_state_dict(taken.network.state_dict())
    again.load_optimizers(copy.deepcopy(taken.optimizer_states()))
    fresh, _ = stepper(algorithm="muon")
    fresh.network.load_state_dict(taken.network.state_dict())
    for one in (taken, again, fresh):
        one.step(batch(1), 1e-3)
    for name, weight in taken.network.named_parameters():
        assert torch.equal(weight, again.network.get_parameter(name)), name
    moved = [
        name
        for name, weight in taken.network.named_parameters()
        if not torch.allclose(weight, fresh.network.get_parameter(name), atol=1e-7)
    ]
    assert {is_matrix(taken.network.get_parameter(name)) for name in moved} == {True, False}


def test_level_phases_make_flat_areas_flat():
    """Every place of 2 x 2 answers flat pictures alike, and other answers stay nearly the same."""
    model = network().eval()
    nn.init.normal_(model.conv_out.weight, std=0.1)
    flat = torch.tensor([0.2, 0.5, 0.4]).view(1, 3, 1, 1).expand(1, 3, 48, 48)

    def spread(model):
        with torch.no_grad():
            places = nn.functional.pixel_unshuffle(model(flat)[..., 8:-8, 8:-8], 2)
        return (places.view(3, 4, -1).mean(2).amax(1) - places.view(3, 4, -1).mean(2).amin(1)).max()

    before = model.conv_out.weight.clone()
    assert spread(model) > 1e-3
    level_phases(model.conv_out)
    assert spread(model) < 2e-5
    removed = before - model.conv_out.weight
    assert torch.allclose(removed.std((2, 3)), torch.zeros(12, 8), atol=1e-7)
    assert removed.view(3, 4, 8, 3, 3).sum(1).abs().max() < 1e-6
    again = model.conv_out.weight.clone()
    level_phases(model.conv_out)
    assert torch.allclose(model.conv_out.weight, again, atol=1e-7)


def test_phases_stay_level_while_training():
    taken, averaged = stepper(level_phases=True)
    taken.level()
    for seed in range(3):
        taken.step(batch(seed), 1e-2)
    for model in (taken.network, averaged.network):
        sums = model.conv_out.weight.sum((2, 3)).view(3, 4, -1)
        assert torch.allclose(sums, sums.mean(1, keepdim=True).expand_as(sums), atol=1e-6)


def test_mixing_blends_pairs_alike_and_keeps_the_mean_weight():
    given = batch(size=64)
    given = given._replace(target=given.degraded)
    mixed = mix(given, 1.2, generator_for("cpu", 3))
    assert torch.equal(mixed.degraded, mixed.target)
    assert not torch.allclose(mixed.degraded, given.degraded)
    assert mixed.degraded.mean() == pytest.approx(given.degraded.mean().item(), abs=1e-2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_captured_step_is_the_step():
    plain, _ = stepper("cuda")
    captured, _ = stepper("cuda", captured=True)
    for seed in range(8):
        given = Batch(*(tensor.cuda() for tensor in batch(seed)))
        plain.step(given, 1e-3 / (seed + 1))
        captured.step(given, 1e-3 / (seed + 1))
    assert captured.mean_loss() == pytest.approx(plain.mean_loss(), rel=1e-4)
    for one, other in zip(plain.parameters, captured.parameters, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_a_patch_and_its_shift_overlap_where_they_are_compared():
    patches = torch.rand(2, 3, 40, 36)
    batch = with_shifted(Batch(patches, patches, torch.zeros(2, 3, 8, 8)))
    assert batch.degraded.shape == (4, 3, 38, 34) and len(batch.thumbnails) == 4
    assert torch.equal(batch.degraded[2:, :, 0, 0], patches[:, :, 1, 1])
    assert shift_difference(batch.degraded).shape == (2, 3, 25, 21)
    assert not shift_difference(batch.degraded).any()


def test_the_shift_loss_makes_a_network_alike_on_all_places_of_its_grid():
    picture = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(5))
    both = with_shifted(Batch(picture, picture, torch.zeros(1, 3, 8, 8))).degraded
    after = {}
    for weight in (0.0, 20.0):
        taken, _ = stepper(shift_weight=weight, mixup=0)
        for seed in range(25):
            patches = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
            taken.step(Batch(patches, patches**0.8, patches), 1e-3)
        with torch.no_grad():
            after[weight] = shift_difference(taken.network(both)).square().mean()
    assert after[20.0] < 0.7 * after[0.0]
