"""Guided samples lie where a ball's distance says, and change little of what marching the whole ray gives."""

from __future__ import annotations

import pytest
import torch
from conftest import TOY
from test_points import ball_batch, ball_distance

from hfinv.camera import orbit
from hfinv.generators.heads import Heads
from hfinv.training import card
from hfinv.training.guide import MARGIN, guided_distances, surface_along
from hfinv.training.objective import look


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_surface_of_a_pixel_spans_its_entries() -> None:
    maps = torch.zeros(1, 4, 4)
    maps[0, :2, :2] = torch.tensor([[2.0, 2.03], [0.0, 2.01]])
    maps[0, 2:, 2:] = torch.tensor([[2.0, 2.9], [2.0, 2.0]])
    first, last = surface_along(maps, 2)
    assert first[0, :, 0].tolist() == pytest.approx([2.0, 0.0, 0.0, 2.0])
    assert last[0, :, 0].tolist() == pytest.approx([2.03, 0.0, 0.0, 2.1])


def test_a_map_of_no_multiple_of_the_rays_is_read_at_its_nearest_entries() -> None:
    first, last = surface_along(torch.full((2, 5, 5), 2.5), 3)
    assert first.shape == (2, 9, 1) and (first == 2.5).all() and (last == 2.5).all()


def test_samples_ascend_and_gather_around_the_surface() -> None:
    camera = orbit(2)
    distance = ball_distance(camera, 32)
    first, last = surface_along(distance, 16)
    near, far = torch.full_like(first, 2.2), torch.full_like(first, 3.2)
    samples = guided_distances(first, last, near, far, (2, 6, 3), rng())
    assert samples.shape == (2, 256, 11)
    assert (samples.diff(dim=-1) >= 0).all() and (samples >= 2.2).all() and (samples <= 3.2).all()
    hit = first[..., 0] > 0
    close = (samples > first - MARGIN) & (samples < last + MARGIN)
    assert (close.sum(-1)[hit] >= 6).all()
    spread = samples[~hit].diff(dim=-1)
    assert spread.max() < 2 / 11, "a ray that hits nothing is looked at everywhere"


def test_a_guided_ray_sees_what_a_finely_marched_one_sees() -> None:
    torch.manual_seed(0)
    generator = Heads(card(TOY)).requires_grad_(False)
    radius = 0.25  # that of ball_batch

    def field(planes: torch.Tensor, points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        sigma = 4e5 * (radius - points.norm(dim=-1, keepdim=True))
        return (0.5 + points).clamp(0, 1), sigma

    generator.field = field
    batch = ball_batch(2)
    guided = look(generator, torch.zeros(1), batch, (8, 4), (3, 8, 3), rng())
    true = ball_distance(batch.camera, 16).reshape(1, -1, 1)
    inside = (true > 0) & (guided[1] > 0.99)
    assert inside.float().mean() > 0.3
    assert (guided[2] - true)[inside].abs().mean() < 0.01
    assert guided[1][true == 0].mean() < 0.1
    origins, directions = (x.reshape(1, -1, 3) for x in batch.camera.rays(16))
    colour = 0.5 + origins + true * directions
    assert (guided[0] - colour)[inside.expand_as(colour)].abs().mean() < 0.02
