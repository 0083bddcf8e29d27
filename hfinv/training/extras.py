"""What some heads wear: glasses, a cloth wrapped about the head."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from hfinv.training.factors import Named
from hfinv.training.morph import base
from hfinv.training.skin import ramp
from hfinv.training.strands import unit
from hfinv.training.surface import triangles, vertex_normals

SIDES, RIM = 6, 40
"""Corners of a tube's section; points around a lens."""
RINGS, SPOKES = 44, 120
"""The wrap's grid, from its opening to the back of the head, and around."""
WRAP_CENTRE = np.array([0.0, 7.1, 0.2])
"""The point inside the head from which the wrap is spun, decimetres."""
OPENING = (54.0, 35.0, 43.0)
"""Degrees from straight ahead at which the wrap begins: to the sides, above, below."""
REACH = 2.3
"""No part of the wrap is further from its centre, decimetres."""

WORN = {"glasses": 1.05, "covering": 1.35}
"""Where factors of extras are half there,"""
STEEPNESS = 400.0
"""and how steeply they come: half a cloth is sunk under the hair, so hardly any head has one."""

Mesh = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Vertices [N, 3] in decimetres, triangles [F, 3], unit normals [N, 3]."""


def worn(factors: Named, name: str) -> float:
    """0 to 1: how much of an extra is there; its factor is mostly far from the place where it appears."""
    return factors.rising(name, STEEPNESS, WORN[name])


def grid_faces(rows: int, columns: int) -> np.ndarray:
    """[F, 3] triangles of a grid that closes on itself along its columns."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    after = (column + 1) % columns
    a, b = row * columns + column, row * columns + after
    return triangles(np.stack([a, a + columns, b + columns, b], -1).reshape(-1, 4))


def tube(path: np.ndarray, radius: float) -> Mesh:
    """A round tube along points [P, 3]."""
    course = unit(np.gradient(path, axis=0))
    aside = unit(np.cross(course, [0.13, 0.31, 0.94]))
    over = np.cross(course, aside)
    turn = 2 * np.pi * np.arange(SIDES)[:, None] / SIDES
    normals = np.cos(turn) * aside[:, None] + np.sin(turn) * over[:, None]
    points = path[:, None] + radius * normals
    return points.reshape(-1, 3), grid_faces(len(path), SIDES), normals.reshape(-1, 3)


def together(meshes: list[Mesh]) -> Mesh:
    """Several meshes as one."""
    starts = np.cumsum([0] + [len(points) for points, _, _ in meshes[:-1]])
    return (
        np.concatenate([points for points, _, _ in meshes]),
        np.concatenate([faces + start for (_, faces, _), start in zip(meshes, starts)]),
        np.concatenate([normals for _, _, normals in meshes]),
    )


def glasses(vertices: np.ndarray, factors: Named) -> Mesh | None:
    """Frames that sit before the eyes and rest on the ears; None where there are none.

    Args:
        vertices: [V, 3] of `morph`, decimetres.
    """
    there = worn(factors, "glasses")
    if there < 0.01:
        return None
    head = base()
    size = np.exp(0.12 * np.tanh(factors["glasses_size"]))
    radius = 0.0135 * there * np.exp(0.25 * np.tanh(factors["glasses_darkness"]))
    turn = np.linspace(0, 2 * np.pi, RIM + 1)
    parts, inner = [], []
    for sign, where in zip((1, -1), head.eyes):
        ball = vertices[where]
        front = ball[:, 2].max() + 0.10
        middle = np.array([ball[:, 0].mean() + 0.02 * sign, ball[:, 1].mean() - 0.03, front])
        across, up = np.cos(turn), np.sin(turn)
        across, up = np.sign(across) * np.abs(across) ** 0.75, np.sign(up) * np.abs(up) ** 0.8
        away = np.stack([0.235 * across, 0.175 * up, -0.07 * across * sign - 0.05 * up], 1)
        parts.append(tube(middle + size * away, radius))
        inner.append(middle + [-0.228 * size * sign, 0.05, 0.02])
        ear = vertices[ear_top()] * [sign, 1, 1]
        hinge = middle + [0.24 * size * sign, 0.07, -0.08]
        t = np.linspace(0, 1, 8)[:, None]
        bend = np.array([0.05 * sign, 0, 0]) * np.sin(np.pi * t)
        parts.append(tube(hinge + t * (ear + [0.03 * sign, 0.02, -0.1] - hinge) + bend, radius))
    t = np.linspace(0, 1, 9)[:, None]
    bridge = inner[0] + t * (inner[1] - inner[0]) + np.array([0, 0.05, 0.05]) * np.sin(np.pi * t)
    return together([*parts, tube(bridge, radius)])


