"""Points find the places that known displacements brought them from."""

from __future__ import annotations

from dataclasses import replace

import torch
from conftest import TOY

from hfinv.camera import look_at
from hfinv.generators.heads import Heads
from hfinv.generators.raymarch import RayOptions, read_planes
from hfinv.generators.triplane import sample_planes
from hfinv.generators.warp import UNIT, origins_of
from hfinv.training import card

FIELDS, SIZE = 3, 8


def toy() -> Heads:
    """A generator with three fields at random."""
    about = card(TOY)
    arguments = about.arguments | {"warp": [FIELDS, SIZE], "warp_fine": [[1], 2 * SIZE]}
    torch.manual_seed(0)
    head = Heads(replace(about, w_dim=about.w_dim + FIELDS, arguments=arguments))
    head.warp.fields.normal_()
    return head.requires_grad_(False)


def points(count: int = 50) -> torch.Tensor:
    return 0.4 * (2 * torch.rand(1, count, 3, generator=torch.Generator().manual_seed(1)) - 1)


def test_a_shift_is_taken_back() -> None:
    moves = torch.zeros(1, 4, 3, 16, 16)
    moves[:, (0, 3), 0] = 2.0  # both halves of the XY plane: 2 units along x
    assert torch.allclose(
        origins_of(moves, points(), 1.0, "halves"),
        points() - torch.tensor([2 * UNIT, 0.0, 0.0]),
        atol=1e-6,
    )


def test_a_stretch_is_taken_back() -> None:
    much = 0.2
    x = (torch.arange(64) + 0.5) / 64 - 0.5
    moves = torch.zeros(1, 4, 3, 64, 64)
    moves[:, (0, 3), 0] = much * x / UNIT  # x becomes (1 + much) x
    found = origins_of(moves, points(), 1.0, "halves")
    exact = points()[..., 0] / (1 + much)
    assert (found[..., 0] - exact).abs().max() <= 0.1 * much**2 * points()[..., 0].abs().max()


def test_a_shut_slit_shows_its_edges() -> None:
    """What is above y = 0.02 comes down upon what is below -0.02, and the slit between is gone, as an eye's is."""
    y = (torch.arange(128) + 0.5) / 128 - 0.5
    down = -0.04 * ((y + 0.02) / 0.04).clamp(0, 1)
    moves = torch.zeros(1, 4, 3, 128, 128)
    moves[:, (0, 3), 1] = (down / UNIT)[:, None]
    heights = torch.tensor([-0.06, -0.04, -0.005, 0.005, 0.02, 0.05])
    there = torch.stack([torch.zeros(6), heights, torch.zeros(6)], -1)[None]
    found = origins_of(moves, there, 1.0, "halves")[0, :, 1]
    exact = torch.where(heights < -0.02, heights, heights + 0.04)
    assert (found - exact).abs().max() < 0.012
    assert (found[2:] > 0.02).all()  # nothing of the slit


def test_without_displacement_the_features_are_read_where_they_are() -> None:
    planes = torch.randn(1, 4, 8, 16, 16)
    still = torch.cat([planes, torch.zeros(1, 4, 3, 16, 16)], 2)
    assert torch.equal(
        read_planes(still, points(), RayOptions(order="halves", warped=True)),
        sample_planes(planes, points(), 1.0, "halves"),
    )


def test_the_weights_are_the_last_numbers_of_w_and_0_is_the_mean_head() -> None:
    head = toy()
    w_plus = head.map(torch.randn(2, len(head.card.factors))).clone()
    planes = head.planes(w_plus)
    assert planes.shape[2] == TOY.plane_channels + 3
    mixed = torch.tensordot(w_plus[:, 0, -FIELDS:], head.warp.fields, 1)
    low = torch.nn.functional.interpolate(mixed, (16, 16), mode="bilinear")
    assert torch.allclose(planes[:, :, -3:], low.unflatten(1, (4, 3)), atol=1e-5)
    w_plus[..., -FIELDS:] = 0
    assert (head.planes(w_plus)[:, :, -3:] == 0).all()


def test_a_moved_head_is_drawn_and_measured_where_it_moved_to() -> None:
    head = toy()
    head.warp.fields.zero_()
    head.warp.fields[0].unflatten(0, (4, 3))[(0, 3), 1] = 1.0  # a unit upwards, of both XY planes
    w_plus = head.map(torch.randn(1, len(head.card.factors))).clone()
    w_plus[..., -FIELDS:] = 0
    still, moved = w_plus.clone(), w_plus.clone()
    moved[..., -FIELDS] = 2.0
    away = torch.tensor([0.0, 2 * UNIT, 0.0])
    still, moved = head.planes(still), head.planes(moved)
    moved = torch.cat(
        [still[:, :, :-3], moved[:, :, -3:]], 2
    )  # the backbone reads the weights, too
    before = head.density(still, points())
    after = head.density(moved, points() + away)
    assert torch.allclose(before, after, atol=1e-3)
    eye = look_at(0.3, 0.1, 2.7, (0.0, 0.0, 0.0), 4.2647)
    origins, directions = eye.rays(8)
    here = head.march(still, origins, directions)
    limits = head.limits(origins, directions)
    spots = torch.linspace(0, 1, 24) * (limits[1] - limits[0]) + limits[0]
    one, _, _ = head.march_at(still, origins, directions, spots)
    two, _, _ = head.march_at(moved, origins + away, directions, spots)
    assert torch.allclose(one, two, atol=1e-3) and here[0].shape == one.shape


def test_the_weights_have_gradients() -> None:
    head = toy()
    w_plus = head.map(torch.randn(1, len(head.card.factors))).clone().requires_grad_()
    eye = look_at(0.0, 0.0, 2.7, (0.0, 0.0, 0.0), 4.2647)
    head.render(head.planes(w_plus), w_plus, eye).image.square().mean().backward()
    assert (w_plus.grad[..., -FIELDS:].abs().sum((0, 1)) > 0).all()


def test_a_tuned_offset_moves_nothing() -> None:
    head = toy()
    w_plus = head.map(torch.randn(1, len(head.card.factors)))
    before = head.planes(w_plus)
    head.choose("planes", w_plus)
    assert head.offset.shape[2] == TOY.plane_channels
    with torch.no_grad():
        head.offset.normal_()
    change = head.planes(w_plus) - before
    assert (change[:, :, -3:] == 0).all() and (change[:, :, :-3] != 0).any()
    again = toy()
    again.change(head.changes())
    assert torch.allclose(again.planes(w_plus), head.planes(w_plus), atol=1e-2)
