"""Short hair of the face: beard, brows and lashes, each a set of strands rooted on the refined skin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from hfinv.training.factors import Named
from hfinv.training.morph import base
from hfinv.training.skin import beard_amount, ramp, zones
from hfinv.training.strands import Strands, ribbons, unit

BEARD_ROOTS, BROW_ROOTS, LASHES = 13000, 900, 64
"""Strands: of a full beard, of both brows, of one lid."""
BEARD_POINTS = 4
LID = 6.0
"""Degrees of a lash's slot around the eye's opening."""


@dataclass(frozen=True)
class Roots:
    """Fixed places on the refined body, and fixed random numbers."""

    corners: np.ndarray
    """[R, 3] refined vertices."""
    weights: np.ndarray
    """[R, 3] barycentric."""
    zone: np.ndarray
    """[R] in [0, 1], how surely hair grows there."""
    order: np.ndarray
    """[R] uniform in [0, 1]; hair is there while it is below the amount."""
    vary: np.ndarray
    """[R, 4], N(0, 1)."""

    def on(self, values: np.ndarray) -> np.ndarray:
        """[V, C] at refined vertices -> [R, C]."""
        return np.einsum("rk,rkc->rc", self.weights, values[self.corners])


def scattered(zone: np.ndarray, count: int, seed: int) -> Roots:
    """`count` roots spread evenly over the refined body where `zone` [V] is above 0.05."""
    head = base()
    rest, faces = head.plan.refine(head.rest[: head.body]), head.plan.faces
    a, b, c = (rest[faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) * (zone[faces].mean(1) > 0.05)
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(faces), count, p=area / area.sum())
    weights = rng.dirichlet([1, 1, 1], count).astype(np.float32)
    corners = faces[chosen]
    return Roots(
        corners,
        weights,
        (weights * zone[corners]).sum(1),
        rng.uniform(0, 1, count),
        rng.normal(size=(count, 4)).clip(-2, 2),
    )


@cache
def beard_roots() -> Roots:
    """Where beards grow."""
    return scattered(zones().beard, BEARD_ROOTS, 21)


@cache
def brow_roots() -> Roots:
    """Where brows grow."""
    return scattered(zones().brows, BROW_ROOTS, 22)


def thatch(
    roots: np.ndarray, course: np.ndarray, bend: np.ndarray, length: np.ndarray, width: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points and half-width vectors [R, BEARD_POINTS, 3] of strands that set out along `course` and bend.

    Args:
        roots, course, bend: [R, 3]; unit courses, and what is added to them towards the tip.
        length, width: [R], decimetres.
    """
    t = np.linspace(0, 1, BEARD_POINTS)[:, None]
    step = length[:, None, None] / (BEARD_POINTS - 1)
    heading = unit(course[:, None] + t[1:] * bend[:, None])
    points = np.concatenate([roots[:, None], roots[:, None] + np.cumsum(step * heading, 1)], 1)
    aside = unit(np.cross(course, [0.37, 0.21, 0.9]))[:, None]
    return points, aside * width[:, None, None] * (1 - 0.8 * t)


def beard(
    fine: np.ndarray, normals: np.ndarray, hair: np.ndarray, skin: np.ndarray, factors: Named
) -> Strands:
    """The beard; stubble to long.

    Args:
        fine, normals: [V, 3] refined skin in decimetres, unit normals.
        hair, skin: [V, 3] lit colours of the hair and of the skin it grows on, linear.
    """
    root = beard_roots()
    start, out = root.on(fine), unit(root.on(normals))
    rest = root.on(zones().rest)
    lip = ramp(rest[:, 1], 6.60, 6.68) * ramp(0.42 - np.abs(rest[:, 0]), 0, 0.1)
    chin = ramp(0.42 - np.abs(rest[:, 0]), 0, 0.22) * (1 - lip)
    only = factors["beard_moustache"]
    some = np.clip(lip * (1.0 + 0.5 * only) + chin * (1 - 0.3 * only), 0, 1)
    rest_of = np.clip(1 - some, 0, 1) * ramp(-only, -1.6, -0.2) + some
    amount = beard_amount(factors) * root.zone * np.clip(rest_of, 0, 1)
    there = ramp(1.9 * amount - 0.6 * root.order, 0, 0.5)  # thin beards are faint, not spotted
    alive = slice(None if beard_amount(factors) > 0.01 else 0)
    seen = (0.25 + 0.75 * ramp(amount, 0, 0.8))[:, None]
    colour = seen * root.on(hair) + (1 - seen) * root.on(skin)
    grown = 0.03 + 0.32 * factors.rising("beard_length", 1.6, 1.3) * (0.5 + 0.5 * chin)
    length = there * grown * np.exp(0.2 * root.vary[:, 0]) * (1 - 0.35 * lip)
    down = np.array([0, -1.0, 0.1]) + np.sign(rest[:, :1]) * lip[:, None] * [0.55, 0.3, 0]
    slide = unit(down - (out @ [0, -1.0, 0.1])[:, None] * 0.8 * out)
    course = unit(0.45 * out + 0.8 * slide + 0.22 * root.vary[:, 1:4])
    width = 0.0048 * np.minimum(1, length / 0.03)
    points, edge = thatch(start - 0.008 * out, course, 0.5 * slide, length, width)
    shade = np.exp(0.16 * root.vary[:, 0])[:, None, None]
    shade = shade * np.linspace(0.75, 1.1, BEARD_POINTS)[:, None]
    return ribbons(points[alive], edge[alive], (colour[:, None] * shade)[alive])