@cache
def ear_top() -> int:
    """The body vertex where a left ear joins the head on top."""
    rest = base().rest[: base().body]
    return int(np.linalg.norm(rest - [0.76, 7.42, 0.16], axis=1).argmin())


def frame_colour(factors: Named) -> np.ndarray:
    """[3] linear albedo of the glasses."""
    dark = factors.rising("glasses_darkness", 2.0, -0.3)
    return (1 - dark) * np.array([0.30, 0.25, 0.17]) + dark * np.array([0.022, 0.017, 0.015])


@cache
def wrap_grid() -> np.ndarray:
    """[RINGS, SPOKES, 3] unit directions from the wrap's centre, from its opening to the back."""
    turn = 2 * np.pi * np.arange(SPOKES) / SPOKES
    side, above, below = np.radians(OPENING)
    tall = np.where(np.sin(turn) > 0, above, below)
    first = side * np.cos(turn) ** 2 + tall * np.sin(turn) ** 2
    t = np.linspace(0, 1, RINGS)[:, None]
    angle = first + t * (np.pi - 0.02 - first)
    return np.stack([np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)], -1)


@cache
def wrap_near() -> np.ndarray:
    """[RINGS, SPOKES, K] body vertices that lie, on the head at rest, in each direction of the grid."""
    head = base()
    outer = np.flatnonzero(head.openness[: head.body] > 0.22)
    tree = cKDTree(unit(head.rest[outer] - WRAP_CENTRE))
    return outer[tree.query(wrap_grid(), k=14)[1]]


def covering(vertices: np.ndarray, factors: Named) -> Mesh | None:
    """A cloth around face, head and neck, with folds; None where there is none.

    Args:
        vertices: [V, 3] of `morph`, decimetres.
    """
    there = worn(factors, "covering")
    if there < 0.01:
        return None
    away = np.linalg.norm(vertices[wrap_near()] - WRAP_CENTRE, axis=-1)
    radius = np.minimum(away.max(-1), REACH)
    skin = gaussian_filter(away.mean(-1), (1.0, 1.5), mode=("nearest", "wrap"))
    radius = gaussian_filter(radius, (1.6, 2.4), mode=("nearest", "wrap"))
    turn = 2 * np.pi * np.arange(SPOKES) / SPOKES
    t = np.linspace(0, 1, RINGS)[:, None]
    folds = 0.022 * np.sin(34 * t + 2.2 * np.cos(turn + 0.6) + 1.2 * np.sin(2 * turn))
    folds += 0.014 * np.sin(57 * t - 3.0 * np.sin(turn - 0.4))
    folds = folds * (1 - ramp(t, 0.7, 0.95))
    hem = ramp(t, 0.0, 0.10)
    radius = skin + hem * (radius - skin)  # the hem lies on the skin
    rise = (
        -0.01 + 0.09 * hem + folds * ramp(t, 0.03, 0.15) + 0.06 * ramp(np.sin(turn), 0, 0.8) * hem
    )
    radius = radius + rise - 0.35 * (1 - there)
    points = (WRAP_CENTRE + radius[..., None] * wrap_grid()).reshape(-1, 3)
    faces = grid_faces(RINGS, SPOKES)
    normals = vertex_normals(points, faces)
    inward = (normals * (points - WRAP_CENTRE)).sum(1).mean() < 0
    return points, faces[:, ::-1] if inward else faces, -normals if inward else normals


def covering_colour(factors: Named) -> np.ndarray:
    """[3] linear albedo of the covering."""
    light = 0.02 + 0.62 / (1 + np.exp(-1.3 * factors["covering_lightness"]))
    red, blue = np.tanh(0.6 * factors["covering_red"]), np.tanh(0.6 * factors["covering_blue"])
    tint = np.exp([0.7 * red - 0.2 * blue, -0.5 * red, 0.7 * blue - 0.2 * red])
    return np.clip(light * tint, 0.01, 0.85)
