"""Muon: orthogonal updates, the arithmetic of torch.optim.Muon, and a step of a network."""

import pytest
import torch
from torch import nn

from mirnet.train.muon import Muon, is_matrix, orthogonalize


@pytest.mark.parametrize("shape", [(32, 288), (288, 32), (32, 32), (8, 27)])
def test_an_update_has_singular_values_near_one_and_the_singular_vectors_of_its_matrix(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    near = orthogonalize(torch.stack([matrix, 100 * matrix]))
    assert torch.allclose(near[0], near[1], atol=1e-5)
    near = near[0]
    values = torch.linalg.svdvals(near)
    assert values.min() > 0.5 and values.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    turned = u.T @ near @ v.T
    assert (turned - turned.diag().diag()).abs().max() < 1e-4


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon came with 2.9")
def test_weights_move_as_those_of_torchs_own_muon():
    """torch multiplies in bfloat16, hence the tolerance; the first step moves 0.2 * rate rms."""
    start = torch.randn(24, 72, generator=torch.Generator().manual_seed(2))
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    mine = Muon([ours], lr=0.01)
    reference = torch.optim.Muon(
        [theirs], lr=0.01, weight_decay=0.0, adjust_lr_fn="match_rms_adamw"
    )
    for seed in range(4):
        gradient = torch.randn(24, 72, generator=torch.Generator().manual_seed(10 + seed))
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        reference.step()
    moved = (ours - start).detach()
    assert (moved - (theirs - start)).norm() < 0.02 * moved.norm()
    assert 0.1 * 0.01 < moved.pow(2).mean().sqrt() < 4 * 0.2 * 0.01


def test_a_convolution_moves_as_the_matrix_of_its_filters():
    weight = torch.randn(16, 8, 3, 3, generator=torch.Generator().manual_seed(3))
    gradient = torch.randn(16, 8, 3, 3, generator=torch.Generator().manual_seed(4))
    flat = nn.Parameter(weight.flatten(1).clone())
    flat.grad = gradient.flatten(1)
    filters = nn.Parameter(weight.clone(memory_format=torch.channels_last))
    filters.grad = gradient.clone(memory_format=torch.channels_last)
    beside = nn.Parameter(torch.ones_like(filters))
    beside.grad = torch.ones_like(filters)
    Muon([flat], lr=torch.tensor(0.01)).step()
    Muon([beside, filters], lr=torch.tensor(0.01)).step()
    assert torch.allclose(filters.flatten(1), flat, atol=1e-7)


def test_biases_gains_and_narrow_layers_are_no_matrices():
    assert is_matrix(torch.zeros(8, 3, 3, 3))
    assert not is_matrix(torch.zeros(3, 32, 3, 3))
    assert not is_matrix(torch.zeros(32, 1, 1, 1))
    assert not is_matrix(torch.zeros(32))
