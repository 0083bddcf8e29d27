"""What is compared beside the photo: each pixel by its mask, several views on shared planes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from conftest import Ball
from test_latent import face_of
from torch import Tensor

from hfinv.camera import Camera, look_at
from hfinv.latent import Pivot
from hfinv.perceptual import Perceptual
from hfinv.pseudoview import PseudoViews
from hfinv.terms import OutlineTerm, PictureTerm
from hfinv.tuning import TuningConfig, tune

CAMERAS = look_at(torch.tensor([0.0, 0.3, -0.3, 0.6]))
PLAIN = TuningConfig(
    variables="weights",
    steps=30,
    learning_rate=0.05,
    colour=2.0,
    keep_views=0.0,
    views_together=3,
    views_every=1,
)
BLUE = torch.tensor([-0.2, -0.1, 0.4])


@pytest.fixture
def ball() -> Ball:
    return Ball(edge=0.01)


def painted(ball: Ball, paint: Tensor, cameras: Camera) -> tuple[Tensor, Tensor]:
    """Pictures and silhouettes of the ball in another colour."""
    other = Ball(edge=0.01)
    other.paint.data.copy_(paint)
    drawn = other.render(
        other.planes(other.mean_latent()), other.mean_latent(), cameras, background=0.0
    )
    return drawn.image.detach(), drawn.alpha


def views_of(ball: Ball, paint: Tensor = BLUE) -> PseudoViews:
    images, alpha = painted(ball, paint, CAMERAS)
    nothing = images.new_zeros(0, 1, 1, 1)
    return PseudoViews(
        images=images,
        masks=torch.ones_like(alpha),
        cameras=CAMERAS,
        foreground=alpha,
        visible=alpha,
        seen=images.half(),
        painted=images.half(),
        opacity=nothing,
        distance=nothing,
        outline_cameras=CAMERAS[:0],
        known=torch.ones(1, 1, 64, 64),
        theta=0.0,
    )


def test_masked_pixels_are_not_compared(ball: Ball, perceptual: Perceptual) -> None:
    """HFGI3D's code makes masks, and compares whole pictures all the same."""
    views = views_of(ball, torch.zeros(3))
    spoilt, masks = views.images.clone(), torch.ones_like(views.masks)
    spoilt[..., 20:40, 20:40], masks[..., 20:40, 20:40] = 1.0, 0.0
    planes = ball.planes(ball.mean_latent())

    def loss(masks: Tensor) -> float:
        config = TuningConfig(lpips=0.0)
        term = PictureTerm(
            "views",
            ball,
            perceptual,
            ball.mean_latent(),
            spoilt,
            masks,
            CAMERAS,
            config,
            together=4,
        )
        return term.loss(planes, torch.Generator()).item()

    assert loss(masks) < 1e-5 and loss(torch.ones_like(masks)) > 0.1


def test_tuning_follows_the_pseudo_views_as_their_weight_says(
    ball: Ball, perceptual: Perceptual
) -> None:
    face = face_of(ball, look_at(0.2))  # its tint is not the views'
    pivot = Pivot(ball.mean_latent(), face.camera, face.photo, 0.0, 1.0)

    def off(weight: float) -> float:
        fresh = Ball(edge=0.01)
        config = replace(PLAIN, views=weight, squared=True)
        tuned = tune(fresh, perceptual, face, pivot, config, views=views_of(ball))
        return float((tuned.weights["paint"].float() - BLUE).norm())

    assert off(30.0) < 0.1 < off(1.0) < off(0.0)


def test_all_views_of_a_step_share_its_planes(ball: Ball, perceptual: Perceptual) -> None:
    face = face_of(ball, look_at(0.2))
    pivot = Pivot(ball.mean_latent(), face.camera, face.photo, 0.0, 1.0)
    made, seen = [], []
    planes, render = ball.planes, ball.render
    ball.planes = lambda w: made.append(1) or planes(w)
    ball.render = lambda p, w, c, **k: seen.append(len(c)) or render(p, w, c, **k)
    tune(ball, perceptual, face, pivot, replace(PLAIN, steps=5), views=views_of(ball))
    assert len(made) == 5 + 1  # the last draws the fit
    assert seen == [1, 3] * 5 + [1]


def test_an_outline_asks_for_no_super_resolution_and_for_the_surface_alone(ball: Ball) -> None:
    camera = look_at(torch.tensor([2.0, 3.0]))
    planes, w_plus = ball.planes(ball.mean_latent()), ball.mean_latent()
    held = Ball(0.24, edge=0.01).render(planes, w_plus, camera, superresolve=False)
    views = replace(
        views_of(ball), opacity=held.opacity, distance=held.distance, outline_cameras=camera
    )
    asked, render = [], ball.render
    ball.render = lambda *a, **k: asked.append(k["superresolve"]) or render(*a, **k)
    term = OutlineTerm(ball, w_plus, views, 1.0, 1)
    found = term.loss(planes, torch.Generator().manual_seed(0))
    assert asked == [False] and found > 0.01
    ball.paint.data += 1.0
    assert torch.equal(term.loss(planes, torch.Generator().manual_seed(0)), found)
    same = OutlineTerm(Ball(0.24, edge=0.01), w_plus, views, 1.0, 1)
    assert same.loss(planes, torch.Generator()) < 1e-6
