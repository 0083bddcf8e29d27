"""Cameras, and every convention of hfinv on one page.

| thing      | hfinv says                                                                                  |
| ---------- | ------------------------------------------------------------------------------------------- |
| world      | right-handed; x to the right of a frontal image, y up, z from the face to the viewer (glTF)   |
| camera     | OpenCV: x right, y down, z forward; `cam2world` [B, 4, 4]; frontal is diag(1, -1, -1)         |
| intrinsics | fractions of the image side: focal 4.2647 and centre 0.5 for FFHQ-type crops                  |
| pixel      | corner (0, 0), first centre (0.5 / W, 0.5 / H); `align_corners=False` always                  |
| distance   | along the unit ray, in world units; z-depth is never stored                                   |
| yaw, pitch | radians; yaw > 0 moves the camera to +x, pitch > 0 lifts it; both true angles about the origin |
| image      | [B, 3, H, W] float32 in [-1, 1], RGB, sRGB-coded                                              |
| mask       | [B, 1, H, W] float32 in [0, 1]; the name says what 1 means                                    |
| letters    | B batch, N points or rays, K views, L latents, C channels, H W image, h w a smaller image     |
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

FFHQ_FOCAL = 4.2647
"""2985.29 / 700: focal length of EG3D's FFHQ crops, in image sides."""
FFHQ_RADIUS = 2.7
"""Distance of the camera from the world origin, in world units (1 unit is about 40 cm)."""
FFHQ_PIVOT = (0.0, 0.0, 0.2)
"""The point that EG3D's FFHQ cameras look at."""


