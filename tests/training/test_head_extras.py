"""Strands, shadows, extras and held-out skins of synthetic heads."""

from __future__ import annotations

import numpy as np
import pytest

from hfinv.training.factors import FACTORS, INDEX, Named
from hfinv.training.heads import BODY, CLOTH, GLASSES, HAIR, build_head
from hfinv.training.light import light_of
from hfinv.training.prepare_skins import DATA
from hfinv.training.scene import Scene
from hfinv.training.shade import ABSORPTION, VOXEL, Density, density, sun_seen
from hfinv.training.skin import held_out_skins, skins
from hfinv.training.strands import CHILDREN, Look, strands


def factors(**values: float) -> np.ndarray:
    z = np.zeros(len(FACTORS))
    for name, value in values.items():
        z[INDEX[name]] = value
    return z


def test_the_first_factors_keep_the_places_that_trained_networks_know():
    assert INDEX["gender"] == 0 and INDEX["shape_00"] == 5 and INDEX["skin_00"] == 35
    assert INDEX["hair_length"] == 65 and INDEX["smile"] == 78 and INDEX["cloth_neckline"] == 103


def test_light_through_even_hair_falls_off_as_beer_and_lambert_say():
    field = Density(np.full((60, 60, 60), 50.0, np.float32), np.zeros(3))
    middle = np.full((1, 3), 30 * VOXEL)
    passed = field.light(middle, np.array([0.0, 0.0, 1.0]))
    assert passed == pytest.approx(np.exp(-ABSORPTION * 50 * 0.85), rel=1e-4)


def test_the_density_grid_holds_all_the_hair():
    rng = np.random.default_rng(0)
    locks, length = rng.uniform(0, 2, (40, 9, 3)), rng.uniform(0.5, 2, 40)
    field = density(locks, length)
    assert field.grid.sum() * VOXEL**3 == pytest.approx(length.sum(), rel=0.01)


def test_a_plate_shades_what_lies_behind_it_and_nothing_else():
    plate = np.array([[-1, 1, -1], [1, 1, -1], [1, 1, 1], [-1, 1, 1]], np.float32)
    scene = Scene(plate, np.array([[0, 1, 2], [0, 2, 3]]))
    points = np.array([[0, 0, 0], [5, 0, 0], [0, 0, 0]], np.float32)
    normals = np.array([[0, 1, 0], [0, 1, 0], [0, -1, 0]], np.float32)
    assert sun_seen(scene, points, normals, np.array([0.0, 1, 0])).tolist() == [0, 1, 0]


def test_strands_start_near_their_lock_and_never_outgrow_it():
    lock = np.linspace([0, 0, 0], [0, 2, 0], 11)[None]
    seeds = np.random.default_rng(1).normal(size=(1, CHILDREN, 6))
    look = Look(spread=0.03, clump=0.5, frizz=0.0, curl=0.0, pitch=1.0, ragged=0.3)
    drawn = strands(lock, np.ones((1, 11, 3)), np.array([2.0]), seeds, look, 8)
    points = drawn.vertices.reshape(CHILDREN, 8, 2, 3).mean(2)
    assert np.abs(points[:, 0]).max() < 0.1
    assert (points[:, -1, 1] <= 2.0 + 1e-5).all() and (points[:, -1, 1] >= 1.4).all()
    assert drawn.faces.max() == len(drawn.vertices) - 1


def test_the_sun_stands_where_the_light_comes_from():
    right = light_of(Named(factors(light_right=2.0))).towards
    left = light_of(Named(factors(light_right=-2.0))).towards
    assert right[0] > 0.3 > -0.3 > left[0]
    weak, hard = (light_of(Named(factors(light_sun=s))) for s in (-2.0, 2.0))
    assert hard.sun.mean() > 2 * weak.sun.mean() and hard.sky[0, 0] < weak.sky[0, 0]


def test_a_fringe_shades_the_forehead():
    def forehead(fringe: float) -> float:
        z = factors(hair_fringe=fringe, gender=-2.0, hair_length=1.0, light_sun=2.0, light_above=2)
        mesh = build_head(z)
        place = (np.abs(mesh.vertices - [0.0, 0.15, 0.2]) < [0.04, 0.02, 0.1]).all(1)
        return float(mesh.colours[place & (mesh.part == BODY)].mean())

    assert forehead(2.5) < 0.9 * forehead(-2.5)


def test_glasses_and_covering_are_there_only_when_asked_for():
    plain, glasses = build_head(factors()), build_head(factors(glasses=2.0))
    assert not (plain.part == GLASSES).any() and (glasses.part == GLASSES).sum() > 500
    frame = glasses.vertices[glasses.part == GLASSES]
    assert frame[:, 2].max() > 0.17 and frame[:, 2].min() < 0.0  # before the eyes, back to the ears
    covered = build_head(factors(covering=2.5))
    assert (covered.part == HAIR).sum() == 0
    top = covered.vertices[covered.part == CLOTH][:, 1].max()
    assert top > build_head(factors(hair_density=-5.0)).vertices[:, 1].max()


def test_a_long_beard_hangs_below_the_chin():
    def lowest(length: float) -> float:
        mesh = build_head(factors(gender=2.0, beard=2.5, beard_length=length))
        front = (mesh.part == BODY) & (mesh.vertices[:, 2] > 0.15)
        return float(mesh.vertices[front, 1].min())

    assert lowest(2.5) < lowest(-2.5) - 0.02


def test_held_out_skins_are_the_listed_ones_and_no_training_head_wears_them():
    names = held_out_skins()
    assert sorted(names) == sorted((DATA / "held_out.txt").read_text().split())
    with np.load(DATA / "skins.npz") as stored:
        trained = list(stored["names"])[: -len(names)]
    assert not set(trained) & set(names)
    assert len(skins().details) == len(trained) + len(names)


def test_a_held_out_skin_changes_colours_only_and_a_hair_seed_changes_hair_only():
    z = factors(gender=-1.0)
    plain = build_head(z)
    other = build_head(z, skin=held_out_skins()[0])
    assert (other.vertices == plain.vertices).all() and (other.colours != plain.colours).any()
    combed = build_head(z, hair_seed=99)
    bare = plain.part == HAIR
    body = (plain.part == CLOTH).argmax()
    assert (combed.vertices[:body] == plain.vertices[:body]).all()
    hair = combed.vertices[combed.part == HAIR]
    shared = min(len(hair), bare.sum())
    assert np.abs(hair[:shared] - plain.vertices[bare][:shared]).mean() > 1e-3
    with pytest.raises(KeyError):
        build_head(z, skin="nobody")
