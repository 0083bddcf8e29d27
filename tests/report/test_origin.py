"""Seen, mirrored and guessed, against a ball, where the angle between ray and normal decides."""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from report_examples import ball_face, ball_head

from hfinv.camera import Camera, concatenate, look_at
from hfinv.report.origin import KINDS, Origin, origins

SIZE = 128
"""Of the maps: as many pixels as rays, so that nothing is resampled."""
SURE, NEVER = 60.0, 86.0
"""Degrees between ray and normal: below, a camera surely sees a point of the ball; above, it does not."""


def measured(yaw: float, views: Camera, tmp_path: Path) -> Origin:
    head = ball_head(look_at(yaw), tmp_path)
    return origins(head, ball_face(head).foreground, head.camera, views, SIZE, shape=None)


def angles(view: Camera, origin: Origin, index: int, other: Camera) -> torch.Tensor:
    """Degrees between the normal at what a view sees and the ray of another camera, [h, h]; nan beside the ball."""
    points = view.points(origin.distance[index : index + 1])[0]
    normal, way = F.normalize(points, dim=-1), F.normalize(other.centre - points, dim=-1)
    return torch.rad2deg(torch.acos((normal * way).sum(-1).clamp(-1, 1))).reshape(SIZE, SIZE)


def test_what_the_cameras_angles_say_is_what_the_map_says(tmp_path: Path) -> None:
    photo = look_at(0.7)
    views = concatenate([look_at(math.radians(yaw)) for yaw in (-90, -40, 0, 40, 180)])
    origin = measured(0.7, views, tmp_path)
    checked = {kind: 0 for kind in KINDS}
    for index, (seen, mirrored, guessed) in enumerate(origin.parts):
        here = angles(views[index], origin, index, photo)
        there = angles(views[index], origin, index, photo.mirrored())
        # The rim of the ball in the view itself is left out: its distance map has a step there.
        facing = angles(views[index], origin, index, views[index]) < SURE
        for kind, part, where in (
            ("seen", seen, facing & (here < SURE)),
            ("mirrored", mirrored, facing & (here > NEVER) & (there < SURE)),
            ("guessed", guessed, facing & (here > NEVER) & (there > NEVER)),
        ):
            checked[kind] += int(where.sum())
            if where.any():
                assert part[where].mean() > 0.99, (kind, index)
    assert min(checked.values()) > 200, checked


def test_parts_add_up_to_the_head_and_shares_to_one(tmp_path: Path) -> None:
    origin = measured(0.4, concatenate([look_at(0.0), look_at(2.0)]), tmp_path)
    solid = origin.distance.isfinite().float()
    torch.testing.assert_close(origin.parts.sum(1, keepdim=True), solid, atol=1e-5, rtol=0)
    for shares in (*origin.shares(), origin.share()):
        assert tuple(shares) == KINDS and math.isclose(sum(shares.values()), 1, abs_tol=1e-6)


def test_the_mirrored_photo_sees_in_the_mirrored_view_what_the_photo_sees_in_the_view(
    tmp_path: Path,
) -> None:
    view = look_at(0.9)
    here = measured(0.5, view, tmp_path).parts
    there = measured(-0.5, view.mirrored(), tmp_path).parts
    assert (here - there.flip(-1)).abs().mean() < 1e-3


def test_what_the_photo_does_not_show_is_not_seen(tmp_path: Path) -> None:
    head = ball_head(look_at(0.0), tmp_path)
    nothing = torch.zeros(1, 1, 96, 96)
    origin = origins(head, nothing, head.camera, head.camera, SIZE, shape=None)
    assert origin.share()["guessed"] == 1.0
    half = ball_face(head).foreground.clone()
    half[..., :48] = 0  # the left of the picture is hidden: only the mirror shows it
    shares = origins(head, half, head.camera, head.camera, SIZE, shape=None)
    left, right = shares.parts[0, :, :, :60].sum((1, 2)), shares.parts[0, :, :, 68:].sum((1, 2))
    assert right[0] > 20 * right[1] and left[1] > 20 * left[0]
