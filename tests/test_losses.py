"""Losses are what a pencil says they are."""

from __future__ import annotations

import math

import pytest
import torch

from hfinv.losses import photometric, prepare, psnr, silhouette
from hfinv.perceptual import Perceptual


def grey(level: float, size: int = 64) -> torch.Tensor:
    return torch.full((1, 3, size, size), level)


def ones(size: int = 64) -> torch.Tensor:
    return torch.ones(1, 1, size, size)


def test_psnr_of_a_tenth_of_the_range_is_twenty_decibels() -> None:
    assert psnr(grey(0.2), grey(0.0)) == pytest.approx(20.0, abs=1e-3)


def test_psnr_looks_only_where_it_is_told() -> None:
    image, weight = grey(0.0), ones()
    image[..., :32] = 1.0
    weight[..., :32] = 0
    image[..., 32:] = 0.02
    assert psnr(image, grey(0.0), weight) == pytest.approx(40.0, abs=1e-3)


def test_the_target_shows_the_head_before_the_plain_background(perceptual: Perceptual) -> None:
    foreground = ones(128)
    foreground[..., :64] = 0
    target = prepare(grey(0.5, 128), foreground, ones(128), 64, -1.0, perceptual)
    assert target.image.shape == (1, 3, 64, 64)
    assert target.image[..., :30].max() == -1.0
    assert target.image[..., 34:].min() == pytest.approx(0.5)


def test_the_right_picture_costs_nothing_and_each_term_sees_its_own_fault(
    perceptual: Perceptual,
) -> None:
    target = prepare(grey(0.3), ones(), ones(), 64, 0.0, perceptual)
    right = photometric(grey(0.3), ones(), target, perceptual)
    assert all(float(v) < 1e-6 for v in right.values())
    wrong = photometric(grey(0.5), 0.25 * ones(), target, perceptual)
    assert float(wrong["colour"]) == pytest.approx(0.2, abs=1e-5)
    assert float(wrong["alpha"]) == pytest.approx(0.75, abs=1e-5)
    squared = photometric(grey(0.5), ones(), target, perceptual, squared=True)
    assert float(squared["colour"]) == pytest.approx(0.04, abs=1e-5)


def test_what_the_photo_does_not_show_does_not_count(perceptual: Perceptual) -> None:
    counted = ones()
    counted[..., :32] = 0
    target = prepare(grey(0.0), ones(), counted, 64, 0.0, perceptual)
    image = grey(0.0)
    image[..., :32] = 1.0
    assert float(photometric(image, ones(), target, perceptual)["colour"]) == 0.0


def test_a_small_outline_is_compared_at_its_own_size_where_the_photo_counts(
    perceptual: Perceptual,
) -> None:
    foreground, counted = ones(), ones()
    foreground[..., :32] = 0
    counted[..., :16] = 0
    target = prepare(grey(0.0), foreground, counted, 64, 0.0, perceptual)
    right = (torch.arange(16) >= 8).float().expand(1, 1, 16, 16).clone()
    assert float(silhouette(right, target)) < 0.03  # the antialiased edge
    wrong = right.clone()
    wrong[..., :3] = 1  # where nothing counts
    assert float(silhouette(wrong, target) - silhouette(right, target)) == pytest.approx(
        0, abs=1e-2
    )
    wrong[..., 12:] = 0  # a third of what counts
    assert float(silhouette(wrong, target)) == pytest.approx(1 / 3, abs=0.05)


def test_psnr_of_equal_pictures_has_no_end() -> None:
    assert math.isinf(psnr(grey(0.1), grey(0.1)))
