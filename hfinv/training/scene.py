"""Photograph a triangle mesh: colour, coverage and distance from any camera, by Embree on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hfinv.camera import Camera


@dataclass(frozen=True)
class View:
    """What one camera sees of a mesh."""

    colour: np.ndarray
    """[H, H, 4] uint8: sRGB colour times coverage, then coverage."""
    distance: np.ndarray
    """[h, h] float32, along the unit ray through each pixel centre, world units; 0 where nothing is."""


class Scene:
    """A mesh made ready for ray casting."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        """Build the ray-casting tree.

        Args:
            vertices: [V, 3], world frame.
            faces: [F, 3], indices of vertices.
        """
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh

        self.faces = np.ascontiguousarray(faces, np.int32)
        self._scene: Any = rtcore_scene.EmbreeScene()
        self._mesh = TriangleMesh(
            self._scene, np.ascontiguousarray(vertices, np.float32), self.faces
        )

    def cast(
        self, origins: np.ndarray, directions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """First face along each ray.

        Args:
            origins, directions: [N, 3]; unit directions make `distance` a length.

        Returns:
            face [N] (-1 where nothing is hit), barycentric [N, 3], distance [N] (0 where nothing is hit).
        """
        found = self._scene.run(
            np.ascontiguousarray(origins, np.float32),
            np.ascontiguousarray(directions, np.float32),
            output=True,
        )
        face = found["primID"]
        u, v = found["u"], found["v"]
        distance = np.where(face >= 0, found["tfar"], 0).astype(np.float32)
        return face, np.stack([1 - u - v, u, v], -1), distance


def photograph(
    scene: Scene,
    colours: np.ndarray,
    camera: Camera,
    size: int = 256,
    distance_size: int = 128,
    supersample: int = 2,
) -> View:
    """Draw vertex colours from one camera.

    Args:
        scene: the mesh.
        colours: [V, 3] in [0, 1], sRGB-coded, one a vertex.
        camera: one camera.
        size: side of the colour image.
        distance_size: side of the distance map.
        supersample: rays a pixel along each axis; their colours are averaged.
    """
    fine = size * supersample
    origins, directions = (rays[0].numpy() for rays in camera.rays(fine))
    face, weights, _ = scene.cast(origins, directions)
    hit = face >= 0
    drawn = np.zeros((fine * fine, 4), np.float32)
    drawn[hit, :3] = np.einsum("nk,nkc->nc", weights[hit], colours[scene.faces[face[hit]]])
    drawn[hit, 3] = 1
    drawn = drawn.reshape(size, supersample, size, supersample, 4).mean((1, 3))
    origins, directions = (rays[0].numpy() for rays in camera.rays(distance_size))
    distance = scene.cast(origins, directions)[2].reshape(distance_size, distance_size)
    return View(np.rint(drawn * 255).clip(0, 255).astype(np.uint8), distance)
