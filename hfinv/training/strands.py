"""Hair drawn as tens of thousands of thin ribbons around a few thousand combed locks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CHILDREN = 6
"""Strands a lock."""
HALF_WIDTH = 0.0085
"""Of a strand at its root, decimetres; a pixel of a 256 px view is about 0.021."""


@dataclass(frozen=True)
class Strands:
    """Drawn hair."""

    vertices: np.ndarray
    """[N, 3] decimetres."""
    faces: np.ndarray
    """[F, 3]."""
    colours: np.ndarray
    """[N, 3] linear light."""


@dataclass(frozen=True)
class Look:
    """How strands leave their lock."""

    spread: float
    """Distance from the lock at the root, decimetres."""
    clump: float
    """How far they come together towards the tip, in [0, 1]."""
    frizz: float
    """Sway of single strands, decimetres."""
    curl: float
    """Radius of the coils, decimetres."""
    pitch: float
    """Length of one turn of a coil, decimetres."""
    ragged: float
    """How much shorter some strands are than others, in [0, 1]."""
    width: float = HALF_WIDTH
    """Half of it, at the root, decimetres."""


def steps(length: float, curl: float) -> int:
    """Points a strand needs."""
    wanted = 4 + 2.2 * length + 7 * curl * min(length, 1.6)
    return next((count for count in (4, 6, 8, 11, 14) if count >= wanted), 17)


def unit(vectors: np.ndarray) -> np.ndarray:
    """[..., 3] scaled to length 1."""
    square = np.einsum("...k,...k->...", vectors, vectors)[..., None]
    return vectors / np.sqrt(np.maximum(square, 1e-12))


def along(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Read values [L, P, C] of locks at places [L, K, S] in [0, 1] along them: [L, K, S, C]."""
    last = values.shape[1] - 1
    where = np.clip(place * last, 0, last - 1e-4)
    low = where.astype(np.int32)
    weight = (where - low).astype(np.float32)[..., None]
    lock = np.arange(len(values))[:, None, None]
    return values[lock, low] * (1 - weight) + values[lock, low + 1] * weight


def strands(
    locks: np.ndarray,
    light: np.ndarray,
    length: np.ndarray,
    seeds: np.ndarray,
    look: Look,
    count: int,
) -> Strands:
    """Split locks into strands.

    Args:
        locks: [L, P, 3], decimetres.
        light: [L, P, 3], linear colour along each lock.
        length: [L], decimetres.
        seeds: [L, CHILDREN, 6], N(0, 1), the same for every head.
        look: see `Look`.
        count: points a strand, see `steps`.
    """
    locks, light = locks.astype(np.float32), light.astype(np.float32)
    seeds = seeds.astype(np.float32)
    t = np.linspace(0, 1, count, dtype=np.float32)
    reach = 1 - look.ragged * np.abs(np.tanh(0.6 * seeds[..., 0]))  # [L, K]
    place = reach[..., None] * t
    centre = along(locks, place)  # [L, K, S, 3]
    course = unit(np.gradient(locks, axis=1))
    aside = unit(np.cross(course, np.array([0.3, 0.9, 0.2], np.float32)))
    aside, over = along(aside, place), along(np.cross(course, aside), place)
    apart = look.spread * (1 - look.clump * t) * (0.6 + 0.4 * np.minimum(4 * t, 1))
    grown = np.tanh(length / 0.35)[:, None, None].astype(np.float32)
    sway = look.frizz * t * np.sin(5.5 * t + 3 * seeds[..., 4:5]) * grown
    turn = 2 * np.pi / look.pitch * length[:, None, None].astype(np.float32) * place
    turn = turn + 1.5 * seeds[:, :1, 5:6] + 0.55 * seeds[..., 4:5]
    coil = look.curl * np.minimum(2.5 * t * length[:, None, None] / 0.5, 1) * grown
    sideways = seeds[..., 1:2] * apart + seeds[..., 2:3] * sway + coil * np.cos(turn)
    upwards = seeds[..., 2:3] * apart * 0.7 + seeds[..., 1:2] * sway + coil * np.sin(turn)
    points = centre + aside * sideways[..., None] + over * upwards[..., None]
    shade = np.exp(0.10 * seeds[..., 3])[..., None, None]
    colours = along(light, place) * shade
    wide = np.minimum(look.width, 0.02 + 0.05 * length)[:, None, None] * (1 - 0.8 * t**2)
    roll = 1.3 * seeds[..., 3:4]
    edge = (np.cos(roll)[..., None] * aside + np.sin(roll)[..., None] * over) * wide[..., None]
    return ribbons(points.astype(np.float32), edge.astype(np.float32), colours)


def ribbons(points: np.ndarray, edge: np.ndarray, colours: np.ndarray) -> Strands:
    """Flat strips of half-width vectors `edge` along points; all [..., S, 3]."""
    count = points.shape[-2]
    left, right = (points - edge).reshape(-1, 3), (points + edge).reshape(-1, 3)
    vertices = np.stack([left, right], 1).reshape(-1, 3)
    first = np.arange(len(vertices) // (2 * count), dtype=np.int32)[:, None] * count
    a = ((first + np.arange(count - 1, dtype=np.int32)) * 2).ravel()
    faces = np.stack([a, a + 1, a + 3, a, a + 3, a + 2], -1).reshape(-1, 3)
    return Strands(vertices, faces, np.repeat(colours.reshape(-1, 3), 2, axis=0))
