"""Synthetic heads do what their factors say."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh

from hfinv.training.factors import FACTORS, INDEX
from hfinv.training.heads import BODY, CLOTH, EYE, HAIR, MOUTH, HeadMesh, build_head
from hfinv.training.morph import base, to_world

EYES = (0.0, 0.0572, 0.1678)
"""World place of hm08's eye middle (0, 7.284, 1.246) dm: (V - [0, 7.03, 0.50]) * 0.225."""
LEFT_CORNER, RIGHT_CORNER = (0.258, 6.614, 1.425), (-0.258, 6.614, 1.425)
CHIN_TIP = (0.0, 6.177, 1.403)
"""Places on the head at rest, decimetres."""


@cache
def head(*settings: tuple[str, float]) -> HeadMesh:
    z = np.zeros(len(FACTORS))
    for name, value in settings:
        z[INDEX[name]] = value
    return build_head(z)


def vertex(mesh: HeadMesh, place: tuple[float, float, float]) -> np.ndarray:
    """The body vertex that lies at `place` (model decimetres) on the head at rest."""
    rest = base().rest[: base().body]
    return mesh.vertices[np.linalg.norm(rest - place, axis=1).argmin()]


def luminance(mesh: HeadMesh, part: int) -> float:
    return float((mesh.colours[mesh.part == part] @ [0.3, 0.59, 0.11]).mean())


def saturation(mesh: HeadMesh, part: int) -> float:
    colours = mesh.colours[mesh.part == part]
    return float(((colours.max(1) - colours.min(1)) / colours.max(1)).mean())


def test_every_factor_has_its_own_snake_case_name_and_a_meaning():
    names = [factor.name for factor in FACTORS]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name == name.lower() for name in names)
    assert all(len(factor.meaning) > 8 for factor in FACTORS)


def test_there_is_no_background_factor():
    assert not [factor.name for factor in FACTORS if "background" in factor.name]


@pytest.mark.parametrize("seed", range(3))
def test_the_eyes_are_where_eg3d_has_them_whatever_the_face(seed):
    mesh = build_head(np.random.default_rng(seed).normal(size=len(FACTORS)))
    eyes = mesh.vertices[mesh.part == EYE]
    middle = (eyes.max(0) + eyes.min(0)) / 2
    assert middle[:2] == pytest.approx(EYES[:2], abs=4e-3)
    assert middle[2] == pytest.approx(EYES[2], abs=2e-2)  # the balls' backs are open


def test_the_model_to_world_map_puts_the_origin_at_the_documented_point():
    assert to_world(np.array([[0.0, 7.03, 0.50], [1.0, 7.03, 0.50]])) == pytest.approx(
        np.array([[0, 0, 0], [0.225, 0, 0]]), abs=1e-6
    )


def test_symmetric_factors_keep_the_body_symmetric():
    mesh = head(
        ("shape_00", 1.5), ("shape_01", -1.5), ("age", 1.0), ("gender", 1.0), ("smile", 1.0)
    )
    body = mesh.vertices[: base().body]
    rest = base().rest[: base().body]
    other = np.array([np.abs(rest * [-1, 1, 1] - place).sum(1).argmin() for place in rest])
    assert (np.abs(rest[other] * [-1, 1, 1] - rest) < 1e-6).all()
    assert np.abs(body[other] * [-1, 1, 1] - body).max() < 2.5e-3  # 1 mm


def test_smile_raises_and_widens_the_mouth_corners():
    calm, smiling = head(("smile", -2.0)), head(("smile", 2.0))
    for corner in (LEFT_CORNER, RIGHT_CORNER):
        assert vertex(smiling, corner)[1] > vertex(calm, corner)[1] + 0.01
        assert abs(vertex(smiling, corner)[0]) > abs(vertex(calm, corner)[0])


def test_jaw_open_lowers_the_chin():
    assert vertex(head(("jaw_open", 2.5)), CHIN_TIP)[1] < vertex(head(), CHIN_TIP)[1] - 0.015


def test_longer_hair_reaches_lower():
    lowest = [
        np.percentile(mesh.vertices[mesh.part == HAIR][:, 1], 2)
        for mesh in (head(("hair_length", value), ("gender", -2.0)) for value in (-2.0, 0.0, 2.0))
    ]
    assert lowest[0] > lowest[1] + 0.02 > lowest[2] + 0.04


