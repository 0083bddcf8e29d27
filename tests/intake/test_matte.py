"""Person against background."""

from __future__ import annotations

import numpy as np
from intake_examples import taken

from hfinv import image
from hfinv.intake.matte import foreground, guided


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boolean masks."""
    return (a & b).sum() / (a | b).sum()


def test_before_a_plain_wall_the_matte_is_what_is_not_wall() -> None:
    crop = image.to_bytes(taken("f1").photo)
    wall = np.median(crop[:100, :60].reshape(-1, 3), 0)
    person = np.abs(crop.astype(int) - wall).max(-1) > 40
    person |= np.indices(person.shape)[0] > 440  # the shirt is as grey as the wall
    inner = np.abs(np.indices(person.shape)[1] - 256) < 130  # and so is a shiny forehead
    person |= inner & (np.indices(person.shape)[0] > 120)
    matte = foreground(crop)
    assert matte.shape == (1, 1, 512, 512) and 0 <= matte.min() and matte.max() <= 1
    found = matte[0, 0].numpy() > 0.5
    rows = slice(0, 400)
    assert agreement(found[rows], person[rows]) > 0.95


def test_the_mirrored_crop_has_the_mirrored_matte() -> None:
    crop = image.to_bytes(taken("f6").photo)
    matte = foreground(crop)[0, 0].numpy() > 0.5
    mirrored = foreground(np.ascontiguousarray(crop[:, ::-1]))[0, 0].numpy()[:, ::-1] > 0.5
    assert agreement(matte, mirrored) > 0.98


def test_a_mask_that_follows_the_colours_is_kept() -> None:
    guide = np.random.default_rng(0).random((3, 40, 50))
    mask = 0.2 * guide[0] + 0.5 * guide[1] - 0.1 * guide[2] + 0.3
    np.testing.assert_allclose(guided(mask, guide, 4, 1e-9), mask, atol=1e-5)


def test_a_guide_without_edges_only_smooths() -> None:
    mask = np.zeros((41, 41))
    mask[20, 20] = 1
    smooth = guided(mask, np.full((3, 41, 41), 0.5), 2)
    assert abs(smooth.sum() - 1) < 1e-9
    assert smooth[20, 20] == smooth.max() and smooth[20, 14] == 0
    np.testing.assert_allclose(smooth[20, 20], 1 / 25)  # the mean of a mean


def test_a_blurred_edge_snaps_to_the_colour_edge() -> None:
    guide = np.zeros((3, 40, 60))
    guide[:, :, 30:] = 0.8
    blurred = np.clip((np.arange(60) - 26.5) / 8, 0, 1) * np.ones((40, 1))
    sharp = guided(blurred, guide, 8)
    assert np.ptp(blurred[20, 29:31]) < 0.2
    assert sharp[20, 30] - sharp[20, 29] > 0.4


def test_the_filter_solves_each_window_by_least_squares() -> None:
    random = np.random.default_rng(1)
    guide, mask = random.random((3, 9, 9)), random.random((9, 9))
    radius, smooth = 1, 1e-3
    a, b = np.zeros((3, 9, 9)), np.zeros((9, 9))
    padded = np.pad(np.concatenate([guide, mask[None]]), ((0, 0), (1, 1), (1, 1)), "symmetric")
    for row in range(9):
        for column in range(9):
            window = padded[:, row : row + 3, column : column + 3].reshape(4, -1)
            colour, value = window[:3], window[3]
            centred = colour - colour.mean(1, keepdims=True)
            spread = centred @ centred.T / 9 + smooth * np.eye(3)
            a[:, row, column] = np.linalg.solve(spread, centred @ (value - value.mean()) / 9)
            b[row, column] = value.mean() - a[:, row, column] @ colour.mean(1)
    found = guided(mask, guide, radius, smooth)
    row, column = 4, 5
    around = (slice(None), slice(row - 1, row + 2), slice(column - 1, column + 2))
    wanted = a[around].mean((1, 2)) @ guide[:, row, column] + b[around[1:]].mean()
    np.testing.assert_allclose(found[row, column], wanted, atol=1e-9)
