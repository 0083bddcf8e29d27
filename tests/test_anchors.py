"""A photo's landmarks pull the shape of a head to where they are, seen in pictures that the landmarks did not make."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from conftest import Ball

from hfinv.anchors import PIXELS, find_anchors
from hfinv.camera import Camera, look_at
from hfinv.generators import load_generator
from hfinv.generators.heads import Heads
from hfinv.intake import Face
from hfinv.intake.find import landmarks_of
from hfinv.latent import LatentConfig, Search


@pytest.fixture(scope="module")
def heads() -> Heads:
    return load_generator("heads")


@torch.no_grad()
def drawn_landmarks(heads: Heads, w_plus: torch.Tensor, camera: Camera) -> torch.Tensor:
    """[1, 468, 2] in [0, 1], found in the head's picture."""
    picture = heads.render(heads.planes(w_plus), w_plus, camera, background=0.0).image
    return torch.from_numpy(landmarks_of(picture.clamp(-1, 1))).float()[None]


def face_of(landmarks: torch.Tensor, camera: Camera) -> Face:
    """A face of which nothing but landmarks and camera is asked."""
    nothing = torch.zeros(1, 1, 8, 8)
    return Face(
        photo=nothing.expand(-1, 3, -1, -1),
        foreground=nothing,
        camera=camera,
        landmarks=landmarks,
        presence=1.0,
        reprojection_px=0.0,
        warnings=(),
        crop_from_photo=torch.eye(2, 3),
        seen=nothing,
        faces_found=1,
    )


def away(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Root mean square distance in pixels of a crop of `PIXELS`."""
    return PIXELS * (found - wanted).norm(dim=-1).square().mean().sqrt().item()


def another(heads: Heads) -> torch.Tensor:
    """A head whose face is not the mean one's: long, narrow, smiling, its brows up."""
    names = [factor.name for factor in heads.card.factors]
    z = torch.zeros(1, len(names))
    z[0, names.index("smile")], z[0, names.index("brow_up")] = 1.5, 1.0
    z[0, [k for k, name in enumerate(names) if name.startswith("shape")][:4]] = 1.5
    return heads.map(z)


def test_the_mean_heads_landmarks_lie_where_another_camera_finds_them(heads: Heads) -> None:
    camera = look_at(0.3, 0.1, heads.card.radius, heads.card.pivot, heads.card.focal)
    found = drawn_landmarks(heads, heads.mean_latent(), camera)
    anchors = find_anchors(heads, face_of(found, camera))
    seen, _ = camera.project(heads.carried(anchors.points, heads.mean_latent()))
    assert away(seen, anchors.wanted) < 2.5
    assert anchors.loss(heads, heads.mean_latent(), camera) < 2.5**2


def test_a_fitted_shape_puts_the_landmarks_of_its_picture_where_they_were_asked(
    heads: Heads,
) -> None:
    camera = look_at(0.15, 0.0, heads.card.radius, heads.card.pivot, heads.card.focal)
    wanted = drawn_landmarks(heads, another(heads), camera)
    anchors = find_anchors(heads, face_of(wanted, camera))
    search = Search(heads, camera, replace(LatentConfig(), camera_rate=0.0))
    search.settle(lambda w_plus, seen_from: anchors.loss(heads, w_plus, seen_from))
    assert not search.motion.any()
    before = away(drawn_landmarks(heads, heads.mean_latent(), camera), wanted)
    after = away(drawn_landmarks(heads, search.latent().detach(), camera), wanted)
    assert before > 3 and after < 0.5 * before


def test_a_camera_that_is_a_little_off_is_moved_back_by_landmarks(heads: Heads) -> None:
    true = look_at(0.0, 0.0, heads.card.radius, heads.card.pivot, heads.card.focal)
    wanted = drawn_landmarks(heads, heads.mean_latent(), true)
    off = look_at(0.06, 0.0, heads.card.radius, heads.card.pivot, heads.card.focal)
    anchors = find_anchors(heads, face_of(wanted, off))
    search = Search(heads, off, LatentConfig())
    search.settle(lambda w_plus, seen_from: anchors.loss(heads, w_plus, seen_from))
    yaw = search.camera().angles()[0].item()
    assert abs(yaw) < 0.03


def test_what_does_not_move_points_or_has_no_landmarks_has_no_anchors(heads: Heads) -> None:
    camera = look_at(0.0)
    face = face_of(torch.zeros(1, 468, 2), camera)
    assert find_anchors(Ball(), face) is None
    assert find_anchors(heads, replace(face, presence=0.0)) is None
