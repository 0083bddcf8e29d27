"""The mirror speaks of what the photo does not see, where the face is symmetric, in the photo's light."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from conftest import Ball
from symmetry_examples import SymmetricBall, face_of, inner, sight_and_surface

from hfinv.camera import Camera, look_at
from hfinv.symmetry import Mirror, SymmetryConfig, mirror_view
from hfinv.symmetry.confidence import ConfidenceConfig
from hfinv.symmetry.light import LightConfig
from hfinv.symmetry.neighbours import NeighbourConfig
from hfinv.symmetry.weights import YawConfig

CAMERA = look_at(0.5)
QUICK = SymmetryConfig(rays=64, neighbours=NeighbourConfig(count=0))


def mirror_of(ball: Ball, config: SymmetryConfig = QUICK, camera: Camera = CAMERA) -> Mirror:
    return mirror_view(ball, face_of(ball, camera), ball.mean_latent(), camera, config)


def cosine(ball: Ball) -> torch.Tensor:
    """[1, 1, 64, 64] of the mirrored camera's view: between the ball's normal and the ray from the photo's camera."""
    _, surface = sight_and_surface(ball, CAMERA.mirrored())
    points = CAMERA.mirrored().points(surface.distance)
    rays = CAMERA.centre - points
    return torch.cosine_similarity(rays, points, dim=-1).reshape(1, 1, 64, 64)


def hidden(ball: Ball) -> torch.Tensor:
    """Which pixels of the mirrored camera's view the photo cannot see, from the ball's geometry."""
    _, surface = sight_and_surface(ball, CAMERA.mirrored())
    return (cosine(ball) < 0) & (surface.opacity > 0)


def test_the_mirror_counts_where_the_photo_sees_nothing_and_not_where_it_does() -> None:
    ball = SymmetricBall()
    mirror, far = mirror_of(ball), hidden(ball)
    assert far.sum() > 100
    inside = inner(mirror.counted, 2)
    assert mirror.unseen[far & inside].mean() > 0.95
    near = inner(mirror.counted, 5) & (cosine(ball) > math.cos(math.radians(45)))
    assert near.sum() > 100 and mirror.unseen[near].mean() < 0.05
    assert mirror.weight[far & inside].mean() > 10 * mirror.weight[near].mean()


def test_off_the_head_the_mirror_says_nothing() -> None:
    mirror = mirror_of(SymmetricBall())
    assert mirror.weight[mirror.counted == 0].max() == 0


def test_the_weight_never_exceeds_the_strength_for_the_yaw() -> None:
    mirror = mirror_of(SymmetricBall())
    assert 0.3 < mirror.strength < 0.5
    assert mirror.weight.min() >= 0 and mirror.weight.max() <= mirror.strength


def test_a_frontal_photo_needs_no_mirror() -> None:
    assert mirror_of(SymmetricBall(), camera=look_at(0.0)).weight.max() < 1e-6


def test_an_asymmetric_face_is_believed_less_where_it_is_asymmetric() -> None:
    plain, spotted = (mirror_of(SymmetricBall(mole=mole)) for mole in (False, True))
    differs = (plain.photo - spotted.photo).abs().sum(1, keepdim=True) > 0.3
    assert differs.sum() > 10
    assert plain.symmetric[differs].mean() > 0.85
    assert spotted.symmetric[differs].mean() < plain.symmetric[differs].mean() - 0.3


def test_a_ball_painted_without_symmetry_is_believed_less_than_a_symmetric_one() -> None:
    painted, even = mirror_of(Ball()), mirror_of(SymmetricBall())
    inside = inner(even.counted, 4)
    assert painted.symmetric[inside].mean() < even.symmetric[inside].mean() - 0.1


@pytest.mark.parametrize("model", ["harmonics", "ratio"])
def test_a_lamp_on_one_side_is_not_taken_for_asymmetry_nor_mirrored(model: str) -> None:
    config = replace(QUICK, light=LightConfig(model=model))
    lit = SymmetricBall(lamp=0.4)
    published = mirror_of(lit, replace(QUICK, light=LightConfig(model="none")))
    mirror = mirror_of(lit, config)
    truth, _ = sight_and_surface(lit, CAMERA.mirrored())
    inside = (inner(mirror.counted, 4) & (cosine(lit) > 0.7)).expand(-1, 3, -1, -1)
    errors = [(m.photo - truth.picture)[inside].abs().mean() for m in (mirror, published)]
    assert errors[0] < 0.5 * errors[1]
    assert mirror.symmetric[inner(mirror.counted, 4)].mean() > 0.8


def test_harmonics_light_the_side_that_no_ratio_reaches() -> None:
    lit, far = SymmetricBall(lamp=0.4), hidden(SymmetricBall())
    truth, _ = sight_and_surface(lit, CAMERA.mirrored())
    far = (far & inner(truth.counted, 3)).expand(-1, 3, -1, -1)
    errors = [
        (mirror_of(lit, replace(QUICK, light=LightConfig(model=m))).photo - truth.picture)[far]
        for m in ("harmonics", "none")
    ]
    assert errors[0].abs().mean() < 0.6 * errors[1].abs().mean()


def test_light_from_the_front_is_left_as_it_is() -> None:
    ball = SymmetricBall()
    mirror = mirror_of(ball)
    flipped = face_of(ball, CAMERA).photo.flip(-1)
    inside = inner(mirror.counted, 4).expand(-1, 3, -1, -1)
    assert (mirror.photo - flipped)[inside].abs().mean() < 0.01


def test_as_published_every_pixel_of_the_mirrored_head_counts_alike() -> None:
    config = replace(
        QUICK,
        yaw=YawConfig(rule="step"),
        light=LightConfig(model="none"),
        confidence=ConfidenceConfig(only_unseen=False, only_symmetric=False),
    )
    ball = SymmetricBall(mole=True)
    mirror = mirror_of(ball, config)
    assert torch.allclose(mirror.weight, mirror.strength * mirror.counted)
    assert torch.equal(mirror.photo, face_of(ball, CAMERA).photo.flip(-1))


def test_neighbours_of_photo_and_mirror_have_the_shape_of_pseudo_views() -> None:
    config = replace(QUICK, neighbours=NeighbourConfig(count=2))
    mirror = mirror_of(SymmetricBall(), config)
    assert mirror.images.shape == (4, 3, 64, 64) and mirror.masks.shape == (4, 1, 64, 64)
    assert len(mirror.cameras) == 4
    assert 0 <= mirror.masks.min() and mirror.masks[:2].max() > 0.9
    assert mirror.masks[2:].max() <= mirror.strength
    yaw = mirror.cameras.angles()[0]
    assert (yaw[:2] > 0).all() and (yaw[2:] < 0).all()


def test_without_the_mirror_the_photo_still_has_neighbours() -> None:
    config = replace(QUICK, mirror=False, neighbours=NeighbourConfig(count=2))
    mirror = mirror_of(SymmetricBall(), config)
    assert mirror.strength == 0 and mirror.weight.max() == 0 and len(mirror.images) == 2


def test_the_same_seed_gives_the_same_neighbours_and_another_one_does_not() -> None:
    config = replace(QUICK, neighbours=NeighbourConfig(count=1))
    ball = SymmetricBall()
    face = face_of(ball, CAMERA)
    first, again, other = (
        mirror_view(ball, face, ball.mean_latent(), CAMERA, config, seed=seed).images
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other)
