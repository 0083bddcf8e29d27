"""A place in the texture for every point of the surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import xatlas

from hfinv.camera import Camera
from hfinv.export.mesh import Shape
from hfinv.geometry.raster import NOTHING, rasterise

GUTTER = 6
"""Pixels between two patches of a 2048 texture, so that smaller copies of it do not mix them."""

ALONG = 16
"""Points along each edge of a triangle whose pixels it gets if no other has them: slivers miss all pixels' centres."""
TILE = 1024
"""Side of what is looked up at once, in pixels, which bounds the memory."""


@dataclass(frozen=True)
class Sheet:
    """A surface cut into patches that lie flat."""

    origin: np.ndarray
    """[W] int64, the surface's vertex that each of the sheet's stands for."""
    faces: np.ndarray
    """[F, 3] int64, into the sheet's vertices, in the surface's order."""
    uv: np.ndarray
    """[W, 2] float32 in [0, 1], (0, 0) being the upper left corner."""
    size: int
    """Side of the texture, in pixels."""

    def pixels(self) -> tuple[np.ndarray, np.ndarray]:
        """What each pixel of the texture shows: the triangle [S, S], -1 for none, and the weights of its corners
        [S, S, 3] float32."""
        flat = torch.from_numpy(np.concatenate([self.uv, np.ones_like(self.uv[:, :1])], 1))
        faces = torch.from_numpy(self.faces)
        face = np.full((self.size, self.size), NOTHING, np.int64)
        barycentric = np.zeros((self.size, self.size, 3), np.float32)
        tiles = -(-self.size // TILE)
        side = -(-self.size // tiles)
        for row in range(tiles):
            for column in range(tiles):
                seen = rasterise(
                    flat, faces, self._eye(column * side, row * side, side), side, "embree"
                )
                there = np.s_[row * side : (row + 1) * side, column * side : (column + 1) * side]
                height, width = face[there].shape
                face[there] = seen.face[0, :height, :width]
                barycentric[there] = seen.barycentric[0, :height, :width]
        self._touch(face, barycentric)
        return face, barycentric

    def _touch(self, face: np.ndarray, barycentric: np.ndarray) -> None:
        """Give the triangles the free pixels that their edges pass through."""
        share = (np.arange(ALONG, dtype=np.float32) + 0.5) / ALONG
        for corner in range(3):
            weights = np.zeros((ALONG, 3), np.float32)
            weights[:, corner], weights[:, (corner + 1) % 3] = 1 - share, share
            place = np.einsum("ak,fkc->fac", weights, self.uv[self.faces]).reshape(-1, 2)
            x, y = (place * self.size).astype(np.int64).clip(0, self.size - 1).T
            free = face[y, x] == NOTHING
            face[y[free], x[free]] = np.repeat(np.arange(len(self.faces)), ALONG)[free]
            # As above: of several edges the last one has the pixel, in both arrays.
            barycentric[y[free], x[free]] = np.tile(weights, (len(self.faces), 1))[free]

    def _eye(self, left: int, top: int, side: int) -> Camera:
        """A pinhole at the origin, to which a square of the plane z = 1 is the whole picture."""
        zoom = self.size / side
        intrinsics = [[zoom, 0.0, -left / side], [0.0, zoom, -top / side], [0.0, 0.0, 1.0]]
        return Camera(torch.eye(4)[None], torch.tensor(intrinsics)[None])


def unwrapped(shape: Shape, size: int) -> Sheet:
    """Cut a surface into patches and lay them out in a square.

    Args:
        shape: the surface.
        size: side of the texture, in pixels.
    """
    atlas = xatlas.Atlas()
    atlas.add_mesh(shape.vertices, shape.faces.astype(np.uint32))
    packing = xatlas.PackOptions()
    packing.resolution = size
    packing.padding = max(1, round(GUTTER * size / 2048))
    packing.bilinear = True
    atlas.generate(xatlas.ChartOptions(), packing)
    origin, faces, uv = atlas[0]
    # Two sides of an atlas may differ; the patches keep their shape in the larger square.
    uv = uv * np.array([atlas.width, atlas.height]) / max(atlas.width, atlas.height)
    return Sheet(origin.astype(np.int64), faces.astype(np.int64), uv.astype(np.float32), size)
