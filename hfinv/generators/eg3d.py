"""EG3D (Chan et al., CVPR 2022), with the official names of all tensors.

z and a conditioning camera become w; w becomes three planes; rays through the planes become a small feature
image; super-resolution makes it large. Where the official code behaves in a way that its weights were trained
with, so does this.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hfinv.camera import FFHQ_FOCAL, FFHQ_PIVOT, FFHQ_RADIUS, Camera, look_at
from hfinv.generators.backbone import Mapping, Synthesis
from hfinv.generators.base import Card, Rendering
from hfinv.generators.raymarch import RayOptions, render_rays
from hfinv.generators.superresolution import FEATURES, FORMS, SuperResolution
from hfinv.generators.triplane import Decoder, sample_planes
from hfinv.generators.tunable import Tunable

PLANE_SIDE = 256
"""Texels along a side of every official plane."""
LABEL = 25
"""Numbers of a conditioning camera; see `Camera.label`."""
SCALE_SAMPLES = 600
"""How many z the spread of w is measured on."""
POINTS = 65536
"""Points that `density` decodes at once where no gradient is needed."""


@dataclass(frozen=True)
class Architecture:
    """What `Card.arguments` may say."""

    z_dim: int = 512
    c_dim: int = LABEL
    """Width of the conditioning label; 0 for an unconditional mapping."""
    mapping_layers: int = 2
    channel_base: int = 32768
    """See `Synthesis`."""
    channel_max: int = 512
    """See `Synthesis`."""
    superresolution: str = "8XDC"
    """A key of `FORMS`."""
    clamped: bool = True
    """See `SuperResolution`."""
    antialias: bool = True
    """See `SuperResolution`."""
    superresolution_noise: str = "none"
    """Noise mode of the super-resolution, whatever the backbone's."""
    ray_size: int = 128
    """Side of the feature image."""
    near: float | str = 2.25
    """See `RayOptions`."""
    far: float | str = 3.3
    """See `RayOptions`."""
    samples: tuple[int, int] = (48, 48)
    """Coarse and fine samples a ray."""
    plane_order: str = "eg3d"
    """A key of `PLANE_ORDERS`."""
    white_back: bool = False
    """See `RayOptions`."""
    disparity: bool = False
    """See `RayOptions`."""
    label_scale: float = 1.0
    """Multiplies the conditioning label; 0 makes the mapping blind to it."""
    decoder_lr_multiplier: float = 1.0
    """See `FullyConnected`."""

    def __post_init__(self) -> None:
        # A card that was read from a file holds lists.
        object.__setattr__(self, "samples", tuple(self.samples))


@dataclass(frozen=True)
class OfficialImages:
    """What the official `synthesis` returns."""

    image: Tensor
    """[B, 3, H, H], final, nominally in [-1, 1]."""
    image_raw: Tensor
    """[B, 3, h, h]. After super-resolution "2X" or "4X" at its own input size, the official code has already added
    the first block's colours in place."""
    image_depth: Tensor
    """[B, 1, h, h], along the unit ray, world units."""