def brows(
    fine: np.ndarray, normals: np.ndarray, hair: np.ndarray, skin: np.ndarray, factors: Named
) -> Strands:
    """The brows' hairs, over what the skin shows of them; arguments as for `beard`."""
    root = brow_roots()
    start, out = root.on(fine), unit(root.on(normals))
    rest = root.on(zones().rest)
    amount = (0.02 + 0.88 * factors.rising("brow_thickness", 1.8, 1.0)) * (
        0.75 + 0.25 * factors.male
    )
    there = ramp(1.3 * amount * root.zone - 0.7 * root.order, 0, 0.5)
    dark = there[:, None]  # faint hairs take the colour of what they lie on
    colour = dark * root.on(hair) + (1 - dark) * root.on(skin)
    side, far = np.sign(rest[:, 0]), ramp(np.abs(rest[:, 0]), 0.12, 0.5)
    course = np.stack([side * (0.35 + 0.7 * far), 0.75 - 1.05 * far, 0 * far - 0.25 * far], 1)
    course = unit(course - (course * out).sum(1)[:, None] * out)
    course = unit(course + 0.18 * out + 0.15 * root.vary[:, 1:4])
    length = 0.065 * there * np.exp(0.2 * root.vary[:, 0])
    points, edge = thatch(start + 0.003 * out, course, 0 * course, length, 0.004 * there)
    return ribbons(points, edge, np.repeat(colour[:, None], BEARD_POINTS, 1))


@cache
def lid_edges() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """For the left and the right eye: refined vertices [L] of the upper lid's edge, inner to outer, and [L] turns.

    The edge is what the opening between the lids shows from the front: in every direction from its
    middle, the nearest vertex that the eyeball does not hide.
    """
    head = base()
    rest = head.plan.refine(head.rest[: head.body])
    found = []
    for where in head.eyes:
        ball = head.rest[where]
        centre, radius = ball.mean(0), np.linalg.norm(ball - ball.mean(0), axis=1).mean()
        away = rest - centre
        distance = np.linalg.norm(away, axis=1)
        near = np.flatnonzero(
            (distance < 1.22 * radius) & (distance > radius) & (away[:, 2] > 0.2 * radius)
        )
        turn = np.degrees(
            np.arctan2(away[near, 1] + 0.1 * radius, away[near, 0] * np.sign(centre[0]))
        )
        size = np.hypot(away[near, 0], away[near, 1] + 0.1 * radius)
        slots = np.arange(8.0, 172.0, 3.0)
        edge = []
        for slot in slots:
            here = np.flatnonzero(np.abs(turn - slot) < LID)
            edge.append(near[here[size[here].argmin()]] if len(here) else -1)
        edge = np.array(edge)
        found.append((edge[edge >= 0], slots[edge >= 0]))
    return tuple(found)


def lashes(fine: np.ndarray, factors: Named) -> Strands:
    """Upper lashes of both eyes; nearly black whatever the light."""
    length = 0.035 + 0.06 * factors.rising("lashes", 1.2, 0.5 * (2 * factors.male - 1))
    parts, edges = [], []
    for sign, (edge, turns) in zip((1, -1), lid_edges()):
        place = np.linspace(0, len(edge) - 1, LASHES)
        low = np.minimum(place.astype(int), len(edge) - 2)
        weight = (place - low)[:, None]
        roots = fine[edge[low]] * (1 - weight) + fine[edge[low + 1]] * weight
        turn = np.radians(np.interp(place, np.arange(len(turns)), turns))
        spread = np.stack([sign * 0.8 * np.cos(turn), 0.1 + 0 * turn, 0.75 + 0 * turn], 1)
        outer = 0.55 + 0.45 * np.clip(0.5 + np.cos(turn), 0, 1)
        points, half = thatch(
            roots,
            unit(spread),
            np.tile([0, 0.9, 0], (LASHES, 1)),
            length * outer,
            np.full(LASHES, 0.004),
        )
        parts.append(points)
        edges.append(half)
    points, half = np.concatenate(parts), np.concatenate(edges)
    return ribbons(points, half, np.full(points.shape, 0.012))
