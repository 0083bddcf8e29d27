"""Triangle meshes in numpy: smooth normals, midpoint subdivision, triangles from quads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Subdivision:
    """How to refine a mesh of V vertices; every new vertex is the middle of an older edge."""

    edges: tuple[np.ndarray, ...]
    """A level each: [E, 2], the two older vertices between which a new one lies."""
    faces: np.ndarray
    """[F * 4 ** levels, 3], the triangles after the last level."""

    def refine(self, values: np.ndarray) -> np.ndarray:
        """[V, ...] at the coarse vertices -> [V', ...]; the first V rows stay as they are."""
        for edges in self.edges:
            values = np.concatenate([values, (values[edges[:, 0]] + values[edges[:, 1]]) * 0.5])
        return values


def subdivision(faces: np.ndarray, count: int, levels: int) -> Subdivision:
    """Plan the midpoint subdivision of `faces` [F, 3] over `count` vertices, `levels` times."""
    plan = []
    for _ in range(levels):
        sides = np.sort(
            np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1
        )
        edges, inverse = np.unique(sides, axis=0, return_inverse=True)
        a, b, c = np.split(inverse.reshape(-1) + count, 3)
        x, y, z = faces.T
        faces = np.concatenate(
            [np.stack(t, 1) for t in ((x, a, c), (y, b, a), (z, c, b), (a, b, c))]
        )
        plan.append(edges)
        count += len(edges)
    return Subdivision(tuple(plan), faces)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """[V, 3] unit normals, weighted by area; faces [F, 3] are counter-clockwise from outside."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    area = np.cross(b - a, c - a)
    corner = faces.T.ravel()
    total = np.stack(
        [np.bincount(corner, np.tile(area[:, k], 3), len(vertices)) for k in range(3)], 1
    )
    return (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)).astype(
        np.float32
    )


def triangles(quads: np.ndarray) -> np.ndarray:
    """[Q, 4] -> [2 Q, 3], the first halves first."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
