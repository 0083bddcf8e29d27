"""What an inversion changes of a generator is all that is kept of it, and gives the same pictures."""

from __future__ import annotations

import copy

import pytest
import torch
from conftest import TOY

from hfinv.camera import look_at
from hfinv.errors import WeightsError
from hfinv.generators.heads import Heads
from hfinv.generators.tunable import VARIABLES
from hfinv.training import TrainConfig, begin


@pytest.fixture(scope="module")
def toy() -> Heads:
    generator = begin(TrainConfig(network=TOY)).generator
    generator.mapping.measure(64)
    return generator.requires_grad_(False)


def picture(generator: Heads, w_plus: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return generator.render(generator.planes(w_plus), w_plus, look_at(0.3)).image


def bent(generator: Heads, variables: str) -> Heads:
    """A copy after one step that makes the picture darker."""
    generator = copy.deepcopy(generator)
    w_plus = generator.mean_latent()
    weights = generator.choose(variables, w_plus)
    optimiser = torch.optim.Adam(weights, lr=0.05)
    generator.render(generator.planes(w_plus), w_plus, look_at(0.3)).image.mean().backward()
    optimiser.step()
    return generator


@pytest.mark.parametrize("variables", VARIABLES)
def test_changes_make_another_copy_the_same(variables: str, toy: Heads) -> None:
    changed = bent(toy, variables)
    changes = changed.changes()
    changed.change(changes)  # what is kept has half precision
    again = copy.deepcopy(toy)
    again.change(changes)
    w_plus = toy.mean_latent()
    assert torch.equal(picture(again, w_plus), picture(changed, w_plus))
    assert not torch.equal(picture(again, w_plus), picture(toy, w_plus))
    assert not any(weight.requires_grad for weight in again.parameters())


def test_each_choice_changes_its_own_variables(toy: Heads) -> None:
    names = {variables: set(bent(toy, variables).changes()) for variables in VARIABLES}
    everything = {name for name, _ in toy.named_parameters()}
    assert names["weights"] == everything and names["both"] == everything | {"offset"}
    assert "offset" in names["planes"] and "decoder.net.0.weight" in names["planes"]
    assert not [n for n in names["planes"] if n.startswith(("backbone", "mapping", "shared"))]


def test_an_offset_stays_when_the_latent_moves(toy: Heads) -> None:
    changed = bent(toy, "planes")
    here = toy.mean_latent()
    there = here + toy.latent_scale()
    with torch.no_grad():
        moved = changed.planes(there) - changed.planes(here)
        torch.testing.assert_close(moved, toy.planes(there) - toy.planes(here))


def test_an_offset_counts_as_far_as_its_reach(toy: Heads) -> None:
    """In the upper half of the box only: below it the field is the untouched one, above it the wholly offset one."""
    reach = torch.zeros(1, 1, 8, 8, 8)
    reach[:, :, :, 4:] = 1  # y runs along the second axis
    limited, everywhere = copy.deepcopy(toy), copy.deepcopy(toy)
    limited.limit(reach)
    w_plus = toy.mean_latent()
    drawn = torch.randn(1, 4, TOY.plane_channels, 16, 16, generator=torch.Generator().manual_seed(0))
    for generator in (limited, everywhere):
        generator.choose("planes", w_plus)
        generator.change({"offset": drawn})
    points = 0.86 * torch.rand(1, 200, 3, generator=torch.Generator().manual_seed(1)) - 0.43
    y = points[0, :, 1]
    untouched, found, offset = (
        generator.field(generator.planes(w_plus), points)[0][0].detach()
        for generator in (toy, limited, everywhere)
    )
    far = 0.5 / 8  # half a cell from the border it is read half
    torch.testing.assert_close(found[y < -far], untouched[y < -far])
    torch.testing.assert_close(found[y > far], offset[y > far])
    between = y.abs() < far / 2
    assert (found - untouched)[between].abs().max() > 1e-3 < (found - offset)[between].abs().max()


def test_a_reach_is_kept_and_leaves_the_planes_own_part_alone(toy: Heads) -> None:
    limited = copy.deepcopy(toy)
    limited.limit(torch.rand(1, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(picture(limited, toy.mean_latent()), picture(toy, toy.mean_latent()))
    changed = bent(limited, "planes")
    assert not changed.reach.requires_grad
    changes = changed.changes()
    changed.change(changes)
    again = copy.deepcopy(toy)
    again.change(changes)
    w_plus = toy.mean_latent()
    assert torch.equal(picture(again, w_plus), picture(changed, w_plus))
    assert not torch.equal(picture(again, w_plus), picture(toy, w_plus))
    with torch.no_grad():
        torch.testing.assert_close(again.unmoved(again.planes(w_plus)), toy.planes(w_plus))
        there = w_plus + toy.latent_scale()
        moved = again.unmoved(again.planes(there))
        torch.testing.assert_close(moved, toy.planes(there))


def test_changes_of_another_generator_are_refused(toy: Heads) -> None:
    with pytest.raises(WeightsError, match="do not fit"):
        copy.deepcopy(toy).change({"decoder.net.0.weight": torch.zeros(2, 2)})
    with pytest.raises(WeightsError, match="paint"):
        copy.deepcopy(toy).change({"paint": torch.zeros(3)})
