from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from conftest import Ball
from torch import Tensor

from hfinv.camera import look_at
from hfinv.errors import HfinvError
from hfinv.geometry import ShapeConfig, enlarge, measure_distances, measure_shape
from hfinv.geometry.density import density_grid, surface_level
from hfinv.geometry.surface import extract
from hfinv.geometry.warp import background_to_infinity


class Field(Ball):
    """A density of one's own."""

    def __init__(self, function) -> None:
        super().__init__()
        self.function, self.asked = function, 0

    def density(self, planes: Tensor, points: Tensor) -> Tensor:
        self.asked += points.shape[1]
        return self.function(*points.unbind(-1))[..., None]


def mean_planes(ball: Ball) -> tuple[Tensor, Tensor]:
    return ball.planes(ball.mean_latent()), ball.mean_latent()


def test_a_ball_becomes_one_closed_sphere_with_its_faces_outwards(ball: Ball) -> None:
    shape = measure_shape(ball, *mean_planes(ball), ShapeConfig(resolution=64))
    mesh = trimesh.Trimesh(shape.vertices.numpy(), shape.faces.numpy(), process=False)
    assert mesh.is_watertight and mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.25**3, rel=0.01)
    assert (shape.vertices.norm(dim=1) - 0.25).abs().max() < 1e-3


def test_the_level_is_that_of_the_measured_surface_and_no_constant() -> None:
    ball = Ball()
    assert abs(surface_level(ball, *mean_planes(ball))) < 1e-3
    raised = Field(lambda x, y, z: 100 * (0.25 - torch.stack([x, y, z]).norm(dim=0)) + 7)
    assert surface_level(raised, *mean_planes(raised)) == pytest.approx(7, abs=1e-3)


def test_the_grid_is_neither_sheared_nor_turned() -> None:
    field = Field(lambda x, y, z: x + 10 * y + 100 * z)
    grid = density_grid(field, mean_planes(field)[0], 9, 0.0, block=1, chunk=100)
    step = np.linspace(-0.5, 0.5, 9)
    x, y, z = np.meshgrid(step, step, step, indexing="ij")
    np.testing.assert_allclose(grid, x + 10 * y + 100 * z, atol=1e-5)


@pytest.mark.parametrize("resolution", [65, 70])
def test_asking_only_near_the_surface_finds_the_same_surface(resolution: int) -> None:
    whole, culled = (Field(lambda x, y, z: 0.3 - (x * x + 2 * y * y + z.abs())) for _ in range(2))
    planes = mean_planes(whole)[0]
    grids = [
        density_grid(field, planes, resolution, 0.0, block)
        for field, block in ((whole, 1), (culled, 4))
    ]
    near = np.abs(grids[0]) < 0.02
    np.testing.assert_allclose(grids[1][near], grids[0][near], atol=1e-6)
    assert ((grids[0] > 0) == (grids[1] > 0)).all()
    assert culled.asked < 0.6 * whole.asked
    a, b = (extract(grid, 0.0, 1.0)[0] for grid in grids)
    torch.testing.assert_close(a, b)


def test_what_floats_beside_the_head_goes() -> None:
    step = np.linspace(-0.5, 0.5, 40)
    x, y, z = np.meshgrid(step, step, step, indexing="ij")
    head = 0.2 - np.sqrt((x + 0.2) ** 2 + y**2 + z**2)
    crumb = 0.08 - np.sqrt((x - 0.35) ** 2 + y**2 + z**2)
    vertices, _ = extract(np.maximum(head, crumb), 0.0, 1.0)
    assert vertices[:, 0].max() < 0.02


def test_a_surface_that_leaves_the_box_is_closed_there() -> None:
    step = np.linspace(-0.5, 0.5, 20)
    _, y, _ = np.meshgrid(step, step, step, indexing="ij")
    vertices, faces = extract(-y, 0.0, 1.0)
    mesh = trimesh.Trimesh(vertices.numpy(), faces.numpy(), process=True)
    assert mesh.volume == pytest.approx(0.5, rel=1e-3)


def test_nothing_solid_is_said_so() -> None:
    with pytest.raises(HfinvError, match="no surface"):
        extract(np.full((8, 8, 8), -1.0), 0.0, 1.0)


def test_mesh_and_rendered_distances_agree_and_are_not_in_steps(ball: Ball) -> None:
    """HFGI3D's code keeps distances in steps of 0.001, which is a staircase of about one pixel."""
    camera = look_at(torch.tensor([0.0, 0.5]))
    planes, w_plus = mean_planes(ball)
    config = ShapeConfig(resolution=96)
    shape = measure_shape(ball, planes, w_plus, config)
    mesh = measure_distances(ball, planes, w_plus, camera, 128, shape, config)
    free = measure_distances(ball, planes, w_plus, camera, 128, None, ShapeConfig(rays=64))
    _, alpha, truth = ball.look(planes, camera, 128, 0.0)
    steep = truth > 2.58  # at the limb a pixel spans more than the tolerance below
    for found in (mesh, free):
        both = found.isfinite() & (alpha > 0)
        assert (both != (alpha > 0)).float().mean() < 0.02
        off = (found - truth).abs()[both & ~steep]
        assert off.max() < 1.5e-3 and off.median() < 3e-4


def test_enlarging_spans_no_skirts_over_an_edge() -> None:
    camera = look_at(0.0)
    near = torch.full((1, 1, 16, 16), 2.4)
    near[..., 8:] = 2.6
    near[..., 12:, :] = torch.inf
    large = enlarge(near, 50, camera)
    finite = large[large.isfinite()]
    assert ((finite - 2.4).abs() < 1e-5).logical_or((finite - 2.6).abs() < 1e-5).all()
    assert large[..., 38:, :].isinf().all() and large[..., :37, :].isfinite().all()


def test_enlarging_keeps_a_slope_straight(ball: Ball) -> None:
    camera = look_at(0.3)
    small, large = (
        background_to_infinity(d, a)
        for _, a, d in (ball.look(mean_planes(ball)[0], camera, size, 0.0) for size in (32, 80))
    )
    found = enlarge(small, 80, camera)
    middle = found.isfinite() & (large < 2.55)
    assert (found - large).abs()[middle].max() < 2e-3
