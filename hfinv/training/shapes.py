"""How the labelled mesh moves with the factors: the fields of `hfinv.generators.warp`, and their weights."""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy.sparse as sparse
import scipy.sparse.linalg as solvers
import torch
from torch import Tensor

from hfinv.generators.triplane import OVERLAP, PLANE_ORDERS
from hfinv.generators.warp import UNIT, Warp
from hfinv.training.factors import FACTORS, SHAPES, Named
from hfinv.training.morph import (
    SCALE,
    base,
    eye_middle,
    macro_weights,
    morph,
    to_world,
    unit_weights,
)
from hfinv.training.surface import vertex_normals

ORDER = "halves"
OUTWARDS = ((0.0, 1.0), (0.02, 0.3), (0.05, 0.3), (0.1, 0.3))
"""Distances from the skin, world units, at which points move with it, and how much they count; hair does."""
ROUGHNESS = 0.05
"""Weight of the slope between a field's texels: fields are smooth where no point says otherwise."""
SMALL = 1e-4
"""Weight of the texels themselves; those that no point reads are 0."""
SAMPLES = 2000
"""Heads over which the weights' spread is taken."""


def count() -> int:
    """K, the number of fields."""
    return len(names()) + SHAPES


@cache
def names() -> tuple[str, ...]:
    """The mesh's fields that have names; its principal shapes come after them."""
    return tuple(name for name in base().fields if name not in ("shapes", "shape_mean"))


def raw_weights(factors: Named) -> np.ndarray:
    """[K], as `morph` adds the fields up."""
    known = dict.fromkeys(names(), 0.0) | macro_weights(factors) | unit_weights(factors)
    return np.concatenate(
        [[known[n] for n in names()], 3 * np.tanh(factors.many("shape", SHAPES) / 3)]
    )


@cache
def spread() -> tuple[np.ndarray, np.ndarray]:
    """The weights of the head of z = 0, [K], and their standard deviation over the prior, [K]."""
    z = np.random.default_rng(0).standard_normal((SAMPLES, len(FACTORS)))
    std = np.stack([raw_weights(Named(one)) for one in z]).std(0)
    return raw_weights(Named(np.zeros(len(FACTORS)))), std.clip(1e-6)


def weights(z: np.ndarray) -> np.ndarray:
    """[B, Z] -> [B, K] float32: what `Warp.weights` should say, in standard deviations from the head of z = 0."""
    middle, std = spread()
    return ((np.stack([raw_weights(Named(one)) for one in z]) - middle) / std).astype(np.float32)


def mean_head() -> tuple[np.ndarray, np.ndarray]:
    """The head of z = 0: vertices [V, 3] in world units, and unit normals [V, 3], 0 off the skin."""
    vertices = to_world(morph(Named(np.zeros(len(FACTORS)))))
    normals = np.zeros_like(vertices)
    normals[: base().body] = vertex_normals(vertices[: base().body], base().coarse_faces)
    return vertices, normals


def moves() -> np.ndarray:
    """[K, V, 3] world units, how one standard deviation of each weight moves the vertices."""
    stored = base().fields
    fields = np.concatenate([np.stack([stored[n] for n in names()]), stored["shapes"]])
    still = np.stack(
        [eye_middle(field) for field in fields]
    )  # heads are moved so that eyes stay in place
    return spread()[1][:, None, None] * SCALE * (fields - still[:, None])


def fit(size: int, box: float) -> Tensor:
    """The fields as planes, by least squares over the mean head and the space about it.

    Args:
        size: texels along a side.
        box: side of the cube that the planes span, world units.

    Returns:
        [K, 12, size, size], in `UNIT`s, as `Warp.fields`.
    """
    vertices, normals = mean_head()
    inside = (np.abs(vertices) < box / 2).all(1)
    for eyeball in base().eyes:  # what a lid slides over would hold it back
        inside[eyeball] = False
    reads = sparse.vstack(
        [reading(vertices[inside] + away * normals[inside], size, box) for away, _ in OUTWARDS]
    )
    counted = sparse.diags(np.repeat([weight for _, weight in OUTWARDS], inside.sum()))
    wanted = np.tile(
        moves()[:, inside].transpose(1, 0, 2).reshape(inside.sum(), -1), (len(OUTWARDS), 1)
    )
    planes = len(PLANE_ORDERS[ORDER])
    step = sparse.diags([-1.0, 1.0], [0, 1], (size - 1, size))
    steps = sparse.vstack(
        [sparse.kron(sparse.identity(size), step), sparse.kron(step, sparse.identity(size))]
    )
    slopes = sparse.block_diag([steps.T @ steps] * planes)
    still = sparse.identity(planes * size * size)
    equations = reads.T @ counted @ reads + ROUGHNESS * slopes + SMALL * still
    solved = solvers.splu(equations.tocsc()).solve(reads.T @ (counted @ wanted)) / UNIT
    solved = solved.reshape(planes, size, size, -1, 3).transpose(3, 0, 4, 1, 2)
    return torch.from_numpy(solved.reshape(len(solved), -1, size, size).astype(np.float32))


def reading(points: np.ndarray, size: int, box: float) -> sparse.csr_matrix:
    """The matrix [N, P * size * size] that reads planes at points [N, 3] as `sample_planes` does, and adds them up."""
    ahead = np.clip(0.5 + points[:, 2] / OVERLAP, 0, 1)
    ahead = ahead * ahead * (3 - 2 * ahead)
    rows, columns, values = [], [], []
    for plane, axes in enumerate(PLANE_ORDERS[ORDER]):
        place = (points[:, list(axes[:2])] * (2 / box) + 1) * size / 2 - 0.5
        corner = np.floor(place).astype(int)
        share = {0: ahead, 3: 1 - ahead}.get(plane, np.ones(len(points)))
        for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
            texel = corner + step
            read = share * np.abs(1 - np.array(step) - (place - corner)).prod(1)
            held = ((texel >= 0) & (texel < size)).all(1)
            rows.append(np.flatnonzero(held))
            columns.append((plane * size * size + texel[:, 1] * size + texel[:, 0])[held])
            values.append(read[held])
    entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    return sparse.csr_matrix(entries, (len(points), len(PLANE_ORDERS[ORDER]) * size * size))


def shape_loss(warp: Warp, found: Tensor, wanted: Tensor) -> Tensor:
    """How far weights are from the mesh's, each by as much as its field moves points.

    Args:
        warp: whose fields they mix.
        found, wanted: [B, K].
    """
    matters = warp.fields.abs().amax((1, 2, 3))
    return ((found - wanted).square() * matters).mean() / matters.mean()