def test_grey_hair_is_lighter_and_less_saturated():
    grey, brown = head(("hair_grey", 2.5)), head(("hair_grey", -2.5))
    assert luminance(grey, HAIR) > luminance(brown, HAIR) + 0.1
    assert saturation(grey, HAIR) < 0.5 * saturation(brown, HAIR)


def test_darkness_darkens_the_hair_and_leaves_the_shirt():
    dark, light = head(("hair_darkness", 2.0)), head(("hair_darkness", -2.0))
    assert luminance(dark, HAIR) < 0.6 * luminance(light, HAIR)
    assert luminance(dark, CLOTH) == pytest.approx(luminance(light, CLOTH), abs=1e-6)


def test_a_bald_head_has_no_hair():
    bald, full = head(("hair_density", -5.0)), head(("hair_density", 1.0))
    assert (full.part == HAIR).sum() > 50_000
    assert (bald.part == HAIR).sum() < 0.01 * (full.part == HAIR).sum()


def test_light_from_the_right_lights_the_right():
    mesh = head(("light_right", 2.0))
    skin = (mesh.part == BODY) & (mesh.vertices[:, 1] > -0.1)
    right, left = mesh.vertices[:, 0] > 0.08, mesh.vertices[:, 0] < -0.08
    assert mesh.colours[skin & right].mean() > 1.15 * mesh.colours[skin & left].mean()


def test_the_pupils_follow_the_gaze():
    def pupil(mesh: HeadMesh) -> np.ndarray:
        return mesh.vertices[mesh.part == EYE][0]

    assert pupil(head(("gaze_x", 2.0)))[0] > pupil(head(("gaze_x", -2.0)))[0] + 0.01
    assert pupil(head(("gaze_y", 2.0)))[1] > pupil(head(("gaze_y", -2.0)))[1] + 0.006


def test_small_steps_of_z_move_the_head_little():
    rng = np.random.default_rng(5)
    z, step = rng.normal(size=(2, len(FACTORS)))
    a, b = build_head(z), build_head(z + 1e-3 * step)
    fixed = (a.part != HAIR).sum()
    assert (b.part != HAIR).sum() == fixed
    assert np.abs(a.vertices[:fixed] - b.vertices[:fixed]).max() < 1e-3
    change = np.abs(a.colours[:fixed] - b.colours[:fixed])
    assert np.percentile(change, 99.9) < 0.02
    assert change.max() < 0.25  # at a shadow's edge a vertex gains or loses one ray of the sun
    shared = min(len(a.vertices), len(b.vertices))
    assert len(a.vertices) == len(b.vertices)  # this step makes no lock appear
    moved = np.linalg.norm(a.vertices[:shared] - b.vertices[:shared], axis=1)
    assert np.percentile(moved, 99) < 2e-3


def test_heads_of_the_prior_are_finite_and_in_range():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mesh = build_head(rng.normal(size=len(FACTORS)))
        assert np.isfinite(mesh.vertices).all() and np.isfinite(mesh.colours).all()
        assert mesh.colours.min() >= 0 and mesh.colours.max() <= 1
        assert mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices)
        assert set(np.unique(mesh.part)) >= {BODY, EYE, MOUTH, CLOTH}


def test_no_ray_from_outside_passes_through_a_bald_head():
    mesh = head(("hair_density", -5.0))
    scene = rtcore_scene.EmbreeScene()
    triangles = TriangleMesh(scene, mesh.vertices, mesh.faces)
    directions = np.random.default_rng(1).normal(size=(4000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    directions = directions[directions[:, 1] > -0.6]  # below is the open end of the chest
    centre = np.array([0.0, 0.08, 0.03])
    hits = scene.run(
        (centre + 2 * directions).astype(np.float32), (-directions).astype(np.float32), output=True
    )
    assert triangles is not None
    assert (hits["primID"] >= 0).all()
    assert (hits["tfar"] < 2.0).all()  # the near wall, not the far one


def test_the_same_z_gives_the_same_head_and_a_short_z_is_refused():
    z = np.random.default_rng(3).normal(size=len(FACTORS))
    a, b = build_head(z), build_head(z)
    assert (a.vertices == b.vertices).all() and (a.colours == b.colours).all()
    with pytest.raises(ValueError, match=str(len(FACTORS))):
        build_head(z[:-1])
