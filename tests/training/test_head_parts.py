"""The bricks of synthetic heads: subdivision, normals, the skin codec, light."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from hfinv.training.factors import FACTORS, INDEX, Named
from hfinv.training.light import irradiance, light_coefficients, to_srgb
from hfinv.training.morph import base
from hfinv.training.prepare_skins import predicted
from hfinv.training.skin import decoded
from hfinv.training.surface import subdivision, triangles, vertex_normals


def test_subdivision_keeps_the_surface_and_agrees_with_trimesh():
    box = trimesh.creation.box()
    plan = subdivision(np.asarray(box.faces, np.int64), len(box.vertices), 2)
    fine = plan.refine(np.asarray(box.vertices))
    other = box.subdivide().subdivide()
    assert len(fine) == len(other.vertices) and len(plan.faces) == len(other.faces)
    made = trimesh.Trimesh(fine, plan.faces, process=False)
    assert (
        made.is_watertight and made.volume == pytest.approx(1.0) and made.area == pytest.approx(6.0)
    )


def test_normals_of_a_ball_point_outwards():
    ball = trimesh.creation.icosphere(subdivisions=3)
    normals = vertex_normals(np.asarray(ball.vertices), np.asarray(ball.faces))
    assert (normals * ball.vertices).sum(1).min() > 0.999


def test_a_quad_becomes_two_triangles_of_the_same_turn():
    assert triangles(np.array([[0, 1, 2, 3]])).tolist() == [[0, 1, 2], [0, 2, 3]]


def test_the_body_is_refined_to_where_the_skins_were_painted():
    assert base().plan.refine(base().rest[: base().body]).shape == (80819, 3)


def test_coded_skins_decode_to_what_was_coded():
    plan = subdivision(np.array([[0, 1, 2], [0, 2, 3]]), 4, 2)
    count = len(plan.refine(np.zeros((4, 1))))
    codes = np.random.default_rng(0).integers(-127, 128, (3, count, 3)).astype(np.int16)
    assert (decoded(predicted(codes, plan), plan) == codes).all()


def test_the_usual_light_is_about_white_in_front_and_soft_behind():
    light = light_coefficients(Named(np.zeros(len(FACTORS))))
    front, back = irradiance(light, np.array([[0, 0, 1.0], [0, 0, -1.0]]))
    assert front == pytest.approx(1.0, abs=0.25)
    assert (back > 0.15).all() and (back < 0.7 * front).all()


def test_no_light_of_the_prior_leaves_a_side_black():
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(200, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    for _ in range(50):
        light = light_coefficients(Named(rng.normal(size=len(FACTORS))))
        assert irradiance(light, normals).min() >= 0.18


def test_warm_light_is_redder_than_blue():
    z = np.zeros(len(FACTORS))
    z[INDEX["light_warm"]] = 2.0
    red, _, blue = light_coefficients(Named(z))[0]
    assert red > blue


def test_srgb_rises_and_stays_in_range():
    linear = np.linspace(0, 5, 100)
    coded = to_srgb(linear)
    assert (np.diff(coded) >= 0).all() and coded[0] == 0 and coded[-1] <= 1
    assert to_srgb(np.array([0.5])) == pytest.approx(0.5 ** (1 / 2.2))
