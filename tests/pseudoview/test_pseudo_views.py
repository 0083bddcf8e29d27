from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from conftest import Ball
from test_latent import face_of

from hfinv.camera import look_at
from hfinv.geometry import ShapeConfig
from hfinv.image import shrink
from hfinv.intake import Face
from hfinv.latent import LatentConfig, Pivot
from hfinv.perceptual import Perceptual
from hfinv.pseudoview import PseudoViewConfig, PseudoViews, pseudo_views
from hfinv.pseudoview.blend import BlendConfig
from hfinv.pseudoview.occluded import (
    OccludedConfig,
    difference_map,
    find_hidden_latent,
    robust_limit,
)
from hfinv.pseudoview.views import ViewsConfig

LATENT = LatentConfig(start="mean", prior=0.0, noise=0.0)
CONFIG = PseudoViewConfig(
    views=ViewsConfig(yaws=(0.0, 0.5), outlines=3),
    shape=ShapeConfig(resolution=64),
    occluded=OccludedConfig(source="tuned"),
    blend=BlendConfig(method="feather"),
)
CAMERA = look_at(0.25)


@pytest.fixture(scope="module")
def ball() -> Ball:
    return Ball(image_size=128, edge=0.004)


@pytest.fixture(scope="module")
def face(ball: Ball) -> Face:
    """A tinted ball before a wall of another colour than any of its own."""
    face = face_of(ball, CAMERA)
    wall = torch.tensor([1.0, -1.0, 1.0]).reshape(1, 3, 1, 1)
    return replace(face, photo=face.foreground * face.photo + (1 - face.foreground) * wall)


@pytest.fixture(scope="module")
def pivot(ball: Ball, face: Face) -> Pivot:
    w_plus = ball.mean_latent()
    fit = ball.render(ball.planes(w_plus), w_plus, CAMERA, background=0.0).image.detach()
    return Pivot(w_plus, CAMERA, fit, 0.0, 1.0)


def made(ball, perceptual, face, pivot, config: PseudoViewConfig = CONFIG) -> PseudoViews:
    return pseudo_views(ball, ball, perceptual, face, pivot, config, latent=LATENT)


def truth(ball: Ball, views: PseudoViews) -> torch.Tensor:
    """The photographs, had they been taken."""
    tinted = [face_of(ball, CAMERA, views.cameras[k]).photo for k in range(len(views.cameras))]
    return torch.cat(tinted).detach()


@pytest.mark.parametrize("mesh", [True, False])
def test_the_photos_part_is_what_a_photo_from_there_would_show(
    mesh: bool, ball: Ball, perceptual: Perceptual, face: Face, pivot: Pivot
) -> None:
    """Also: the wall behind the head is glued to nothing."""
    views = made(
        ball, perceptual, face, pivot, replace(CONFIG, shape=replace(CONFIG.shape, mesh=mesh))
    )
    sure = (views.visible > 0.9).expand_as(views.images)
    assert (sure.flatten(1).float().mean(1) > 0.1).all()
    off = (views.images - truth(ball, views)).abs()[sure]
    assert off.median() < 0.02 and off.max() < 0.15
    assert views.images.shape == (3, 3, 128, 128) and views.masks.shape == (3, 1, 128, 128)


def test_the_far_side_is_painted_and_counts_less(
    ball: Ball, perceptual: Perceptual, face: Face, pivot: Pivot
) -> None:
    views = made(ball, perceptual, face, pivot)
    hidden = (views.visible == 0) & (views.foreground > 0.99)
    assert (
        hidden[2].float().mean() > 0.05
    )  # the photo is from the right, the third view from the left
    assert torch.allclose(views.masks[hidden], torch.tensor(CONFIG.painted))
    untinted = truth(ball, views) - torch.tensor([0.25, -0.2, 0.1]).reshape(1, 3, 1, 1)
    painted = hidden.expand_as(views.images)
    assert (views.images - untinted).abs()[painted].median() < 0.02
    assert (views.masks[views.visible > 0.99] > 0.99).all()


def test_without_an_occluded_part_hidden_pixels_do_not_count(
    ball: Ball, perceptual: Perceptual, face: Face, pivot: Pivot
) -> None:
    config = replace(CONFIG, occluded=OccludedConfig(source="none"))
    views = made(ball, perceptual, face, pivot, config)
    torch.testing.assert_close(views.masks, views.visible)


def test_without_textures_everything_is_painted(
    ball: Ball, perceptual: Perceptual, face: Face, pivot: Pivot
) -> None:
    views = made(ball, perceptual, face, pivot, replace(CONFIG, textures=False))
    assert views.visible.sum() == 0
    torch.testing.assert_close(views.images, views.painted.float().clamp(-1, 1), atol=1e-3, rtol=0)


def test_outlines_come_from_behind_with_true_distances(
    ball: Ball, perceptual: Perceptual, face: Face, pivot: Pivot
) -> None:
    views = made(ball, perceptual, face, pivot)
    assert views.opacity.shape == (3, 1, 32, 32)
    points = views.outline_cameras.points(views.distance)[views.opacity.flatten(1) > 0.99]
    assert (points.norm(dim=-1) - 0.25).abs().max() < 1e-5


def earring(face: Face) -> tuple[Face, torch.Tensor]:
    """The face with something on it that no ball has, and where."""
    place = torch.zeros_like(face.foreground)
    place[..., 44:72, 44:72] = 1
    return replace(face, photo=torch.where(place > 0, -1.0, face.photo)), place


def test_theta_is_the_median_plus_three_deviations() -> None:
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 100.0])
    assert robust_limit(values, 3.0) == pytest.approx(3 + 3 * 1.4826 * 1)


def test_the_difference_map_finds_what_the_generator_does_not_know(
    face: Face, pivot: Pivot
) -> None:
    pierced, place = earring(face)
    known, theta = difference_map(pierced, pivot, 0.0, OccludedConfig())
    assert 0.3 < theta < 0.6  # the tint's length is 0.34
    assert known[place > 0].mean() < 0.05
    beside = (place == 0) & (face.foreground > 0.99)
    assert known[beside].mean() > 0.95
    everything, _ = difference_map(pierced, pivot, 0.0, OccludedConfig(theta=10.0))
    assert everything.all()


def test_an_earring_does_not_colour_the_hidden_side(
    ball: Ball, perceptual: Perceptual, face: Face, pivot: Pivot
) -> None:
    pierced, place = earring(face)
    config = OccludedConfig(steps=100, learning_rate=0.05, squared=True, lpips=0.0)
    tint = torch.tensor([0.25, -0.2, 0.1])

    def error(known: torch.Tensor) -> float:
        hidden = find_hidden_latent(ball, perceptual, pierced, pivot, known, LATENT, config)
        return float((hidden.mean(1)[0, :3] - tint).norm())

    masked, unmasked = error(1 - shrink(place, 128)), error(torch.ones_like(place))
    assert masked < 0.01 and unmasked > 10 * masked


def test_what_is_too_thin_for_a_surface_gets_views_all_the_same(
    perceptual: Perceptual, face: Face, pivot: Pivot
) -> None:
    class Mist(Ball):
        def density(self, planes: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
            return torch.full_like(points[..., :1], -100.0)

    mist = Mist(image_size=128, edge=0.004)
    plain = replace(CONFIG, shape=replace(CONFIG.shape, mesh=True))
    without = replace(CONFIG, shape=replace(CONFIG.shape, mesh=False))
    views, wanted = (made(mist, perceptual, face, pivot, config) for config in (plain, without))
    assert torch.equal(views.images, wanted.images)
