"""The discriminator sees both pictures and the camera; its slope is the true one."""

from __future__ import annotations

import pytest
import torch

from hfinv.camera import orbit
from hfinv.training.discriminator import Discriminator, deceive, judge, slope


@pytest.fixture
def discriminator() -> Discriminator:
    torch.manual_seed(0)
    return Discriminator(8, channel_base=64, channel_max=8, width=8)


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.rand(3, 3, 8, 8, generator=rng), torch.rand(3, 3, 4, 4, generator=rng)


def test_the_score_depends_on_both_pictures_and_on_the_camera(
    discriminator: Discriminator,
) -> None:
    picture, raw = pictures()
    camera = orbit(3)
    score = discriminator(picture, raw, camera)
    assert score.shape == (3,)
    for other in (
        discriminator(picture.flip(3), raw, camera),
        discriminator(picture, raw.flip(3), camera),
        discriminator(picture, raw, orbit(3, start=1.0)),
    ):
        assert (other - score).abs().max() > 1e-4


def test_the_slope_is_that_of_finite_differences(discriminator: Discriminator) -> None:
    discriminator.double().camera.float()
    picture, raw = (x[:1].double() for x in pictures())
    camera = orbit(1)
    found = slope(discriminator, picture, raw, camera)

    def score(vector: torch.Tensor) -> float:
        a, b = vector.split([picture.numel(), raw.numel()])
        return float(discriminator(a.view_as(picture), b.view_as(raw), camera).detach())

    start = torch.cat([picture.flatten(), raw.flatten()])
    total = 0.0
    for k in range(len(start)):
        step = torch.zeros_like(start)
        step[k] = 1e-3
        total += ((score(start + step) - score(start - step)) / 2e-3) ** 2
    assert float(found.detach()) == pytest.approx(total, rel=1e-3)


def test_the_losses_are_those_of_the_non_saturating_game() -> None:
    scores = torch.tensor([0.0, 2.0])
    assert float(deceive(scores)) == pytest.approx((0.693147 + 0.126928) / 2, abs=1e-5)
    terms = judge(-scores, scores)
    assert float(terms["judge_real"]) == pytest.approx(float(deceive(scores)))
    assert float(terms["judge_drawn"]) == pytest.approx(float(deceive(scores)))
