"""A surface that encloses a volume: every edge has two triangles, one on either side.

Thinning a surface pinches what is thinner than its triangles. Pinched triangles are taken out, and the small holes
closed.
"""

from __future__ import annotations

import numpy as np

from hfinv.errors import HfinvError
from hfinv.export.mesh import Shape

ROUNDS = 12
"""Closing a hole may pinch its neighbours; so often it is tried."""


def closed(shape: Shape) -> Shape:
    """The surface with its pinches and holes closed.

    Raises:
        HfinvError: it could not be.
    """
    vertices, faces = shape.vertices, shape.faces
    for _ in range(ROUNDS):
        if is_closed(faces):
            used, numbered = np.unique(faces, return_inverse=True)
            return Shape(vertices[used], numbered.reshape(-1, 3))
        faces = without_pinches(faces)
        vertices, faces = with_holes_filled(vertices, faces)
    raise HfinvError(
        f"the surface could not be closed with {len(shape.faces)} faces",
        "ask for more with `--faces`, or for another `--grid`",
    )


def is_closed(faces: np.ndarray) -> bool:
    """Has every edge exactly two triangles, which run along it in opposite directions?"""
    if not len(faces) or (faces == np.roll(faces, 1, 1)).any():
        return False
    ahead, back = _directed(faces)
    unique, count = np.unique(ahead, return_counts=True)
    return bool((count == 1).all() and np.array_equal(unique, np.unique(back)))


def without_pinches(faces: np.ndarray) -> np.ndarray:
    """The triangles [F, 3] but those at an edge of more than two, and those at a vertex where two holes meet."""
    proper = (faces != np.roll(faces, 1, 1)).all(1)
    faces = faces[proper]
    while len(faces):
        ends = np.sort(np.stack([faces, np.roll(faces, -1, 1)], -1).reshape(-1, 2), 1)
        _, edge, count = np.unique(ends, axis=0, return_inverse=True, return_counts=True)
        crowded = (count[edge.ravel()] > 2).reshape(-1, 3).any(1)
        rim = _rim(faces)
        starts, times = np.unique(rim[:, 0], return_counts=True)
        shared = np.isin(faces, starts[times > 1]).any(1)
        bad = crowded if crowded.any() else shared
        if not bad.any():
            break
        faces = faces[~bad]
    return faces


def with_holes_filled(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each hole gets a vertex in its middle, and triangles around it."""
    after = dict(_rim(faces).tolist())
    new_vertices, new_faces = [vertices], [faces]
    total = len(vertices)
    while after:
        loop = [next(iter(after))]
        while (following := after.pop(loop[-1], None)) not in (None, loop[0]):
            loop.append(following)
        ring = np.array(loop)
        # The rim runs with its triangles; what fills the hole runs against it.
        ends = np.roll(ring, -1)
        new_faces.append(np.stack([ends, ring, np.full_like(ring, total)], 1))
        new_vertices.append(vertices[ring].mean(0, keepdims=True))
        total += 1
    return np.concatenate(new_vertices), np.concatenate(new_faces)


def _rim(faces: np.ndarray) -> np.ndarray:
    """The directed edges [E, 2] that no triangle runs along the other way."""
    ahead, back = _directed(faces)
    starts, ends = faces.ravel(), np.roll(faces, -1, 1).ravel()
    alone = ~np.isin(ahead, back)
    return np.stack([starts[alone], ends[alone]], 1)


def _directed(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each triangle's edges as numbers, and the same edges run backwards, [3 F] each."""
    starts, ends = faces.ravel(), np.roll(faces, -1, 1).ravel()
    base = int(faces.max()) + 1 if len(faces) else 1
    return starts * base + ends, ends * base + starts
