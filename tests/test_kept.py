"""What is kept of a generator is compared as it is said to be."""

from __future__ import annotations

from dataclasses import replace

import torch
from conftest import Ball

from hfinv.kept import KeptViews, roughness
from hfinv.perceptual import Perceptual
from hfinv.tuning import TuningConfig


def test_what_is_held_is_looked_at_by_lpips_where_the_photo_does_not_look(
    ball: Ball, perceptual: Perceptual
) -> None:
    w_plus = ball.mean_latent()
    config = TuningConfig(keep_size=32, keep_cameras=4)
    held = [
        KeptViews(ball, perceptual, w_plus, replace(config, keep_lpips=x, keep_smooth=0.0))
        for x in (0.0, 3.0)
    ]
    before = ball.planes(w_plus)
    after = before + torch.tensor([0.3, -0.1, 0.0])[:, None, None]
    for chosen, behind in ((0, 0.0), (1, 0.5), (2, 1.0)):
        rng = [torch.Generator().manual_seed(seed_of(chosen, 4)) for _ in held]
        without, more = (one.loss(after, dice) for one, dice in zip(held, rng))
        pictures = (
            ball.render(planes, w_plus, held[0].cameras[chosen], size=32, background=0.0).image
            for planes in (before, after)
        )
        lpips = perceptual(*pictures)
        assert lpips > 0.001
        torch.testing.assert_close(more - without, 3 * behind * lpips[0])


def seed_of(drawn: int, count: int) -> int:
    """A seed whose first number below `count` is the given one."""
    for seed in range(100):
        if int(torch.randint(count, (), generator=torch.Generator().manual_seed(seed))) == drawn:
            return seed
    raise AssertionError("no seed draws it")


def test_a_surface_is_rough_by_its_slopes_not_by_its_place() -> None:
    """A slope of 0.01 a ray across and 0.02 a ray down, on the upper half of a map of 8 x 8 rays."""
    held = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    on_head = torch.ones(1, 1, 8, 8)
    assert roughness(held + 0.3, held, on_head) < 1e-6
    steps = torch.arange(8.0)
    tilted = held + 0.01 * steps + 0.02 * steps[:, None]
    torch.testing.assert_close(roughness(tilted, held, on_head), torch.tensor(0.03))
    on_head[..., 4:, :] = 0  # 4 of 8 rows, and 3 of the 7 steps between rows
    expected = torch.tensor(0.01 * 4 / 8 + 0.02 * 3 / 7)
    torch.testing.assert_close(roughness(tilted, held, on_head), expected)
