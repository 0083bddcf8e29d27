"""How the labelled mesh moves with the factors: the fields of `hfinv.generators.warp`, and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy.sparse as sparse
import scipy.sparse.linalg as solvers
import torch
from scipy.spatial import ConvexHull
from torch import Tensor

from hfinv.generators.heads import ORDER
from hfinv.generators.triplane import OVERLAP, PLANE_ORDERS
from hfinv.generators.warp import UNIT, Warp
from hfinv.training.factors import FACTORS, SHAPES, Named, of_each, of_the_prior
from hfinv.training.morph import (
    SCALE,
    base,
    eye_middle,
    macro_weights,
    morph,
    to_world,
    unit_weights,
)
from hfinv.training.scene import Scene
from hfinv.training.surface import vertex_normals


@dataclass(frozen=True)
class Manner:
    """How fields are fitted."""

    outwards: tuple[tuple[float, float], ...]
    """Distances from the skin, world units, at which points move with it, and how much they count; hair does."""
    roughness: float
    """Weight of the slope between a field's texels: fields are smooth where no point says otherwise."""
    hidden: bool
    """Whether skin counts that nobody sees: the inside of lids and lips moves otherwise than their outside."""


COARSE = Manner(((0.0, 1.0), (0.02, 0.3), (0.05, 0.3), (0.1, 0.3)), 0.05, True)
FINE = Manner(((0.0, 1.0), (0.01, 0.3)), 0.002, False)
FINE_NAMES = "unit_"
"""How the names of those fields begin that are drawn finer: those of expression part lips and shut lids."""
LOOKS = tuple(
    (x / n, y / n, z / n)
    for x in (-1.0, 0.0, 1.0)
    for y in (-1.0, 0.0, 1.0)
    for z in (0.0, 1.0)
    if (n := (x * x + y * y + z * z) ** 0.5) > 0
)
"""Unit directions from which skin is seen, all but the back's."""
LIFT = 5e-4
"""World units above the skin, where rays start that ask who sees it."""
SMALL = 1e-4
"""Weight of the texels themselves; those that no point reads are 0."""


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
    std = of_the_prior(raw_weights).std(0)
    return raw_weights(Named(np.zeros(len(FACTORS)))), std.clip(1e-6)


def weights(z: np.ndarray) -> np.ndarray:
    """[B, Z] -> [B, K] float32: what `Warp.weights` should say, in standard deviations from the head of z = 0."""
    middle, std = spread()
    return ((of_each(raw_weights, z) - middle) / std).astype(np.float32)


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


def fine() -> list[int]:
    """Which of the fields are drawn finer."""
    return [k for k, name in enumerate(names()) if name.startswith(FINE_NAMES)]


def fit_warp(warp: Warp, box: float) -> None:
    """Give a warp the mesh's fields.

    Args:
        warp: of `count()` fields.
        box: side of the cube that the planes span, world units.
    """
    warp.fields.zero_()
    coarse = [k for k in range(count()) if k not in warp.fine]
    warp.fields[coarse] = fit(warp.fields.shape[-1], box, coarse)
    if warp.fine:
        warp.fine_fields.copy_(fit(warp.fine_fields.shape[-1], box, warp.fine, FINE))


def fit(size: int, box: float, which: list[int] | None = None, manner: Manner = COARSE) -> Tensor:
    """The fields as planes, by least squares over the mean head and the space about it.

    Args:
        size: texels along a side.
        box: side of the cube that the planes span, world units.
        which: numbers of the fields; all if None.
        manner: what counts.

    Returns:
        [K, 12, size, size], in `UNIT`s, as `Warp.fields`.
    """
    vertices, normals = mean_head()
    held = (np.abs(vertices) < box / 2).all(1)
    for eyeball in base().eyes:  # what a lid slides over would hold it back
        held[eyeball] = False
    if not manner.hidden:
        held[: base().body] &= shown(vertices, normals)
        held[base().body :] = False
    reads = sparse.vstack(
        [reading(vertices[held] + away * normals[held], size, box) for away, _ in manner.outwards]
    )
    counted = sparse.diags(np.repeat([weight for _, weight in manner.outwards], held.sum()))
    asked = moves() if which is None else moves()[which]
    wanted = asked[:, held].transpose(1, 0, 2).reshape(held.sum(), -1)
    wanted = np.tile(wanted, (len(manner.outwards), 1))
    equations = reads.T @ counted @ reads + manner.roughness * slopes(size)
    equations = equations + SMALL * sparse.identity(equations.shape[0])
    solved = solvers.splu(equations.tocsc()).solve(reads.T @ (counted @ wanted)) / UNIT
    planes = len(PLANE_ORDERS[ORDER])
    solved = solved.reshape(planes, size, size, -1, 3).transpose(3, 0, 4, 1, 2)
    return torch.from_numpy(solved.reshape(len(solved), -1, size, size).astype(np.float32))


def slopes(size: int) -> sparse.spmatrix:
    """The matrix whose form is the sum of squared steps between neighbouring texels of all planes."""
    step = sparse.diags([-1.0, 1.0], [0, 1], (size - 1, size))
    still = sparse.identity(size)
    steps = sparse.vstack([sparse.kron(still, step), sparse.kron(step, still)])
    return sparse.block_diag([steps.T @ steps] * len(PLANE_ORDERS[ORDER]))


def shown(vertices: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """[body], which vertices of the skin are seen from somewhere before the head."""
    body = base().body
    skin, out = vertices[:body], normals[:body]
    faces = [base().coarse_faces]
    for ball in base().eyes:  # sockets are hidden behind them
        faces.append(ConvexHull(vertices[ball]).simplices + ball.start)
    scene = Scene(vertices, np.concatenate(faces))
    found = np.zeros(body, bool)
    for look in LOOKS:
        facing = np.flatnonzero(out @ look > 0.1)
        starts = skin[facing] + LIFT * out[facing]
        found[facing] |= scene.cast(starts, np.broadcast_to(look, starts.shape))[0] < 0
    return found


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
    matters = warp.strength()
    return ((found - wanted).square() * matters).mean() / matters.mean()
