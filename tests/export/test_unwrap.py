from __future__ import annotations

import numpy as np
import pytest
import torch
from export_examples import ball_head

from hfinv.fill import filled
from hfinv.export.mesh import Shape
from hfinv.export.unwrap import TILE, Sheet, unwrapped
from hfinv.geometry import ShapeConfig, measure_shape


def ball_shape() -> Shape:
    head = ball_head()
    level = ShapeConfig(resolution=24, level=0.0)
    shape = measure_shape(head.generator, head.planes, head.w_plus, level)
    return Shape(shape.vertices.numpy(), shape.faces.numpy())


def test_every_pixel_lies_in_the_triangle_it_shows() -> None:
    shape = ball_shape()
    sheet = unwrapped(shape, 200)
    face, share = sheet.pixels()
    y, x = np.nonzero(face >= 0)
    place = np.einsum("nk,nkc->nc", share[y, x], sheet.uv[sheet.faces[face[y, x]]])
    assert np.abs(place * 200 - np.stack([x, y], 1) - 0.5).max() < 0.51  # edges' pixels, at most
    assert face.min() == -1  # and between the patches there is nothing


def test_under_every_edge_the_texture_is_painted() -> None:
    sheet = unwrapped(ball_shape(), 200)
    face, _ = sheet.pixels()
    corners = sheet.uv[sheet.faces]
    middles = (corners + np.roll(corners, -1, 1)).reshape(-1, 2) / 2
    x, y = (200 * middles).astype(int).T
    assert (face[y, x] >= 0).mean() > 0.999


def test_the_sheet_is_the_surface() -> None:
    shape = ball_shape()
    sheet = unwrapped(shape, 128)
    assert np.array_equal(sheet.origin[sheet.faces], shape.faces)
    assert sheet.uv.min() >= 0 and sheet.uv.max() <= 1


def test_a_large_texture_is_looked_up_in_tiles_without_a_gap() -> None:
    corners = np.float32([[0, 0], [1, 0], [1, 1], [0, 1]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    size = TILE + 100
    face, share = Sheet(np.arange(4), faces, corners, size).pixels()
    assert (face >= 0).all()
    u = np.einsum("hwk,hwk->hw", share, corners[faces][..., 0][face])
    assert np.abs(u[5] - (np.arange(size) + 0.5) / size).max() < 1e-4


def test_unknown_pixels_take_the_nearest_known_colour() -> None:
    generator = torch.Generator().manual_seed(3)
    known = (torch.rand(9, 12, generator=generator) > 0.8).numpy()
    texture = torch.rand(9, 12, 3, generator=generator).numpy()
    result = filled(texture, known)
    where = np.argwhere(known)
    for row in range(9):
        for column in range(12):
            away = np.hypot(*(where - [row, column]).T)
            nearest = [texture[tuple(p)] for p in where[away == away.min()]]
            assert any(np.array_equal(result[row, column], one) for one in nearest)


def test_padding_keeps_patches_apart() -> None:
    face, _ = unwrapped(ball_shape(), 1024).pixels()
    assert 0.3 < (face >= 0).mean() < 1
    assert pytest.approx(1024) == len(face)
