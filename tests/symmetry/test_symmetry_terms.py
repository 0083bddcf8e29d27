"""The losses pull the right way, share planes, and look at distances without super-resolution."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from conftest import Ball
from symmetry_examples import SymmetricBall, face_of

from hfinv.camera import look_at
from hfinv.perceptual import Perceptual
from hfinv.symmetry import SymmetryConfig, mirror_view
from hfinv.symmetry.confidence import ConfidenceConfig
from hfinv.symmetry.neighbours import NeighbourConfig
from hfinv.symmetry.settings import DistanceConfig, NeighbourTermConfig, RegionConfig
from hfinv.symmetry.terms import DistanceTerm, Term, tuning_terms

CAMERA = look_at(0.8)
CONFIG = SymmetryConfig(
    rays=64,
    neighbours=NeighbourConfig(count=0),
    warp=NeighbourTermConfig(batch=2),
    regions=RegionConfig(batch=2, crop=32, least=0.1),
    confidence=ConfidenceConfig(only_unseen=False),
    distance=DistanceConfig(cameras=6, batch=2),
)


def terms_of(
    ball: Ball, perceptual: Perceptual, config: SymmetryConfig = CONFIG
) -> dict[str, Term]:
    face, w_plus = face_of(ball, CAMERA), ball.mean_latent()
    mirror = mirror_view(ball, face, w_plus, CAMERA, config)
    terms = tuning_terms(ball, perceptual, face, w_plus, CAMERA, mirror, config)
    return {term.name: term for term in terms}


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_weight_of_zero_leaves_a_term_out(perceptual: Perceptual) -> None:
    ball = SymmetricBall()
    assert set(terms_of(ball, perceptual)) == {"warp", "regions", "distance"}
    none = replace(
        CONFIG,
        warp=NeighbourTermConfig(weight=0),
        mirror=False,
        distance=DistanceConfig(weight=0),
    )
    assert terms_of(ball, perceptual, none) == {}


@pytest.mark.parametrize("compare", ["contextual", "lpips"])
def test_the_true_head_costs_little_and_a_tint_more_and_the_tint_gets_a_gradient(
    perceptual: Perceptual, compare: str
) -> None:
    ball = SymmetricBall()
    config = replace(CONFIG, regions=replace(CONFIG.regions, compare=compare))
    terms = terms_of(ball, perceptual, config)
    w_plus = ball.mean_latent()
    for name in ("warp", "regions"):
        ball.paint.data.zero_()
        with torch.no_grad():
            true = terms[name].loss(ball.planes(w_plus), rng()).item()
        ball.paint.data[0] = 0.5
        tinted = terms[name].loss(ball.planes(w_plus), rng())
        ball.paint.grad = None
        tinted.backward()
        assert tinted.item() > true
        assert ball.paint.grad.abs().sum() > 0
        if (name, compare) != ("regions", "contextual"):
            assert ball.paint.grad[0] > 0 and tinted.item() > 2 * true


def test_the_boxes_weight_follows_the_yaw_unless_told_not_to(perceptual: Perceptual) -> None:
    ball = SymmetricBall()
    by_yaw = terms_of(ball, perceptual)["regions"].weight
    plain = replace(CONFIG, regions=replace(CONFIG.regions, by_yaw=False))
    assert by_yaw < 0.5 * 0.2 and terms_of(ball, perceptual, plain)["regions"].weight == 0.2


class Growing(Ball):
    """A ball that tells how it was looked at, and whose radius can be tuned."""

    def __init__(self) -> None:
        super().__init__()
        self.radius = torch.nn.Parameter(torch.tensor(0.25))
        self.asked: list[tuple[bool, float]] = []

    def render(self, planes, w_plus, camera, **how):
        self.asked.append((how.get("superresolve", True), camera.angles()[0].item()))
        return super().render(planes, w_plus, camera, **how)


def test_distances_are_held_on_both_sides_and_never_run_the_super_resolution() -> None:
    ball = Growing()
    term = DistanceTerm(ball, ball.mean_latent(), DistanceConfig(cameras=40, batch=4), rng())
    planes = ball.planes(ball.mean_latent())
    assert term.loss(planes, rng()).item() == 0
    ball.radius.data += 0.01
    loss = term.loss(planes, rng())
    loss.backward()
    assert loss.item() > 1e-5 and ball.radius.grad > 0
    assert not any(superresolved for superresolved, _ in ball.asked)
    yaw = [angle for _, angle in ball.asked]
    assert -0.71 < min(yaw) < -0.6 and 0.6 < max(yaw) < 0.71


def test_a_ball_that_grew_by_a_hundredth_costs_its_square_where_it_is_hit_straight_on() -> None:
    ball = Growing()
    term = DistanceTerm(ball, ball.mean_latent(), DistanceConfig(cameras=1), rng())
    held = term.held[0][1].mean().item()
    ball.radius.data += 0.01
    loss = term.loss(ball.planes(ball.mean_latent()), rng()).item()
    # Along slanted rays the surface comes nearer by more than it grew.
    assert held * 1e-4 < loss < 4 * held * 1e-4


def test_the_same_draws_give_the_same_loss(perceptual: Perceptual) -> None:
    ball = SymmetricBall()
    planes = ball.planes(ball.mean_latent())
    for term in terms_of(ball, perceptual).values():
        assert term.loss(planes, rng()).item() == term.loss(planes, rng()).item()