@dataclass(frozen=True)
class Camera:
    """B pinhole cameras."""

    cam2world: Tensor
    """[B, 4, 4], OpenCV axes to world."""
    intrinsics: Tensor
    """[B, 3, 3], in fractions of the image side."""

    def __len__(self) -> int:
        return len(self.cam2world)

    def __getitem__(self, index: int | slice | Tensor) -> Camera:
        if isinstance(index, int):
            index = slice(index, index + 1 or None)
        return Camera(self.cam2world[index], self.intrinsics[index])

    def to(self, device: torch.device | str) -> Camera:
        return Camera(self.cam2world.to(device), self.intrinsics.to(device))

    def detach(self) -> Camera:
        return Camera(self.cam2world.detach(), self.intrinsics.detach())

    @property
    def centre(self) -> Tensor:
        """[B, 3], where the cameras stand."""
        return self.cam2world[:, :3, 3]

    def label(self) -> Tensor:
        """[B, 25], EG3D's label: cam2world row by row, then intrinsics row by row."""
        return torch.cat([self.cam2world.flatten(1), self.intrinsics.flatten(1)], 1)

    def angles(self) -> tuple[Tensor, Tensor]:
        """Yaw and pitch of the camera's centre about the world origin, [B] each, radians."""
        x, y, z = self.centre.unbind(-1)
        return torch.atan2(x, z), torch.atan2(y, torch.hypot(x, z))

    def rays(self, size: int) -> tuple[Tensor, Tensor]:
        """One ray through each pixel centre of a size x size image, row by row.

        Returns:
            origins and unit directions, each [B, size * size, 3], world frame.
        """
        step = (torch.arange(size, dtype=torch.float32, device=self.cam2world.device) + 0.5) / size
        v, u = torch.meshgrid(step, step, indexing="ij")
        return self.rays_through(
            torch.stack([u, v], -1).reshape(1, -1, 2).expand(len(self), -1, -1)
        )

    def rays_through(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Rays through given image points.

        Args:
            pixels: [B, N, 2], (x, y) in [0, 1], corner to corner.

        Returns:
            origins and unit directions, each [B, N, 3], world frame.
        """
        k = self.intrinsics[:, None]  # [B, 1, 3, 3]
        u, v = pixels.unbind(-1)
        y = (v - k[..., 1, 2]) / k[..., 1, 1]
        x = (u - k[..., 0, 2] - k[..., 0, 1] * y) / k[..., 0, 0]
        seen = torch.stack([x, y, torch.ones_like(x)], -1)  # [B, N, 3], camera frame, z = 1
        directions = F.normalize(seen @ self.cam2world[:, :3, :3].mT, dim=-1)
        return self.centre[:, None].expand_as(directions), directions

    def points(self, distance: Tensor) -> Tensor:
        """World points seen at the given distances, [B, h * w, 3].

        Args:
            distance: [B, 1, h, w], along the unit ray; h = w.
        """
        origins, directions = self.rays(distance.shape[-1])
        return origins + distance.flatten(1)[..., None] * directions

    def project(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Where world points fall in the image.

        Args:
            points: [B, N, 3], world frame.

        Returns:
            pixels [B, N, 2] as (x, y), [0, 1] inside the image; distance [B, N, 1] from the camera.
        """
        offset = points - self.centre[:, None]
        seen = offset @ self.cam2world[:, :3, :3]  # [B, N, 3], camera frame
        image = seen @ self.intrinsics.mT
        return image[..., :2] / image[..., 2:], offset.norm(dim=-1, keepdim=True)

    def mirrored(self) -> Camera:
        """The camera that sees the mirrored scene as this one sees the scene: F cam2world F, cx -> 1 - cx."""
        flip = torch.diag(self.cam2world.new_tensor([-1.0, 1.0, 1.0, 1.0]))
        intrinsics = self.intrinsics.clone()
        intrinsics[:, 0, 2] = 1 - intrinsics[:, 0, 2]
        intrinsics[:, 0, 1] = -intrinsics[:, 0, 1]
        return Camera(flip @ self.cam2world @ flip, intrinsics)


def from_label(label: Tensor) -> Camera:
    """Cameras of EG3D labels.

    Args:
        label: [B, 25] or [25].
    """
    label = label.reshape(-1, 25).float()
    return Camera(label[:, :16].reshape(-1, 4, 4), label[:, 16:].reshape(-1, 3, 3))


def concatenate(cameras: list[Camera]) -> Camera:
    """One batch of all the cameras, in order."""
    return Camera(
        torch.cat([c.cam2world for c in cameras]), torch.cat([c.intrinsics for c in cameras])
    )


def look_at(
    yaw: Tensor | float,
    pitch: Tensor | float = 0.0,
    radius: float = FFHQ_RADIUS,
    pivot: tuple[float, float, float] = FFHQ_PIVOT,
    focal: float = FFHQ_FOCAL,
) -> Camera:
    """Cameras on a sphere about the world origin that look at the pivot, without roll.

    EG3D's sampler calls another number pitch: its 0.2 is an elevation of 7.3 degrees, downwards.

    Args:
        yaw: [B] or a number, radians; > 0 towards +x.
        pitch: [B] or a number, radians; > 0 upwards. Must stay inside +-pi/2.
        radius: world units from the world origin.
        pivot: the world point in the image centre.
        focal: in image sides.
    """
    yaw, pitch = torch.broadcast_tensors(
        torch.as_tensor(yaw).float().reshape(-1), torch.as_tensor(pitch).float().reshape(-1)
    )
    centre = radius * torch.stack(
        [yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos()], -1
    )
    forward = F.normalize(centre.new_tensor(pivot) - centre, dim=-1)
    up = centre.new_tensor([0.0, 1.0, 0.0]).expand_as(forward)
    right = F.normalize(torch.linalg.cross(forward, up), dim=-1)
    down = torch.linalg.cross(forward, right)
    cam2world = torch.eye(4).repeat(len(yaw), 1, 1)
    cam2world[:, :3] = torch.stack([right, down, forward, centre], -1)
    return Camera(cam2world, pinhole(focal).expand(len(yaw), 3, 3).clone())


def pinhole(focal: float = FFHQ_FOCAL) -> Tensor:
    """[3, 3] intrinsics with the principal point in the middle."""
    return torch.tensor([[focal, 0.0, 0.5], [0.0, focal, 0.5], [0.0, 0.0, 1.0]])


def orbit(
    frames: int, degrees: float = 360.0, pitch: float = 0.0, start: float = 0.0, **sphere: float
) -> Camera:
    """A turntable: `frames` cameras spread over `degrees` of yaw; a full turn does not repeat its first view.

    Args:
        frames: how many.
        degrees: of yaw, from `start` on.
        pitch: radians.
        start: yaw of the first camera, radians.
    """
    turn = math.radians(degrees)
    last = frames if math.isclose(abs(degrees) % 360, 0) else max(frames - 1, 1)
    return look_at(start + turn * torch.arange(frames) / last, pitch, **sphere)


def swing(frames: int, degrees: float, pitch: float = 0.0, **sphere: float) -> Camera:
    """A seamless swing: yaw runs 0, +degrees, 0, -degrees, 0 on a sine."""
    phase = 2 * math.pi * torch.arange(frames) / frames
    return look_at(math.radians(degrees) * phase.sin(), pitch, **sphere)
