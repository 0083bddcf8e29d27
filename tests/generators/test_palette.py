"""A palette paints the colours that w names, where its masks say."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from conftest import TOY

from hfinv.camera import look_at
from hfinv.generators.heads import FieldDecoder, Heads
from hfinv.generators.palette import STRONG, Palette
from hfinv.training import card
from hfinv.training.factors import FACTORS, Named
from hfinv.training.traits import fit_palette, raw_traits, traits

NETWORK = replace(TOY, warp=8)
MIDDLE, SPREAD = torch.tensor([0.4, 0.5, 0.6] * 2), torch.tensor([0.1] * 6)
START = 5
"""Where the numbers of the toy palette begin in w."""


def toy(parts: int, sides: int, planes: int) -> Palette:
    """Two colours, whose mean and spread are known."""
    palette = Palette(parts, sides, planes, start=START, size=4)
    palette.middle.copy_(MIDDLE)
    palette.scale.copy_(SPREAD)
    return palette


def latent(*numbers: float) -> torch.Tensor:
    w_plus = torch.randn(1, 3, START + 8)
    w_plus[..., START : START + 6] = torch.tensor(numbers)
    return w_plus


def test_a_full_mask_turns_the_mean_colour_into_the_named_one() -> None:
    masks = torch.zeros(1, 2, 2, 8, 8)
    # The first plane's left half is the first part, its right half the second.
    masks[:, 0, 0, :, :4] = 1 / STRONG
    masks[:, 0, 1, :, 4:] = 1 / STRONG
    wash = toy(parts=2, sides=1, planes=2)(masks, latent(2, 0, -2, -1, 1, 3))
    painted = (MIDDLE[:3].logit()[:, None, None] + wash[0, 0]).sigmoid()
    assert torch.allclose(painted[:, 3, 1], torch.tensor([0.6, 0.5, 0.4]), atol=1e-5)
    assert torch.allclose(painted[:, 3, 6], torch.tensor([0.3, 0.6, 0.9]), atol=1e-5)
    assert (wash[:, 1] == 0).all()


def test_places_take_the_colour_of_the_side_that_they_face() -> None:
    palette = toy(parts=1, sides=2, planes=1)
    with torch.no_grad():
        palette.facing.zero_()
        palette.facing[:, 0, :2] = 1  # above, the first side
        palette.facing[:, 1, 2:] = 1
    wash = palette(torch.full((1, 1, 1, 8, 8), 1 / STRONG), latent(4, 4, 3, -3, -4, -5))
    painted = (MIDDLE[:3].logit()[:, None, None] + wash[0, 0]).sigmoid()
    assert torch.allclose(painted[:, 0, 0], torch.tensor([0.8, 0.9, 0.9]), atol=1e-5)
    assert torch.allclose(painted[:, -1, 0], torch.tensor([0.1, 0.1, 0.1]), atol=1e-5)


def test_colours_out_of_range_and_the_mean_head_have_finite_logits() -> None:
    colours = toy(parts=2, sides=1, planes=2).colours(latent(90, -90, 0, 90, -90, 0))
    assert colours.isfinite().all() and (colours[..., 2] == 0).all()


def test_the_decoder_adds_the_wash_to_the_colour_and_to_nothing_else() -> None:
    decoder = FieldDecoder(8, 16, 8)
    sampled = torch.randn(1, 1, 50, 11)
    plain = copy.deepcopy(sampled)
    plain[..., 8:] = 0
    (with_wash, sigma), (without, same) = decoder(sampled), decoder(plain)
    assert torch.equal(sigma, same) and torch.equal(with_wash[..., 3:], without[..., 3:])
    bare = ((without[..., :3] + 0.001) / 1.002).logit()
    expected = (bare + sampled[:, 0, :, 8:]).sigmoid() * 1.002 - 0.001
    assert torch.allclose(with_wash[..., :3], expected, atol=1e-4)
    old, _ = decoder(sampled[..., :8])  # planes of a generator without a palette
    assert torch.allclose(old, without, atol=1e-5)


@pytest.fixture(scope="module")
def head() -> Heads:
    """A small generator with a palette, whose masks are as they come: empty in what heads share, not in the backbone."""
    torch.manual_seed(3)
    head = Heads(card(NETWORK))
    fit_palette(head.palette)
    return head


def test_a_head_whose_traits_are_known_is_washed_with_their_colours(head: Heads) -> None:
    z = torch.randn(3, len(FACTORS)).numpy()
    w = torch.zeros(3, head.card.w_dim)
    learned = NETWORK.w_dim
    known = torch.from_numpy(traits(z))
    w[:, learned : learned + known.shape[1]] = known
    found = (head.palette.colours(w[:, None]).flatten(1) + head.palette.middle.logit()).sigmoid()
    for one, row in zip(z, found):
        said = torch.from_numpy(raw_traits(Named(one))[: len(row)]).clamp(0.02, 0.98).float()
        assert torch.allclose(row, said, atol=1e-4)


def test_the_picture_tells_the_colours_their_gradient(head: Heads) -> None:
    w_plus = head.map(torch.randn(1, len(FACTORS))).clone()
    planes = head.planes(w_plus)
    assert planes.shape[2] == TOY.plane_channels + 3 + 3
    features, masks = torch.randn(1, 4, 8, 16, 16), torch.full((1, 4, 3, 16, 16), 0.1)
    named = w_plus.detach().clone().requires_grad_()
    washed = torch.cat([features, head.palette(masks, named), torch.zeros(1, 4, 3, 16, 16)], 2)
    eye = look_at(0.0, 0.0, 2.7, (0.0, 0.0, 0.0), 4.2647)
    head.render(washed, w_plus, eye).image.square().mean().backward()
    start = head.palette.start
    moved = named.grad[..., start : start + len(head.palette.middle)].abs().sum((0, 1))
    assert (moved > 0).float().mean() > 0.9  # all but colours at the end of their range
