"""A meshed ball is photographed as the ball that it is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hfinv.camera import look_at
from hfinv.training.scene import Scene, photograph

RADIUS = 0.25


@pytest.fixture(scope="module")
def ball() -> tuple[np.ndarray, np.ndarray]:
    """Vertices and faces of a latitude-longitude sphere, counter-clockwise from outside."""
    rows, columns = 200, 400
    theta = np.pi * np.arange(rows + 1) / rows
    phi = 2 * np.pi * np.arange(columns) / columns
    t, p = np.meshgrid(theta, phi, indexing="ij")
    vertices = RADIUS * np.stack(
        [np.sin(t) * np.cos(p), np.cos(t), np.sin(t) * np.sin(p)], -1
    ).reshape(-1, 3)
    row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    a, b = row * columns + column, row * columns + (column + 1) % columns
    c, d = a + columns, b + columns
    faces = np.concatenate([np.stack(f, -1).reshape(-1, 3) for f in ((a, b, c), (b, d, c))])
    return vertices.astype(np.float32), faces


def test_distances_are_those_of_the_ball(ball: tuple[np.ndarray, np.ndarray]) -> None:
    camera = look_at(0.6, 0.2)
    view = photograph(Scene(*ball), np.full((len(ball[0]), 3), 0.5), camera, 64, 48, 1)
    hit = view.distance > 0
    points = camera.points(torch.from_numpy(view.distance)[None, None])[0].numpy()[hit.ravel()]
    assert 0.2 < hit.mean() < 0.6
    assert np.abs(np.linalg.norm(points, axis=1) - RADIUS).max() < 1e-4


def test_colours_follow_the_surface_and_carry_their_coverage(
    ball: tuple[np.ndarray, np.ndarray],
) -> None:
    vertices, faces = ball
    camera = look_at(-0.4)
    view = photograph(Scene(vertices, faces), vertices / RADIUS / 2 + 0.5, camera, 64, 64, 2)
    covered = view.colour[..., 3] == 255
    points = (
        camera.points(torch.from_numpy(view.distance)[None, None])[0].numpy().reshape(64, 64, 3)
    )
    wanted = points / RADIUS / 2 + 0.5
    inner = covered & (np.linalg.norm(points, axis=-1) < RADIUS + 1e-3)
    error = np.abs(view.colour[..., :3] / 255 - wanted)[inner]
    assert inner.sum() > 800 and np.quantile(error, 0.99) < 0.02
    edge = (view.colour[..., 3] > 0) & ~covered
    assert edge.any() and (view.colour[edge][:, :3] <= view.colour[edge][:, 3:]).all()


def test_a_ray_that_misses_finds_no_face(ball: tuple[np.ndarray, np.ndarray]) -> None:
    origins = np.array([[0, 0, 2.0], [0, 1.0, 2.0]])
    directions = np.array([[0, 0, -1.0], [0, 0, -1.0]])
    face, weights, distance = Scene(*ball).cast(origins, directions)
    assert face[0] >= 0 and face[1] == -1
    assert distance[0] == pytest.approx(2 - RADIUS, abs=1e-4) and distance[1] == 0
    assert weights[0].sum() == pytest.approx(1.0)
