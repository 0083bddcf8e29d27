"""A surface from a density grid: marching cubes, the largest part, faces outwards."""

from __future__ import annotations

import numpy as np
import scipy
import skimage
import torch
from torch import Tensor

from hfinv.errors import HfinvError


def extract(grid: np.ndarray, level: float, box: float) -> tuple[Tensor, Tensor]:
    """The closed surface where a density crosses a level.

    Args:
        grid: [n, n, n], density, first index x, then y, then z; its outermost points lie on the faces of the box.
        level: of the surface.
        box: side of the box about the world origin, in world units.

    Returns:
        vertices [V, 3] float32 in world units, and faces [F, 3] int64, counter-clockwise from outside.

    Raises:
        HfinvError: the density is nowhere above the level.
    """
    resolution = len(grid)
    if not (grid > level).any():
        raise HfinvError("no surface was found, the density is too thin everywhere")
    # A layer of nothing around the box closes what its faces cut open.
    nothing = min(float(grid.min()), level - abs(level) - 1.0)
    padded = np.pad(grid, 1, constant_values=nothing)
    # scikit-image's other direction would turn the faces of a density inwards.
    vertices, faces, _, _ = skimage.measure.marching_cubes(
        padded, level, gradient_direction="ascent"
    )
    vertices = (vertices - 1).clip(0, resolution - 1) / (resolution - 1) - 0.5
    vertices, faces = largest_part(box * vertices, faces)
    if signed_volume(vertices, faces) < 0:
        faces = faces[:, ::-1]
    return (
        torch.from_numpy(vertices.astype(np.float32)),
        torch.from_numpy(np.ascontiguousarray(faces, dtype=np.int64)),
    )


def largest_part(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The connected part with the largest area; what floats beside the head goes."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = scipy.sparse.coo_matrix(
        (np.ones(len(edges), bool), edges.T), shape=(len(vertices), len(vertices))
    )
    count, part = scipy.sparse.csgraph.connected_components(graph, directed=False)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    best = np.bincount(part[faces[:, 0]], area, count).argmax()
    kept = part == best
    renumbered = np.cumsum(kept) - 1
    return vertices[kept], renumbered[faces[kept[faces[:, 0]]]]


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Of a closed surface; positive if its faces are counter-clockwise from outside."""
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)