class EG3D(Tunable):
    """The generator; implements `hfinv.generators.base.Generator`.

    Args:
        card: `arguments` are the fields of `Architecture`.
    """

    Architecture = Architecture
    PLANE_MAKERS = ("backbone.",)

    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card = card
        self.memory: int | None = None
        """Bytes that the samples of one chunk of rays may take; None leaves it to `render_rays`."""
        self.architecture = a = self.Architecture(**card.arguments)
        self.backbone = nn.Module()
        self.backbone.synthesis = Synthesis(
            card.w_dim,
            *self._plane_shape(),
            channel_base=a.channel_base,
            channel_max=a.channel_max,
        )
        self.backbone.mapping = Mapping(a.z_dim, a.c_dim, card.w_dim, card.num_ws, a.mapping_layers)
        self.superresolution = SuperResolution(
            a.superresolution, a.clamped, a.antialias, card.w_dim
        )
        self.decoder = Decoder(FEATURES, lr_multiplier=a.decoder_lr_multiplier)
        self._latent_scale: Tensor | None = None
        # Convolutions run up to twice as fast on a CPU with a pixel's channels side by side.
        self.to(memory_format=torch.channels_last)

    def mapping(
        self, z: Tensor, label: Tensor, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """w for a conditioning camera, as the official `mapping`.

        Args:
            z: [B, Z].
            label: [B, 25], the conditioning camera's; not the one that looks.
            truncation: see `Mapping`.
            cutoff: see `Mapping`.

        Returns:
            [B, L, D].
        """
        return self.backbone.mapping(z, label * self.architecture.label_scale, truncation, cutoff)

    def map(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        """[B, Z] -> w_plus [B, L, D], all L rows equal, conditioned on the frontal camera."""
        return self.mapping(z, self._frontal().expand(len(z), -1), truncation)

    def mean_latent(self) -> Tensor:
        """[1, L, D], the mean that training kept, over its cameras too."""
        return self.backbone.mapping.w_avg.expand(1, self.card.num_ws, -1)

    @torch.no_grad()
    def latent_scale(self) -> Tensor:
        """[1, 1, D], the standard deviation of w over the prior, measured once."""
        if self._latent_scale is None:
            rng = torch.Generator().manual_seed(0)
            z = torch.randn(SCALE_SAMPLES, self.architecture.z_dim, generator=rng)
            w = self.map(z.to(self.backbone.mapping.w_avg.device))[:, 0]
            self._latent_scale = w.std(0)[None, None]
        return self._latent_scale.to(self.backbone.mapping.w_avg.device)

    def planes(
        self, w_plus: Tensor, noise_mode: str = "const", rng: torch.Generator | None = None
    ) -> Tensor:
        """[B, L, D] -> [B, 3, 32, 256, 256]; see `Synthesis` for the noise."""
        planes = self.backbone.synthesis(w_plus, noise_mode, rng)
        return self.moved(planes.unflatten(1, (3, -1)))

    def field(self, planes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """What lies at points in space.

        Args:
            planes: [B, 3, 32, h, h], or [1, ...] shared by all.
            points: [B, N, 3], world units.

        Returns:
            colour features [B, N, 32] in (-0.001, 1.001); raw sigma [B, N, 1].
        """
        return self.decoder(
            sample_planes(planes, points, self.card.box, self.architecture.plane_order)
        )

    def density(self, planes: Tensor, points: Tensor) -> Tensor:
        """[B, N, 3] in world units -> raw sigma [B, N, 1]."""
        if torch.is_grad_enabled():
            return self.field(planes, points)[1]
        return torch.cat([self.field(planes, some)[1] for some in points.split(POINTS, 1)], 1)

    def march(
        self,
        planes: Tensor,
        camera: Camera,
        size: int | None = None,
        samples: tuple[int, int] | None = None,
        jitter: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The small pictures of B cameras, before super-resolution.

        Args:
            planes: [B, 3, 32, h, h], or [1, ...] shared by all cameras.
            camera: B cameras.
            size: s, rays along one side; the checkpoint's own if None.
            samples: coarse and fine samples a ray; the checkpoint's own if None.
            jitter: moves the samples at random; for training.

        Returns:
            features [B, 32, s, s] in (-1.002, 1.002), the first three are colour; distance [B, 1, s, s];
            opacity [B, 1, s, s].
        """
        size = size or self.architecture.ray_size
        options = self.ray_options(samples)
        rendered = render_rays(planes, self.decoder, *camera.rays(size), options, jitter)
        features, distance, opacity = (x.mT.unflatten(-1, (size, size)) for x in rendered)
        return self._centred(features).contiguous(), distance, opacity  # as convolutions want it

    def render(
        self,
        planes: Tensor,
        w_plus: Tensor,
        camera: Camera,
        *,
        size: int | None = None,
        samples: tuple[int, int] | None = None,
        superresolve: bool = True,
        background: float | None = None,
    ) -> Rendering:
        """Draw the planes as the cameras see them; see `Generator.render`.

        The planes of an EG3D hold their own background, so `background` is not used. `alpha` is the opacity,
        enlarged.
        """
        features, distance, opacity = self.march(planes, camera, size, samples)
        raw = features[:, :3]
        if not superresolve:
            return Rendering(raw, opacity, raw, opacity, distance)
        ws = w_plus.expand(len(raw), -1, -1)
        image = self.superresolution(raw, features, ws, self.architecture.superresolution_noise)
        alpha = F.interpolate(opacity, image.shape[-2:], mode="bilinear", align_corners=False)
        return Rendering(image, alpha, raw, opacity, distance)

    def synthesis(
        self, w_plus: Tensor, camera: Camera, size: int | None = None, noise_mode: str = "const"
    ) -> OfficialImages:
        """w to pictures in one go, as the official `synthesis` with its jitter at rest.

        Args:
            w_plus: [B, L, D].
            camera: B cameras.
            size: rays along one side; the checkpoint's own if None.
            noise_mode: of the backbone.
        """
        features, distance, _ = self.march(self.planes(w_plus, noise_mode), camera, size)
        raw = features[:, :3]
        noise = self.architecture.superresolution_noise
        between, image = self.superresolution.steps(raw, features, w_plus, noise)
        in_place = self.superresolution.form.first_up == 1 and between.shape == raw.shape
        return OfficialImages(image, between if in_place else raw, distance)

    def sample_mixed(self, points: Tensor, w_plus: Tensor) -> tuple[Tensor, Tensor]:
        """Features [B, N, 32] and raw sigma [B, N, 1] at [B, N, 3] of the head of w, as the official one."""
        return self.field(self.planes(w_plus), points)

    def sample(
        self, points: Tensor, z: Tensor, label: Tensor, truncation: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """As `sample_mixed`, for z [B, Z] and a conditioning label [B, 25]."""
        return self.sample_mixed(points, self.mapping(z, label, truncation))

    def _centred(self, features: Tensor) -> Tensor:
        """Composited features to those of super-resolution; empty space, which is 0, becomes -1."""
        return features * 2 - 1

    def _plane_shape(self) -> tuple[int, int]:
        """Side and channels of the image that becomes the planes."""
        return PLANE_SIDE, 3 * FEATURES

    def _frontal(self) -> Tensor:
        """[1, 25], the label of the frontal training camera."""
        camera = look_at(0.0, 0.0, self.card.radius, self.card.pivot, self.card.focal)
        return camera.label().to(self.backbone.mapping.w_avg.device)

    def ray_options(self, samples: tuple[int, int] | None) -> RayOptions:
        """Where along a ray to look, with so many coarse and fine samples; the checkpoint's own if None."""
        a = self.architecture
        coarse, fine = samples or a.samples
        return RayOptions(
            a.near,
            a.far,
            coarse,
            fine,
            self.card.box,
            a.plane_order,
            a.white_back,
            a.disparity,
            memory=self.memory,
        )


def official_card(
    name: str,
    arguments: dict[str, Any],
    ray_size: int,
    focal: float = FFHQ_FOCAL,
    yaw_range: float = 0.7,
    plane_order: str = "eg3d",
) -> Card:
    """The card of an official checkpoint.

    Args:
        name: of the checkpoint.
        arguments: its constructor's keyword arguments, with the live `rendering_kwargs`.
        ray_size: its `neural_rendering_resolution`, which no argument holds.
        focal: of its training cameras, image sides.
        yaw_range: radians that its training cameras cover.
        plane_order: a key of `PLANE_ORDERS`.
    """
    rendering = arguments["rendering_kwargs"]
    form = rendering["superresolution_module"].rpartition("SuperresolutionHybrid")[2]
    # Without the key the official generator multiplies the label by 0.
    label_scale = 0.0 if rendering.get("c_gen_conditioning_zero") else rendering.get("c_scale", 0.0)
    architecture = Architecture(
        z_dim=arguments["z_dim"],
        c_dim=arguments["c_dim"],
        mapping_layers=arguments.get("mapping_kwargs", {}).get("num_layers", 8),
        channel_base=arguments.get("channel_base", 32768),
        channel_max=arguments.get("channel_max", 512),
        superresolution=form,
        clamped=arguments.get("sr_num_fp16_res", 0) > 0,
        antialias=rendering.get("sr_antialias", True),
        superresolution_noise=rendering.get("superresolution_noise_mode", "none"),
        ray_size=ray_size,
        near=rendering["ray_start"],
        far=rendering["ray_end"],
        samples=(rendering["depth_resolution"], rendering["depth_resolution_importance"]),
        plane_order=plane_order,
        white_back=rendering.get("white_back", False),
        disparity=rendering.get("disparity_space_sampling", False),
        label_scale=label_scale,
        decoder_lr_multiplier=rendering.get("decoder_lr_mul", 1.0),
    )
    return Card(
        name=name,
        family="eg3d",
        arguments=asdict(architecture),
        image_size=FORMS[form].output,
        box=rendering["box_warp"],
        radius=rendering.get("avg_camera_radius", FFHQ_RADIUS),
        pivot=tuple(map(float, rendering.get("avg_camera_pivot", FFHQ_PIVOT))),
        focal=focal,
        num_ws=2 * (PLANE_SIDE.bit_length() - 1) - 2,
        w_dim=arguments["w_dim"],
        yaw_range=yaw_range,
        backdrop="white" if architecture.white_back else "planes",
    )
