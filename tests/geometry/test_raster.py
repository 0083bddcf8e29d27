from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from hfinv.camera import look_at
from hfinv.geometry.raster import rasterise

HAS_PYTORCH3D = importlib.util.find_spec("pytorch3d") is not None


def sphere(radius: float = 0.25, level: int = 5) -> tuple[Tensor, Tensor]:
    mesh = trimesh.creation.icosphere(level, radius)
    return torch.tensor(np.array(mesh.vertices)).float(), torch.tensor(np.array(mesh.faces))


def test_a_fine_sphere_is_as_far_as_the_ball_it_stands_for(ball) -> None:
    camera = look_at(torch.tensor([0.0, 0.7]), 0.2)
    fragments = rasterise(*sphere(), camera, 64)
    _, alpha, distance = ball.look(ball.planes(ball.mean_latent()), camera, 64, 0.0)
    inside = (alpha[:, 0] > 0) & (fragments.face >= 0)
    assert (inside != (alpha[:, 0] > 0)).float().mean() < 0.005
    steep = distance[:, 0] > 2.6  # near the silhouette a facet's error grows without bound
    off = (fragments.distance - distance[:, 0]).abs()[inside & ~steep]
    assert off.max() < 5e-4
    assert fragments.distance[fragments.face < 0].isinf().all()


def test_rays_pass_through_pixel_centres() -> None:
    """A triangle whose edge lies between two columns of centres takes exactly the columns to its left."""
    camera = look_at(0.0, pivot=(0.0, 0.0, 0.0))
    # At z = 0 a pixel of a 16 x 16 picture is 2.7 / 4.2647 / 16 wide; x = 0 is the border of columns 7 and 8.
    vertices = torch.tensor(
        [[-9.0, -9.0, 0.0], [1e-4, -9.0, 0.0], [1e-4, 9.0, 0.0], [-9.0, 9.0, 0.0]]
    )
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    seen = rasterise(vertices, faces, camera, 16).face[0] >= 0
    assert seen[:, :8].all() and not seen[:, 8:].any()


def test_barycentric_weights_carry_positions_to_the_points_that_the_distances_reach() -> None:
    camera = look_at(torch.tensor([0.4, -0.9]), -0.1)
    vertices, faces = sphere(level=2)
    fragments = rasterise(vertices, faces, camera, 32)
    places = fragments.interpolate(faces, vertices)  # [B, 3, H, W]
    points = camera.points(fragments.distance[:, None]).mT.reshape(places.shape)
    hit = (fragments.face >= 0)[:, None].expand_as(places)
    torch.testing.assert_close(places[hit], points[hit], atol=2e-6, rtol=0)


def test_the_nearer_of_two_triangles_wins_whichever_comes_first() -> None:
    camera = look_at(0.0)
    flat = torch.tensor([[-1.0, -1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 1.5, 0.0]])
    vertices = torch.cat([flat, flat + torch.tensor([0.0, 0.0, 0.3])])
    for faces in ([[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]):
        fragments = rasterise(vertices, torch.tensor(faces), camera, 8)
        assert (fragments.face == [f[0] for f in faces].index(3)).all()


def test_it_agrees_with_trying_every_triangle() -> None:
    camera = look_at(0.5, 0.3)
    vertices, faces = sphere(level=1)
    vertices = vertices * torch.tensor([1.0, 0.7, 1.2])
    fragments = rasterise(vertices, faces, camera, 16)
    origins, directions = (x[0].double().numpy() for x in camera.rays(16))
    corners = vertices.double().numpy()[faces.numpy()]
    for pixel, (origin, direction) in enumerate(zip(origins, directions)):
        best, nearest = -1, math.inf
        for index, (a, b, c) in enumerate(corners):
            found = np.linalg.solve(np.stack([b - a, c - a, -direction], 1), origin - a)
            if found[0] >= 0 and found[1] >= 0 and found[:2].sum() <= 1 and 0 < found[2] < nearest:
                best, nearest = index, found[2]
        y, x = divmod(pixel, 16)
        assert int(fragments.face[0, y, x]) == best
        if best >= 0:
            assert abs(float(fragments.distance[0, y, x]) - nearest) < 1e-6


def test_a_mesh_without_triangles_is_seen_nowhere() -> None:
    fragments = rasterise(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long), look_at(0.0), 4)
    assert (fragments.face == -1).all() and fragments.distance.isinf().all()


@pytest.mark.skipif(not HAS_PYTORCH3D, reason="PyTorch3D is not installed")
def test_both_rasterisers_agree() -> None:
    camera = look_at(torch.tensor([0.0, 0.6, -2.0]), 0.25)
    camera.intrinsics[:, 0, 2] = 0.47  # an off-centre crop
    vertices, faces = sphere(level=4)
    vertices = vertices * torch.tensor([1.0, 1.3, 0.8])
    a, b = (rasterise(vertices, faces, camera, 64, engine) for engine in ("embree", "pytorch3d"))
    both = (a.face >= 0) & (b.face >= 0)
    assert ((a.face >= 0) != (b.face >= 0)).float().mean() < 1e-3
    assert (a.face == b.face)[both].float().mean() > 0.995
    # Where rounding gave a pixel on an edge to the neighbour, the point is the same all the same.
    assert (a.distance - b.distance)[both].abs().max() < 1e-4


@pytest.mark.gpu
def test_a_mesh_on_cuda_is_seen_as_on_the_cpu() -> None:
    camera = look_at(torch.tensor([0.0, 0.6]))
    vertices, faces = sphere(level=4)
    here = rasterise(vertices, faces, camera, 64)
    there = rasterise(vertices.cuda(), faces.cuda(), camera.to("cuda"), 64)
    both = (here.face >= 0) & (there.face.cpu() >= 0)
    assert there.distance.is_cuda and both.float().mean() > 0.2
    assert (here.distance - there.distance.cpu())[both].abs().max() < 1e-4
