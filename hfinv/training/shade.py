"""Shadows of a synthetic head: rays against the body for the sun, a density grid for hair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from hfinv.training.light import Light
from hfinv.training.scene import Scene
from hfinv.training.strands import unit

AXIS = np.array([0.0, 7.25, 0.15])
"""A point inside the head from which outward is measured."""
VOXEL = 0.08
"""Side of a cell of the density grid, decimetres."""
MARCH = (0.08, 0.17, 0.28, 0.42, 0.60, 0.85)
"""Distances at which the density towards a light is read, decimetres."""
ABSORPTION = 0.011
"""Of a decimetre of hair per cubic decimetre; tuned by eye so that inner hair is dark and not black."""
SUN_RAYS = 5
"""Shadow rays a vertex; the sun is a soft disc."""
SUN_SPREAD = 0.09
"""Radius of that disc, radians."""


@dataclass(frozen=True)
class Density:
    """How much hair is where."""

    grid: np.ndarray
    """[X, Y, Z] float32, decimetres of lock per cubic decimetre."""
    low: np.ndarray
    """[3] centre of the first cell, decimetres."""

    def at(self, points: np.ndarray) -> np.ndarray:
        """[...] density at points [..., 3]; 0 outside the grid."""
        where = ((points - self.low) / VOXEL).reshape(-1, 3).T
        found = map_coordinates(self.grid, where, order=1, mode="constant", prefilter=False)
        return found.reshape(points.shape[:-1])

    def light(self, points: np.ndarray, towards: np.ndarray) -> np.ndarray:
        """[...] in (0, 1]: what reaches points [..., 3] from unit directions [3] or [..., 3]."""
        depth = np.zeros(points.shape[:-1], np.float32)
        for near, far in zip((0.0, *MARCH), MARCH):
            depth += (far - near) * self.at(points + np.float32(0.5 * (near + far)) * towards)
        return np.exp(-ABSORPTION * depth)


def density(points: np.ndarray, length: np.ndarray) -> Density:
    """Spread locks over a grid.

    Args:
        points: [L, P, 3], decimetres.
        length: [L], of each whole lock, decimetres.
    """
    flat = points.reshape(-1, 3).astype(np.float32)
    low = flat.min(0) - 3 * VOXEL if len(flat) else np.zeros(3, np.float32)
    high = flat.max(0) + 3 * VOXEL if len(flat) else np.full(3, VOXEL, np.float32)
    shape = np.ceil((high - low) / VOXEL).astype(int) + 1
    cell = np.rint((flat - low) / VOXEL).astype(int)
    weight = np.repeat(length / points.shape[1], points.shape[1]) if len(flat) else None
    grid = np.bincount(np.ravel_multi_index(cell.T, shape), weight, int(np.prod(shape)))
    grid = gaussian_filter(grid.reshape(shape).astype(np.float32), 0.9) / VOXEL**3
    return Density(grid, low)


def sun_seen(scene: Scene, points: np.ndarray, normals: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """[V] in [0, 1]: the part of the sun's disc that the body lets through to its own vertices.

    Args:
        scene: the body, decimetres.
        points, normals: [V, 3].
        sun: [3], unit, towards the sun.
    """
    aside = np.cross(sun, [0.1, 0.2, 1.0])
    aside /= np.linalg.norm(aside)
    over = np.cross(sun, aside)
    facing = np.flatnonzero(normals @ sun > 0.0)
    origins = points[facing] + 0.02 * normals[facing]
    seen = np.zeros(len(facing))
    for k in range(SUN_RAYS):
        turn, out = 2.39996 * k, SUN_SPREAD * np.sqrt((k + 0.5) / SUN_RAYS)
        towards = sun + out * (np.cos(turn) * aside + np.sin(turn) * over)
        towards = np.broadcast_to(towards / np.linalg.norm(towards), origins.shape)
        seen += scene.cast(origins, towards)[0] < 0
    whole = np.zeros(len(points), np.float32)
    whole[facing] = seen / SUN_RAYS
    return whole


def outwards(points: np.ndarray) -> np.ndarray:
    """[..., 3] unit directions away from the head's middle; level below it."""
    out = points - AXIS.astype(np.float32)
    out[..., 1] = np.where(out[..., 1] > 0, out[..., 1], 0.15 * out[..., 1])
    return unit(out)


def lock_light(points: np.ndarray, light: Light, field: Density) -> np.ndarray:
    """[L, P, 3] light scattered by locks [L, P, 3]: the sky through the hair outside, the sun across it."""
    out = outwards(points)
    course = unit(np.gradient(points, axis=1))
    sun = light.towards.astype(np.float32)
    across = np.sqrt(np.clip(1 - (course @ sun) ** 2, 0, 1))
    turned = np.clip(0.35 + 0.65 * (out @ sun), 0, 1)  # the head itself shades the far side
    sunny = 0.95 * across * turned * field.light(points, sun)
    up = unit(out + np.array([0, 0.35, 0], np.float32))
    open_ = 0.32 + 0.68 * field.light(points, up)
    flat = light.on(out.reshape(-1, 3), open_.ravel(), sunny.ravel())
    return flat.reshape(points.shape)


def lock_gloss(points: np.ndarray, light: Light, field: Density) -> np.ndarray:
    """[L, P]: the highlight that runs across hair, as seen from straight outside."""
    sun = light.towards.astype(np.float32)
    out = outwards(points)
    half = unit(out + sun)
    course = unit(np.gradient(points, axis=1))
    shine = np.clip(1 - np.einsum("lpk,lpk->lp", course, half) ** 2, 0, 1) ** 24
    return shine * np.clip(0.2 + out @ sun, 0, 1) * field.light(points, sun)
