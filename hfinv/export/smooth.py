"""Smoothing that keeps features: the steps of marching cubes go, lips and lids stay.

Normals are averaged only with neighbours that point much the same way (bilateral normal filtering, Zheng et al. 2011);
the vertices then follow the normals (Sun et al. 2007).
"""

from __future__ import annotations

import numpy as np
import scipy

from hfinv.export.mesh import Shape


def smoothed(shape: Shape, passes: int = 6, contrast: float = 0.45, steps: int = 8) -> Shape:
    """The same triangles on a smoother surface.

    Args:
        shape: closed.
        passes: of the filter over the normals.
        contrast: difference between two unit normals that counts as a feature.
        steps: of the vertices towards the normals.
    """
    vertices, faces = shape.vertices.astype(np.float64), shape.faces
    across = _cross(vertices, faces)
    area = np.linalg.norm(across, axis=1, keepdims=True)
    normals = across / area.clip(1e-20)
    one, two = neighbours(faces)
    size = (len(faces), len(faces))
    for _ in range(passes):
        alike = np.exp(-((normals[one] - normals[two]) ** 2).sum(1) / (2 * contrast**2))
        weights = scipy.sparse.coo_matrix((alike, (one, two)), shape=size).tocsr()
        weights = weights + weights.T + scipy.sparse.identity(size[0])
        normals = weights @ (area * normals)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-20)
    return Shape(_followed(vertices, faces, normals, steps).astype(np.float32), faces)


def neighbours(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of triangles that share an edge, [E] each; edges of one triangle, or of more than two, pair none."""
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    key = ends[:, 0] * (faces.max() + 1) + ends[:, 1]
    order = np.argsort(key, kind="stable")
    _, start, count = np.unique(key[order], return_index=True, return_counts=True)
    first = start[count == 2]
    return order[first] % len(faces), order[first + 1] % len(faces)


def _followed(
    vertices: np.ndarray, faces: np.ndarray, normals: np.ndarray, steps: int
) -> np.ndarray:
    """Move each vertex, [V, 3], onto the planes that its triangles' normals, [F, 3], ask for."""
    rows = np.repeat(np.arange(len(faces)), 3)
    ones = np.ones(faces.size)
    touching = scipy.sparse.coo_matrix(
        (ones, (faces.ravel(), rows)), shape=(len(vertices), len(faces))
    ).tocsr()
    count = np.asarray(touching.sum(1)).clip(1)
    for _ in range(steps):
        height = (normals * vertices[faces].mean(1)).sum(1, keepdims=True)
        # Sum over the triangles at a vertex of n (n . (centre - vertex)).
        outer = touching @ (normals[:, :, None] * normals[:, None, :]).reshape(len(faces), 9)
        pulled = np.einsum("vij,vj->vi", outer.reshape(-1, 3, 3), vertices)
        vertices = vertices + (touching @ (normals * height) - pulled) / count
    return vertices


def _cross(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)
