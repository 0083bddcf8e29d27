"""Eyeballs: spheres that look somewhere, with iris and pupil in their vertex colours."""

from __future__ import annotations

from functools import cache

import numpy as np

from hfinv.training.factors import Named
from hfinv.training.morph import base
from hfinv.training.skin import ramp

PUPIL, IRIS = 9.0, 26.0
"""Angles from the gaze at which the pupil and the iris end, degrees."""
RINGS = (
    0.0,
    5.0,
    8.3,
    9.7,
    12.5,
    16.0,
    20.0,
    23.5,
    25.4,
    26.8,
    30.0,
    36.0,
    44.0,
    54.0,
    66.0,
    80.0,
    98.0,
    125.0,
)
"""Angles of the vertices, close together where the colour changes."""
SPOKES = 36
SHRINK = 0.99
"""The spheres keep this far inside the lids."""


@cache
def ball() -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors [N, 3] about +z, ring by ring, and triangles counter-clockwise from outside."""
    angle = np.radians(RINGS)[:, None]
    turn = 2 * np.pi * np.arange(SPOKES) / SPOKES
    x, y = np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn)
    points = np.stack([x, y, np.broadcast_to(np.cos(angle), x.shape)], -1).reshape(-1, 3)
    ring, spoke = np.meshgrid(np.arange(len(RINGS) - 1), np.arange(SPOKES), indexing="ij")
    after = (spoke + 1) % SPOKES
    a, b = ring * SPOKES + spoke, ring * SPOKES + after
    quads = np.stack([a, a + SPOKES, b + SPOKES, b], -1).reshape(-1, 4)
    return points, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def eyeballs(
    vertices: np.ndarray, factors: Named
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Both eyes.

    Args:
        vertices: [V, 3] of `morph`, decimetres.
        factors: gaze and iris.

    Returns:
        points [N, 3] in decimetres, triangles [F, 3], outward normals [N, 3], linear albedo [N, 3].
    """
    unit, faces = ball()
    unit = unit @ gaze(factors).T
    parts = []
    for where in base().eyes:
        centre = vertices[where].mean(0)
        radius = np.linalg.norm(vertices[where] - centre, axis=1).mean()
        parts.append(centre + SHRINK * radius * unit)
    colour = iris_paint(factors) * under_lid(unit)[:, None]
    both = np.concatenate([faces, faces + len(unit)])
    return (
        np.concatenate(parts),
        both,
        np.concatenate([unit, unit]),
        np.concatenate([colour, colour]),
    )


def gaze(factors: Named) -> np.ndarray:
    """[3, 3]: turns +z to where the eyes look; about 7 degrees per unit sideways, 4 upwards."""
    yaw = np.radians(20 * np.tanh(factors["gaze_x"] / 3))
    pitch = np.radians(12 * np.tanh(factors["gaze_y"] / 3))
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    return turn @ np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])


def iris_paint(factors: Named) -> np.ndarray:
    """[N, 3] linear albedo of one eyeball, vertex by vertex of `ball`."""
    angle = np.repeat(np.array(RINGS), SPOKES)
    turn = np.tile(2 * np.pi * np.arange(SPOKES) / SPOKES, len(RINGS))
    african, asian, caucasian = factors.ancestry
    pale = caucasian**2
    blue = pale / (1 + np.exp(-2.0 * (factors["iris_blue"] - 0.3)))
    green = pale / (1 + np.exp(-2.0 * (factors["iris_green"] - 1.2)))
    light = np.exp(0.45 * factors["iris_lightness"] + 0.5 * (caucasian - 0.5))
    iris = np.array([0.060, 0.028, 0.013]) * (1 - blue) + np.array([0.09, 0.14, 0.19]) * blue
    iris = (iris * (1 - green) + np.array([0.09, 0.11, 0.05]) * green) * light
    fibres = 0.9 + 0.2 * np.sin(9 * turn + 2 * np.sin(5 * turn))
    edge = 1 - 0.6 * np.exp(-(((angle - 25) / 3) ** 2))
    inside = 1 - ramp(angle, IRIS - 0.6, IRIS + 0.8)
    pupil = 1 - ramp(angle, PUPIL - 0.7, PUPIL + 0.7)
    white = np.array([0.50, 0.45, 0.42]) * (1 - 0.35 * ramp(angle, 35, 75))[:, None]
    ring = iris * (fibres * edge * (1 - pupil))[:, None] + 0.004 * pupil[:, None]
    glint = np.exp(-(((angle - 13) / 5) ** 2) - ((np.angle(np.exp(1j * (turn - 2.2))) / 0.45) ** 2))
    return white * (1 - inside)[:, None] + ring * inside[:, None] + 0.35 * glint[:, None]


def under_lid(unit: np.ndarray) -> np.ndarray:
    """[N]: the upper lid's shade on directions from the eyeball's centre."""
    return 0.95 - 0.6 * ramp(unit[:, 1], -0.02, 0.45) - 0.15 * ramp(-unit[:, 1], 0.3, 0.6)
