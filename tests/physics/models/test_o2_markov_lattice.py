"""The O(2) Markov lattice: its symmetry, and parameters and gradients by hand against torch's own."""

import numpy as np
import pytest
import torch

from lib import checks
from lib.models.heads.angle import VonMisesMixture
from lib.models.kernels import o2_layers
from lib.models.made import MADE
from lib.models.o2_markov_lattice import O2MarkovLattice
from lib.systems import xy


def _squash(z):
    return z / (1 + z.abs())


def _by_torch(model, values):
    """Parameters [n, N, 2 M], the formulas of `o2_layers` in complex numbers."""
    first, skip, output = (w.to(torch.complex128) for w in model._site_weights())
    order = torch.arange(1, model.harmonics + 1)
    waves = torch.polar(torch.ones(1, dtype=torch.float64), values[..., None] * order)  # [n, N, M]
    x = torch.cat([waves, torch.zeros_like(waves[:, :1])], 1)[:, model.context]  # [n, N, C, M]
    z = _squash(torch.einsum("nsc,scu->nsu", x[..., 0], first))
    mixed, partner = (z @ model.second.to(z.dtype)).chunk(2, -1)
    invariants, v, fields = (z * partner.conj()).real, _squash(mixed), []
    gates = torch.nn.functional.softsign(invariants @ model.gate + model.gate_bias).chunk(model.harmonics, -1)
    for m, gate in enumerate(gates):
        v = v if m == 0 else v * z
        fields.append((v * (1 + gate) * output[m]).sum(-1) + (x[..., m] * skip[m]).sum(-1))
    fields = torch.stack(fields, -1)
    return torch.cat([fields.real, fields.imag], -1)


def _worst(model, values, weight):
    """Largest relative error of the parameters, and of the gradient of their weighted sum."""
    mine, theirs = model.conditionals(values), _by_torch(model, values)
    names = [name for name, _ in model.named_parameters()]
    by_hand, by_torch = (torch.autograd.grad((weight * p).sum(), list(model.parameters())) for p in (mine, theirs))
    errors = {n: float((a - b).abs().max() / b.abs().max()) for n, a, b in zip(names, by_hand, by_torch, strict=True)}
    return float((mine - theirs).detach().abs().max()), errors


@pytest.mark.parametrize("harmonics", [1, 3])
def test_parameters_and_gradients_agree_with_torch(harmonics, monkeypatch):
    model = checks.shaken(O2MarkovLattice(4, harmonics, hidden=5, rank=2)).double()
    generator = torch.Generator().manual_seed(1)
    values = 6.28 * torch.rand(7, 16, generator=generator, dtype=torch.float64)
    weight = torch.randn(7, 16, 2 * harmonics, generator=generator, dtype=torch.float64)
    parameters, errors = _worst(model, values, weight)
    assert parameters < 1e-12 and max(errors.values()) < 1e-8, errors
    right = o2_layers._backward
    for forgotten in range(6):  # a gradient that is left out is seen

        def wrong(*arguments, forgotten=forgotten):
            right(*arguments)
            arguments[-6 + forgotten][:] = 0

        monkeypatch.setattr(o2_layers, "_backward", wrong)
        assert max(_worst(model, values, weight)[1].values()) > 0.1


def test_the_gradient_is_finite_where_a_vector_vanishes():
    """squash has the derivative one at zero."""
    model = O2MarkovLattice(4, hidden=5)
    with torch.no_grad():
        model.first.zero_()
    model.conditionals(torch.rand(3, 16)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_parameters_in_single_precision():
    model = checks.shaken(O2MarkovLattice(4, hidden=5)).float()
    values = 6.28 * torch.rand(7, 16, generator=torch.Generator().manual_seed(1))
    double = checks.shaken(O2MarkovLattice(4, hidden=5)).double()
    assert torch.allclose(model.conditionals(values), _by_torch(double, values.double()).float(), atol=1e-4)


@torch.no_grad()
def _turned(model):
    theta = torch.as_tensor(np.random.default_rng(0).uniform(0, xy.TWO_PI, (20, *model.site_shape)))
    before = model.log_prob(theta)
    rotated = model.log_prob((theta + 1.234) % xy.TWO_PI)
    reflected = model.log_prob((-theta) % xy.TWO_PI)
    return float((rotated - before).abs().max()), float((reflected - before).abs().max())


def test_the_equivariant_network_does_not_know_rotations_and_reflections():
    model = checks.shaken(O2MarkovLattice(4, hidden=6), scale=0.1)
    assert max(_turned(model)) < 1e-10
    other = checks.shaken(MADE(site_shape=(4, 4), head=VonMisesMixture(1), hidden=(16,)), scale=0.1)
    assert min(_turned(other)) > 1e-2


def test_the_equivariant_network_is_normalised():
    """Quadrature over all four angles of a 2 x 2 lattice."""
    checks.check_normalised(O2MarkovLattice(2, 3, hidden=5, seed=1), tolerance=1e-6, points=24)
    with pytest.raises(ValueError, match="side=1"):
        O2MarkovLattice(1)
