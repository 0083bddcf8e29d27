"""Neighbours to both sides, about the pivot; a ball carried to them is the ball seen from there."""

from __future__ import annotations

import math

import pytest
import torch
from symmetry_examples import SIZE, inner, sight_and_surface
from conftest import Ball

from hfinv.camera import FFHQ_PIVOT, look_at
from hfinv.geometry.visibility import VisibilityConfig
from hfinv.symmetry.authenticity import AuthenticityConfig
from hfinv.symmetry.neighbours import (
    NeighbourConfig,
    carried,
    neighbour_cameras,
    turned,
    widest_yaw,
)
from hfinv.symmetry.surface import enlarge, look, normals, spread

SEEN = VisibilityConfig()
PLAIN = AuthenticityConfig(check=False)
PUBLISHED = NeighbourConfig(adaptive=False)


def test_neighbours_lie_on_both_sides_above_and_below_and_within_the_range() -> None:
    rng = torch.Generator().manual_seed(0)
    cameras = neighbour_cameras(look_at(0.0), 200, (0.0, 0.0, 0.0), PUBLISHED, rng)
    yaw, pitch = cameras.angles()
    assert -0.201 < yaw.min() < -0.18 and 0.18 < yaw.max() < 0.201
    assert -0.101 < pitch.min() < -0.09 and 0.09 < pitch.max() < 0.101
    assert abs(yaw.mean()) < 0.03


def test_the_pivot_stays_where_it_is_in_the_picture() -> None:
    point = torch.tensor([[FFHQ_PIVOT]])
    camera = look_at(0.3, 0.1)
    around = turned(camera, torch.tensor([0.2, -0.2]), torch.tensor([0.1, -0.1]), FFHQ_PIVOT)
    before = camera.project(point)
    for found, wanted in zip(around.project(point.expand(2, -1, -1)), before):
        assert torch.allclose(found, wanted.expand_as(found), atol=1e-5)
    about_origin = turned(camera, torch.tensor([0.2]), torch.tensor([0.0]), None)
    assert (about_origin.project(point)[0] - before[0]).abs().max() > 0.03


def test_a_positive_turn_goes_to_the_right_and_upwards() -> None:
    for pivot in (None, (0.0, 0.0, 0.0)):
        camera = turned(look_at(0.0), torch.tensor([0.2]), torch.tensor([0.1]), pivot)
        yaw, pitch = camera.angles()
        assert yaw.item() == pytest.approx(0.2, abs=1e-4)
        assert pitch.item() == pytest.approx(0.1, abs=1e-4)


@pytest.mark.parametrize(("yaw", "widest"), [(0.0, 0.384), (0.4, 0.233), (0.8, 0.052)])
def test_the_adaptive_range_has_the_published_values(yaw: float, widest: float) -> None:
    assert widest_yaw(yaw, NeighbourConfig(adaptive=True)) == pytest.approx(widest, abs=1e-3)
    assert widest_yaw(yaw, PUBLISHED) == 0.2


def test_a_ball_carried_to_its_neighbours_is_the_ball_seen_from_there_on_both_sides() -> None:
    ball, camera = Ball(), look_at(0.2)
    sight, source = sight_and_surface(ball, camera, 128)
    cameras = turned(camera, torch.tensor([0.2, -0.2]), torch.tensor([0.1, -0.1]), FFHQ_PIVOT)
    truth, target = sight_and_surface(ball, cameras, 128)
    views = carried(sight, sight.counted, source, target, PLAIN, SEEN)
    sure = (views.masks > 0.9).expand(-1, 3, -1, -1)
    assert (views.masks > 0.9).sum((1, 2, 3)).min() > 0.6 * target.opacity[0].sum()
    assert (views.images - truth.picture)[sure].abs().mean() < 2e-3


def test_distance_taken_as_depth_would_be_seen() -> None:
    ball, camera = Ball(), look_at(0.2)
    sight, source = sight_and_surface(ball, camera, 128)
    cameras = turned(camera, torch.tensor([0.2]), torch.tensor([0.0]), FFHQ_PIVOT)
    truth, target = sight_and_surface(ball, cameras, 128)
    origins, directions = cameras.rays(128)
    slope = (directions @ cameras.cam2world[:, :3, 2:3]).mT.reshape(1, 1, 128, 128)
    wrong = type(target)(target.distance / slope, target.opacity, cameras)
    good, bad = (carried(sight, sight.counted, source, t, PLAIN, SEEN) for t in (target, wrong))
    both = ((good.masks > 0.9) & inner(target.opacity)).expand(-1, 3, -1, -1)
    error = [(v.images - truth.picture)[both].abs().mean() for v in (good, bad)]
    assert error[1] > 5 * error[0]


def test_what_the_sight_does_not_count_is_not_believed_elsewhere() -> None:
    ball, camera = Ball(), look_at(0.0)
    sight, source = sight_and_surface(ball, camera)
    _, target = sight_and_surface(ball, look_at(0.1))
    views = carried(sight, torch.zeros(1, 1, SIZE, SIZE), source, target, PLAIN, SEEN)
    assert views.masks.max() == 0


def test_the_surface_is_looked_at_without_super_resolution_and_enlarged_to_size() -> None:
    asked: list[bool] = []

    class Spy(Ball):
        def render(self, *inputs, **how):
            asked.append(how["superresolve"])
            return super().render(*inputs, **how)

    ball, cameras = Spy(), look_at(torch.tensor([0.0, 0.3]))
    w_plus = ball.mean_latent()
    surface = look(ball, ball.planes(w_plus), w_plus, cameras, 32).resized(SIZE)
    assert asked == [False, False]
    _, exact = sight_and_surface(ball, cameras)
    sure = inner(exact.opacity, 5)
    assert (surface.distance - exact.distance)[sure].abs().max() < 2e-3


def test_enlarging_does_not_let_the_background_bend_the_edge() -> None:
    distance = torch.full((1, 1, 8, 8), 2.5)
    opacity = torch.ones(1, 1, 8, 8)
    distance[..., 4:], opacity[..., 4:] = 99.0, 0.0
    # The last column of the head, though its right neighbour is background.
    assert enlarge(distance, opacity, 16)[0, 0, 8, 7].item() == pytest.approx(2.5, abs=0.01)


def test_normals_of_a_ball_point_away_from_its_middle() -> None:
    ball, camera = Ball(), look_at(torch.tensor([0.0, 0.5]))
    _, surface = sight_and_surface(ball, camera, 128)
    exact = camera.points(surface.distance).mT.unflatten(-1, (128, 128)) / ball.radius
    cos = (normals(surface) * exact).sum(1, keepdim=True)
    assert cos[inner(surface.opacity, 8)].min() > math.cos(math.radians(3))


def test_what_is_known_spreads_and_far_away_stands_what_is_otherwise() -> None:
    weight = torch.zeros(1, 1, 64, 64)
    weight[..., :16, :16] = 1
    filled = spread(torch.full((1, 1, 64, 64), 5.0), weight, 0.05, 1.0)
    assert filled[0, 0, 8, 8].item() == pytest.approx(5.0, abs=0.2)
    assert filled[0, 0, 60, 60].item() == pytest.approx(1.0, abs=1e-3)
