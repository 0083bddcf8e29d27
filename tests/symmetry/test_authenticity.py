"""What a warp spoils does not come back as it left."""

from __future__ import annotations

import torch
from symmetry_examples import SymmetricBall, inner, sight_and_surface

from hfinv.camera import look_at
from hfinv.geometry.visibility import VisibilityConfig
from hfinv.symmetry.authenticity import AuthenticityConfig, authentic
from hfinv.symmetry.mirror import Sight
from hfinv.symmetry.neighbours import carried

CONFIG, SEEN = AuthenticityConfig(), VisibilityConfig()


def test_a_smooth_ball_comes_back_from_everywhere_it_is_seen() -> None:
    ball = SymmetricBall()
    sight, source = sight_and_surface(ball, look_at(0.0), 128)
    _, target = sight_and_surface(ball, look_at(torch.tensor([-0.2, 0.2])), 128)
    views = carried(sight, sight.counted, source, target, AuthenticityConfig(check=False), SEEN)
    sure = (views.masks > 0.9) & inner(target.opacity, 6)
    assert authentic(sight, source, target, CONFIG)[sure].mean() > 0.98


def test_a_wrong_surface_is_found_out_where_the_colours_are() -> None:
    ball = SymmetricBall()
    sight, source = sight_and_surface(ball, look_at(0.0), 128)
    _, target = sight_and_surface(ball, look_at(0.3), 128)
    stripes = (torch.arange(128) // 4 % 2).float() * 2 - 1
    striped = Sight(stripes.expand(1, 3, 128, 128), sight.counted, sight.landmarks, sight.camera)
    wrong = type(source)(source.distance + 0.1, source.opacity, source.camera)
    right_mask = authentic(striped, source, target, AuthenticityConfig(tolerance=1.5))
    wrong_mask = authentic(striped, wrong, target, AuthenticityConfig(tolerance=1.5))
    sure = inner(target.opacity, 12)
    # The way back goes over the wrong surface, so stripes come back shifted.
    assert wrong_mask[sure].mean() < right_mask[sure].mean() - 0.2


def test_the_check_can_be_left_out() -> None:
    ball = SymmetricBall()
    sight, source = sight_and_surface(ball, look_at(0.0))
    _, target = sight_and_surface(ball, look_at(0.3))
    strict = AuthenticityConfig(tolerance=0.0)
    assert carried(sight, sight.counted, source, target, strict, SEEN).masks.max() == 0
    left_out = AuthenticityConfig(check=False, tolerance=0.0)
    assert carried(sight, sight.counted, source, target, left_out, SEEN).masks.max() > 0.9
