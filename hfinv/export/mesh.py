"""What is written to a file, before any format."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

METRES_PER_UNIT = 0.4
"""EG3D's cameras stand 2.7 units from heads that a life-size face model fits at 39.8 cm a unit."""


@dataclass(frozen=True)
class Shape:
    """A surface without colours."""

    vertices: np.ndarray
    """[V, 3] float32, world units."""
    faces: np.ndarray
    """[F, 3] int64, counter-clockwise from outside."""

    def normals(self) -> np.ndarray:
        """Unit normals at the vertices, [V, 3] float32; each triangle counts by its area, so that slivers do not."""
        a, b, c = (self.vertices[self.faces[:, k]].astype(np.float64) for k in range(3))
        across = np.cross(b - a, c - a)
        where = self.faces.T.ravel()
        total = [np.bincount(where, np.tile(n, 3), len(self.vertices)) for n in across.T]
        normals = np.stack(total, 1)
        return (normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-20)).astype(
            np.float32
        )


@dataclass(frozen=True)
class Mesh:
    """A coloured surface.

    With a texture, a vertex stands once for each place that it has there, so that positions repeat.
    """

    vertices: np.ndarray
    """[V, 3] float32, world units: y up, the face towards +z."""
    faces: np.ndarray
    """[F, 3] int64, counter-clockwise from outside."""
    normals: np.ndarray
    """[V, 3] float32, unit."""
    colours: np.ndarray | None = None
    """[V, 3] float32 in [0, 1], sRGB-coded; None with a texture."""
    uv: np.ndarray | None = None
    """[V, 2] float32 in [0, 1], (0, 0) being the texture's upper left corner."""
    texture: np.ndarray | None = None
    """uint8 [S, S, 3], sRGB-coded."""

    def in_metres(self) -> Mesh:
        """The same, one unit being a metre."""
        return replace(self, vertices=(self.vertices * METRES_PER_UNIT).astype(np.float32))


def linear(colours: np.ndarray) -> np.ndarray:
    """sRGB-coded colours in [0, 1] as linear light (IEC 61966-2-1)."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
