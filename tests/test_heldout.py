"""Tuning is judged by what it was not shown."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from conftest import Ball
from test_latent import face_of
from test_terms import CAMERAS, PLAIN, views_of

from hfinv.camera import look_at
from hfinv.heldout import Judge, split
from hfinv.latent import Pivot
from hfinv.losses import prepare
from hfinv.perceptual import Perceptual
from hfinv.progress import Step
from hfinv.tuning import TuningConfig, tune


def parts_of(perceptual: Perceptual, patches: float = 0.2, held: int = 1):
    face = face_of(Ball(edge=0.01), look_at(0.2))
    target = prepare(face.photo, face.foreground, face.seen, 64, 0.0, perceptual)
    rng = torch.Generator().manual_seed(0)
    return target, split(target, face.camera, views_of(Ball()), patches, held, rng)


def test_nothing_is_both_fitted_and_judged_by(perceptual: Perceptual) -> None:
    target, parts = parts_of(perceptual)
    assert (parts.target.counted * parts.masks[:1] == 0).all()
    torch.testing.assert_close(parts.target.counted + parts.masks[:1], target.counted)
    assert 0.1 < parts.masks[:1].mean() < 0.3
    kept = parts.views.cameras.cam2world
    assert len(kept) == 3 and len(parts.cameras) == 2
    both = torch.cat([kept, parts.cameras.cam2world[1:]])
    assert {tuple(c.flatten().tolist()) for c in both} == {
        tuple(c.flatten().tolist()) for c in CAMERAS.cam2world
    }


def test_one_view_is_always_left_to_tune_on(perceptual: Perceptual) -> None:
    assert len(parts_of(perceptual, held=9)[1].views.images) == 1


def test_the_judge_gives_the_best_weights_back(perceptual: Perceptual) -> None:
    _, parts = parts_of(perceptual, patches=0.0)
    ball = Ball(edge=0.01)
    w_plus = ball.mean_latent()
    config = TuningConfig(lpips=0.0)
    judge = Judge(ball, perceptual, w_plus, parts, config, 2, 0.0)
    answers = []
    for blue in (0.0, 0.35, 0.6, 0.8):  # the held-out view shows 0.4
        ball.paint.data.copy_(torch.tensor([-0.2, -0.1, blue]))
        answers.append(judge.has_seen_enough(ball.planes(w_plus)))
    assert answers == [False, False, False, True]
    judge.restore()
    assert ball.paint[2].item() == pytest.approx(0.35)


def test_tuning_stops_before_it_forgets_the_other_views(perceptual: Perceptual) -> None:
    """The photo has another tint than the pseudo views; left alone, tuning would follow it all the way."""
    face = face_of(Ball(edge=0.01), look_at(0.2))
    start = Ball(edge=0.01)
    pivot = Pivot(start.mean_latent(), face.camera, face.photo, 0.0, 1.0)
    start.paint.data.copy_(torch.tensor([-0.2, -0.1, 0.4]))
    heard: list[Step] = []
    config = replace(PLAIN, views=0.0, check_every=2, patience=2, hold_views=3)
    judged = tune(
        start, perceptual, face, pivot, config, views=views_of(start), progress=heard.append
    )
    assert len(heard) < 30
    assert (judged.weights["paint"].float() - torch.tensor([-0.2, -0.1, 0.4])).norm() < 0.05
