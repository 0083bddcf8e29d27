"""Which triangle each pixel sees.

Embree answers on the CPU, PyTorch3D's rasteriser on CUDA (and, if asked, on the CPU). Both only name the triangle: where
the ray through the pixel's centre meets it is computed here, so the two give the same distances.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from hfinv.camera import Camera
from hfinv.errors import HfinvError
from hfinv.shapes import check

Engine = Literal["auto", "embree", "pytorch3d"]
NOTHING = -1
"""The face of a pixel that sees no triangle."""


@dataclass(frozen=True)
class Fragments:
    """What the pixels of B pictures see of a mesh."""

    face: Tensor
    """[B, H, W] int64, the triangle; -1 where there is none."""
    barycentric: Tensor
    """[B, H, W, 3], weights of the triangle's vertices in space (not in the image); 0 where there is none."""
    distance: Tensor
    """[B, H, W], along the unit ray, world units; infinite where there is none."""

    def interpolate(self, faces: Tensor, values: Tensor) -> Tensor:
        """Values at the vertices, carried to the pixels.

        Args:
            faces: [F, 3].
            values: [V, C].

        Returns:
            [B, C, H, W], 0 where a pixel sees nothing.
        """
        corners = values[faces[self.face.clamp(min=0)]]  # [B, H, W, 3, C]
        return (self.barycentric[..., None].to(values) * corners).sum(-2).permute(0, 3, 1, 2)


@torch.no_grad()
def rasterise(
    vertices: Tensor, faces: Tensor, camera: Camera, size: int, engine: Engine = "auto"
) -> Fragments:
    """The nearest triangle along the ray through each pixel's centre, from either side.

    Args:
        vertices: [V, 3], world frame.
        faces: [F, 3] integers.
        camera: B cameras.
        size: side of the pictures, in pixels.
        engine: `auto` takes PyTorch3D where the vertices lie on CUDA, else Embree.

    Raises:
        ValueError: a shape does not fit.
        HfinvError: the engine is not installed.
    """
    check(vertices=(vertices, "V 3"), faces=(faces, "F 3"))
    faces = faces.long()
    if engine == "auto":
        engine = "pytorch3d" if vertices.is_cuda else "embree"
    if not len(faces):
        face = faces.new_full((len(camera), size, size), NOTHING)
    elif engine == "embree":
        face = _embree(vertices, faces, camera, size)
    else:
        face = _pytorch3d(vertices, faces, camera, size)
    return _meet(vertices, faces, camera, face)


def _meet(vertices: Tensor, faces: Tensor, camera: Camera, face: Tensor) -> Fragments:
    """Where the pixels' rays meet the planes of their triangles (Moeller and Trumbore 1997), in double precision."""
    size = face.shape[-1]
    origins, directions = Camera(camera.cam2world.double(), camera.intrinsics.double()).rays(size)
    hit = face.flatten(1) != NOTHING  # [B, N]
    distance = torch.full_like(origins[..., 0], torch.inf)
    barycentric = torch.zeros_like(origins)
    origin, direction = origins[hit], directions[hit]
    a, b, c = vertices.double()[faces[face.flatten(1)[hit]]].unbind(-2)
    across = torch.linalg.cross(direction, c - a)
    # A ray within the triangle's plane meets it nowhere in particular; it gets the first corner.
    flat = ((b - a) * across).sum(-1)
    scale = torch.where(flat.abs() > 1e-18, 1 / flat, 0.0)
    u = scale * ((origin - a) * across).sum(-1)
    over = torch.linalg.cross(origin - a, b - a)
    v = scale * (direction * over).sum(-1)
    # Edges leak by a rounding error in either engine; the point stays on the triangle.
    weights = torch.stack([1 - u - v, u, v], -1).clamp(0, 1)
    weights = weights / weights.sum(-1, keepdim=True)
    point = weights[:, :1] * a + weights[:, 1:2] * b + weights[:, 2:] * c
    distance[hit], barycentric[hit] = (point - origin).norm(dim=-1), weights
    shape = (len(face), size, size)
    return Fragments(
        face, barycentric.reshape(*shape, 3).to(vertices), distance.reshape(shape).to(vertices)
    )


def _embree(vertices: Tensor, faces: Tensor, camera: Camera, size: int) -> Tensor:
    try:
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh
    except ImportError as error:
        raise HfinvError("Embree is not installed", "`pip install embreex`") from error
    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(
        scene,
        np.ascontiguousarray(vertices.cpu().numpy(), dtype=np.float32),
        np.ascontiguousarray(faces.cpu().numpy(), dtype=np.int32),
    )
    found = []
    for index in range(len(camera)):
        origins, directions = camera[index].rays(size)
        rays = (np.ascontiguousarray(x[0].cpu().numpy(), np.float32) for x in (origins, directions))
        found.append(torch.from_numpy(scene.run(*rays).astype(np.int64)))
    return torch.stack(found).reshape(-1, size, size).to(vertices.device)


def _pytorch3d(vertices: Tensor, faces: Tensor, camera: Camera, size: int) -> Tensor:
    try:
        from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
        from pytorch3d.structures import Meshes
    except ImportError as error:
        raise HfinvError(
            "PyTorch3D is not installed", "`pip install easypytorch3d`, or use the engine `embree`"
        ) from error
    count = len(camera)
    pixels, _ = camera.project(vertices.expand(count, -1, -1))
    depth = (vertices - camera.centre[:, None]) @ camera.cam2world[
        :, :3, 2:3
    ]  # z, for the order only
    # Its x runs to the left and its y upwards, from -1 to 1 between the picture's corners.
    placed = torch.cat([1 - 2 * pixels, depth], -1).float()
    meshes = Meshes(list(placed), [faces] * count)
    face = rasterize_meshes(
        meshes,
        image_size=size,
        blur_radius=0.0,
        faces_per_pixel=1,
        perspective_correct=True,
        cull_backfaces=False,
    )[0][..., 0]
    first = torch.arange(count, device=face.device)[:, None, None] * len(faces)
    return torch.where(face >= 0, face - first, NOTHING)
