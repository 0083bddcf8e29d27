"""From factors to w: gates are steps, and the known parts stand where the rest of the generator looks for them."""

from __future__ import annotations

import pytest
import torch

from hfinv.generators.mapping import OPEN, FactorMapping, Gates

NAMES = ("age", "glasses", "smile", "covering")
STEPS = {"covering": [1.35, 60.0], "glasses": [1.05, 60.0]}


def test_a_gate_is_shut_below_its_step_and_open_above() -> None:
    z = torch.zeros(3, 4)
    z[:, 3] = torch.tensor([1.2, 1.35, 1.5])
    seen = Gates(NAMES, STEPS)(z)
    assert torch.equal(seen[:, :4], z)
    assert torch.allclose(seen[:, 4] / OPEN, torch.tensor([0.0, 0.5, 1.0]), atol=1e-3)
    assert (seen[:, 5] / OPEN).abs().max() < 1e-6  # nobody wears glasses


def test_a_gate_of_no_factor_is_refused() -> None:
    with pytest.raises(ValueError, match="hat"):
        Gates(NAMES, {"hat": [1.0, 60.0]})


def test_known_parts_come_after_what_is_learned_traits_first() -> None:
    mapping = FactorMapping(4, 20, fields=5, traits=3, gates=Gates(NAMES, STEPS))
    z = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))
    w = mapping(z)
    assert w.shape == (2, 20)
    assert torch.equal(w[:, 12:], mapping.known(z))
    with torch.no_grad():
        mapping.shape.fc2.bias += 1
    changed = (mapping(z) != w).all(0)
    assert changed[15:].all() and not changed[:15].any()


def test_a_network_learns_a_step_by_its_gate_that_it_cannot_without() -> None:
    """On heads that it has not seen; as few wear a covering in the data as in life."""
    torch.manual_seed(0)
    z = torch.randn(4000, 4)
    wanted = (z[:, 3:] > 1.35).float()
    errors = {}
    for gates in (Gates(NAMES, STEPS), None):
        mapping = FactorMapping(4, 1, gates=gates)
        adam = torch.optim.Adam(mapping.parameters(), lr=0.02)
        for step in range(150):
            batch = slice(64 * step % 2000, 64 * step % 2000 + 64)
            loss = (mapping(z[batch]) - wanted[batch]).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
        with torch.no_grad():
            errors[gates is None] = (mapping(z[2000:]) - wanted[2000:]).square().mean().item()
    assert errors[False] < 0.02 and errors[False] < errors[True] / 2


def test_spread_is_measured_over_the_prior() -> None:
    mapping = FactorMapping(4, 6, traits=2, gates=Gates(NAMES, STEPS))
    mapping.measure()
    w = mapping(torch.randn(20000, 4, generator=torch.Generator().manual_seed(5))).detach()
    assert torch.allclose(mapping.w_avg, w.mean(0), atol=0.15)
    assert torch.allclose(mapping.w_std, w.std(0), rtol=0.1)


def test_known_parts_learn_only_when_they_are_taught() -> None:
    mapping = FactorMapping(4, 20, fields=5, traits=3)
    for taught in (False, True):
        mapping.teach_known(taught)
        mapping.zero_grad()
        mapping(torch.randn(2, 4)).sum().backward()
        assert mapping.linear.weight.grad is not None
        assert (mapping.shape.linear.weight.grad is not None) == taught
        assert (mapping.traits.linear.weight.grad is not None) == taught
