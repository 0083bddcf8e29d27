"""The test head: a ball whose colours and distances are known in closed form."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import pytest
import torch
from torch import Tensor, nn

from hfinv.camera import FFHQ_FOCAL, FFHQ_PIVOT, FFHQ_RADIUS, Camera
from hfinv.generators.base import Card, Rendering
from hfinv.generators.tunable import Tunable
from hfinv.perceptual import Perceptual
from hfinv.training import NetworkConfig

TOY = NetworkConfig(
    w_dim=16,
    plane_resolution=16,
    plane_channels=8,
    channel_base=256,
    channel_max=16,
    hidden=16,
    upsampler_channels=(8, 8),
    upsampler_refine=0,
    image_size=64,
    samples=(8, 4),
    z_dim=4,
    judge_base=256,
    judge_max=16,
    box=1.0,
    warp=0,
    warp_fine=16,
)
"""The bundled generator's architecture, so small that a test can train it."""


class Ball(Tunable):
    """A ball at the world origin, under the Generator protocol, without any approximation.

    Its colour is a smooth function of the surface point plus a tint, the first three numbers of w averaged
    over its rows. The mean latent is 0 and gives no tint.
    """

    def __init__(
        self, radius: float = 0.25, image_size: int = 64, rays: int = 32, edge: float = 0.0
    ) -> None:
        """Args:
        radius: in world units.
        image_size: side of the final picture.
        rays: side of the picture before super-resolution, and of the distance map.
        edge: world units over which alpha falls from 1 to 0; 0 is a hard edge.
        """
        super().__init__()
        self.radius, self.rays, self.edge = radius, rays, edge
        self.card = Card(
            name="ball",
            family="ball",
            arguments={"radius": radius},
            image_size=image_size,
            box=1.0,
            radius=FFHQ_RADIUS,
            pivot=FFHQ_PIVOT,
            focal=FFHQ_FOCAL,
            num_ws=4,
            w_dim=8,
            yaw_range=torch.pi,
        )
        self.paint = nn.Parameter(torch.zeros(3))
        """A tint of its own, so that there is a weight to tune."""

    def map(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        return (truncation * z)[:, None].repeat(1, self.card.num_ws, 1)

    def mean_latent(self) -> Tensor:
        return torch.zeros(1, self.card.num_ws, self.card.w_dim)

    def latent_scale(self) -> Tensor:
        return torch.ones(1, 1, self.card.w_dim)

    def planes(self, w_plus: Tensor) -> Tensor:
        return self.moved(w_plus.mean(1)[:, None, :3, None, None].expand(-1, 3, -1, 4, 4))

    def render(
        self,
        planes: Tensor,
        w_plus: Tensor,
        camera: Camera,
        *,
        size: int | None = None,
        samples: tuple[int, int] | None = None,
        superresolve: bool = True,
        background: float | None = 1.0,
    ) -> Rendering:
        raw, opacity, distance = self.look(planes, camera, size or self.rays, background)
        image, alpha = raw, opacity
        if superresolve:
            image, alpha, _ = self.look(planes, camera, self.card.image_size, background)
        return Rendering(image, alpha, raw, opacity, distance)

    def density(self, planes: Tensor, points: Tensor) -> Tensor:
        return 100 * (self.radius - points.norm(dim=-1, keepdim=True))

    def colour(self, points: Tensor) -> Tensor:
        """[..., 3] surface points -> [..., 3] colours within [-0.8, 0.8], different on the left and the right."""
        normal = points / self.radius
        return 0.5 * normal + 0.3 * torch.sin(4 * normal.roll(1, -1))

    def look(
        self, planes: Tensor, camera: Camera, size: int, background: float | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One exact ray a pixel: image, alpha and distance, [B, 3 | 1 | 1, size, size].

        Rays that miss have the distance of their point nearest to the ball.
        """
        origins, directions = camera.rays(size)  # [B, N, 3]
        near = -(origins * directions).sum(-1, keepdim=True)
        aside = (origins + near * directions).norm(dim=-1, keepdim=True)
        distance = near - (self.radius**2 - aside**2).clamp(min=0).sqrt()
        tint = planes.mean((1, 3, 4))[:, None, :] + self.paint
        colour = self.colour(origins + distance * directions) + tint
        inside = self.radius - aside
        alpha = (inside / self.edge + 0.5).clamp(0, 1) if self.edge else (inside > 0).to(colour)
        image = alpha * colour + (1 - alpha) * (1.0 if background is None else background)
        return tuple(x.mT.unflatten(-1, (size, size)) for x in (image, alpha, distance))


@dataclass(frozen=True)
class BallHead:
    """What hfinv.render needs of a finished head."""

    generator: Ball
    planes: Tensor
    w_plus: Tensor
    camera: Camera


def head_of(ball: Ball, camera: Camera) -> BallHead:
    """The mean ball, as if its photo had been seen by `camera`."""
    w_plus = ball.mean_latent()
    return BallHead(ball, ball.planes(w_plus), w_plus, camera)


def described(path: Path) -> str:
    """What ffmpeg says of a file's streams."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(path)]
    return subprocess.run(command, capture_output=True, text=True).stderr


@pytest.fixture
def ball() -> Ball:
    return Ball()


@pytest.fixture(scope="session")
def perceptual() -> Perceptual:
    return Perceptual()
