from __future__ import annotations

import math

import pytest
import torch
from conftest import Ball

from hfinv.pseudoview.views import ViewsConfig, choose_cameras, outline_cameras

CARD = Ball().card


def cameras(**settings):
    return choose_cameras(CARD, ViewsConfig(**settings), torch.Generator().manual_seed(0))


def test_the_ellipse_is_the_one_that_hfgi3d_ships() -> None:
    """As measured on its 30 poses: about the point that they look at, and about the origin."""
    found = cameras(sampling="ellipse")
    offset = found.centre - torch.tensor(CARD.pivot)
    yaw = torch.atan2(offset[:, 0], offset[:, 2])
    pitch = torch.asin(offset[:, 1] / offset.norm(dim=1))
    assert len(found) == 30
    assert [yaw.min().item(), yaw.max().item()] == pytest.approx([-0.376, 0.376], abs=2e-3)
    assert [pitch.min().item(), pitch.max().item()] == pytest.approx([-0.137, 0.208], abs=2e-3)
    assert (found.centre.norm(dim=1) - 2.7).abs().max() < 1e-4
    assert 2.49 < offset.norm(dim=1).min() and offset.norm(dim=1).max() < 2.52


def test_the_fan_looks_from_both_sides_and_once_from_the_front() -> None:
    yaw, pitch = cameras(pitches=(0.0, 0.2)).angles()
    wanted = [0.0, 0.2, -0.2, 0.45, -0.45, 0.8, -0.8]
    torch.testing.assert_close(yaw, torch.tensor([y for y in wanted for _ in range(2)]))
    torch.testing.assert_close(pitch, torch.tensor([0.0, 0.2] * 7))


def test_random_cameras_are_drawn_by_the_seed_to_both_sides() -> None:
    found = cameras(sampling="random", count=200)
    yaw, pitch = found.angles()
    assert -0.35 <= yaw.min() < -0.3 and 0.3 < yaw.max() <= 0.35
    assert -0.13 < pitch.min() < -0.1 and 0.16 < pitch.max() < 0.193
    again = cameras(sampling="random", count=200)
    assert torch.equal(found.cam2world, again.cam2world)


def test_outlines_are_taken_behind_the_widest_view() -> None:
    yaw, _ = outline_cameras(CARD, ViewsConfig(outlines=5)).angles()
    assert (yaw.abs() > 0.8).all()
    assert yaw.abs().max() == pytest.approx(math.pi, abs=1e-3)
    assert len(outline_cameras(CARD, ViewsConfig(outlines=0))) == 0
