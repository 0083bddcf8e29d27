"""hfinv's own generator: EG3D's architecture in a small size, with labelled z, colour and coverage.

What differs from EG3D (Chan et al., CVPR 2022): z is a vector of named factors and is not normalised; the planes are
XY of the front, XZ, ZY and XY of the back, and have a part that all heads share; there is no noise; rays composite
premultiplied colour, so the background is whatever the caller wants; the super-resolution also draws the coverage.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hfinv.camera import Camera
from hfinv.generators.backbone import Synthesis, SynthesisBlock, SynthesisLayer
from hfinv.generators.base import Card, Rendering
from hfinv.generators.layers import full_precision
from hfinv.generators.mapping import FactorMapping, Gates
from hfinv.generators.palette import Palette
from hfinv.generators.raymarch import (
    RayOptions,
    march,
    ray_limits,
    read_planes,
    render_rays,
    trimmed,
)
from hfinv.generators.triplane import Decoder
from hfinv.generators.tunable import Tunable
from hfinv.generators.warp import AXES, Warp, displacement, origins_of

ORDER = "halves"
PLANES = 4
"""XY of the front, XZ, ZY, XY of the back."""
DENSITY_GAIN = 40.0
"""The decoder's first output times this is the raw density: its zero is the surface."""
FAINT = 1e-4
"""See `RayOptions.faint`."""


class FieldDecoder(Decoder):
    """EG3D's decoder with a steeper density, so that a surface can be thinner than a sample's step; channels beyond those
    that it decodes are a `Palette`'s, and added to the colour."""

    def read(self, mean: Tensor) -> tuple[Tensor, Tensor]:
        """[B, N, C] or [B, N, C + 3] -> colour features before the sigmoid [B, N, F], raw sigma [B, N, 1]."""
        count = self.net[0].weight.shape[1]
        features, sigma = super().read(mean[..., :count])
        wash = mean[..., count:].float()
        if wash.shape[-1]:
            features = features + F.pad(wash, (0, features.shape[-1] - wash.shape[-1]))
        return features, DENSITY_GAIN * sigma


class Upsampler(nn.Module):
    """Super-resolution by four: features and a four-channel picture (premultiplied colour, coverage)."""

    def __init__(
        self, features: int, channels: tuple[int, int], w_dim: int, size: int, refine: int = 0
    ) -> None:
        """
        Args:
            features: F.
            channels: of the two blocks that double the size.
            w_dim: D.
            size: h.
            refine: channels of a block before them, at the rays' own size; 0 for none.
        """
        super().__init__()
        self.size = size
        if refine:
            self.refine = SynthesisBlock(features, refine, w_dim, size, 4, up=1)
            features = refine
        self.block0 = SynthesisBlock(features, channels[0], w_dim, 2 * size, 4)
        self.block1 = SynthesisBlock(channels[0], channels[1], w_dim, 4 * size, 4, is_last=True)

    def forward(self, features: Tensor, picture: Tensor, w: Tensor) -> Tensor:
        """[B, F, h, h], [B, 4, h, h] and [B, D] -> [B, 4, 4 * size, 4 * size]."""
        if features.shape[-1] != self.size:
            resize = {"size": (self.size, self.size), "mode": "bilinear", "antialias": True}
            features, picture = F.interpolate(features, **resize), F.interpolate(picture, **resize)
        rows = w[:, None].expand(-1, 3, -1)
        if hasattr(self, "refine"):
            features, picture = self.refine(features, picture, rows, noise_mode="none")
        features, picture = self.block0(features, picture, rows, noise_mode="none")
        return self.block1(features, picture, rows, noise_mode="none")[1]


class Heads(Tunable):
    """The bundled generator; implements `hfinv.generators.base.Generator`."""

    PLANE_MAKERS = ("mapping.", "backbone.", "shared")
    HALVES = (0, 3)
    TRAITS: slice | None = None
    """The numbers of w that are traits, see `FactorMapping`; None if there are none."""

    def __init__(self, card: Card) -> None:
        """
        Args:
            card: `arguments` hold plane_resolution, plane_channels, channel_base, channel_max, hidden,
                upsampler_channels, ray_size and samples (coarse, fine), and may hold upsampler_refine, warp (how many
                fields, texels along their side), warp_fine (which of them are finer, texels along theirs), traits (how
                many) and gates of the mapping, palette (parts and sides that the first traits are colours of, texels along
                its maps), crop and crop_top (see `RayOptions`), and z_dim if z has no names.
        """
        super().__init__()
        self.card = card
        a = card.arguments
        fields, field_size = a.get("warp") or (0, 0)
        fine, fine_size = a.get("warp_fine") or ((), 1)
        names = [factor.name for factor in card.factors]
        gates = Gates(names, a.get("gates", {}))
        self.mapping = FactorMapping(
            a.get("z_dim", len(names)), card.w_dim, fields, a.get("traits", 0), gates
        )
        self.palette = None
        channels = PLANES * a["plane_channels"]
        if "palette" in a:
            parts, sides, size = a["palette"]
            self.palette = Palette(parts, sides, PLANES, self.mapping.learned, size)
            channels += PLANES * parts
        self.backbone = Synthesis(
            card.w_dim,
            a["plane_resolution"],
            channels,
            channel_base=a["channel_base"],
            channel_max=a["channel_max"],
        )
        # What all heads share is learned in place, at full resolution; the backbone adds what tells them apart.
        self.shared = nn.Parameter(
            torch.zeros(1, channels, a["plane_resolution"], a["plane_resolution"])
        )
        self.MOVES = AXES if fields else 0
        if a.get("traits"):
            self.TRAITS = slice(self.mapping.learned, self.mapping.learned + a["traits"])
        self.warp = Warp(fields, field_size, PLANES, fine, fine_size) if fields else None
        self.decoder = FieldDecoder(a["plane_channels"], a["hidden"], a["plane_channels"])
        self.upsampler = Upsampler(
            a["plane_channels"],
            tuple(a["upsampler_channels"]),
            card.w_dim,
            card.image_size // 4,
            a.get("upsampler_refine", 0),
        )
        for layer in self.modules():
            if isinstance(layer, SynthesisLayer):
                layer.noise_const, layer.noise_strength = None, None
        # Convolutions run about twice as fast on a CPU with a pixel's channels side by side.
        self.to(memory_format=torch.channels_last)
        self.shared.data = self.shared.data.contiguous()  # as the backbone's image is

    def map(self, z: Tensor, truncation: float = 1.0) -> Tensor:
        """[B, Z] -> w_plus [B, L, D], all L rows equal."""
        with full_precision(z):
            w = self.mapping.w_avg.lerp(self.mapping(z), truncation)
        return w[:, None].expand(-1, self.card.num_ws, -1)

    def mean_latent(self) -> Tensor:
        """[1, L, D]."""
        return self.mapping.w_avg.expand(1, self.card.num_ws, -1)

    def latent_scale(self) -> Tensor:
        """[1, 1, D]."""
        return self.mapping.w_std[None, None]

    def planes(self, w_plus: Tensor) -> Tensor:
        """[B, L, D] -> [B, 4, C, h, h]; three channels more with a `Palette`, and then three with a `Warp`."""
        planes = self.shared + self.backbone(w_plus, noise_mode="none")
        planes = planes.unflatten(1, (PLANES, -1))
        channels = [planes]
        if self.palette is not None:
            features, masks = planes.tensor_split([self.card.arguments["plane_channels"]], 2)
            channels = [features, self.palette(masks, w_plus).to(planes)]
        if self.warp is not None:
            channels.append(self.warp(w_plus, planes.shape[-1]).to(planes))
        return self.moved(torch.cat(channels, 2) if len(channels) > 1 else planes)

    def carried(self, points: Tensor, w_plus: Tensor) -> Tensor:
        """Where points of the common head are on the head of a latent; only with a `Warp`.

        Args:
            points: [1, N, 3], world frame.
            w_plus: [1, L, D].

        Returns:
            [1, N, 3], world frame.
        """
        moves = self.warp(w_plus, self.card.arguments["plane_resolution"])
        return points + displacement(moves, points, self.card.box, ORDER)

    def brought_back(self, points: Tensor, w_plus: Tensor) -> Tensor:
        """The points of the common head that `carried` takes to these; arguments as there."""
        moves = self.warp(w_plus, self.card.arguments["plane_resolution"])
        return origins_of(moves, points, self.card.box, ORDER)

    def field(self, planes: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Colour features and density of points in space.

        Args:
            planes: [B, 4, C, h, h].
            points: [B, N, 3], world units.

        Returns:
            features [B, N, F], the first three are RGB in [0, 1]; raw sigma [B, N, 1].
        """
        return self.decoder(read_planes(planes.float(), points, self._options(None)))

    def density(self, planes: Tensor, points: Tensor) -> Tensor:
        """[B, N, 3] in world units -> raw sigma [B, N, 1]."""
        sigma = self.field(planes, points)[1].squeeze(-1)
        return trimmed(sigma, points, self._options(None)).unsqueeze(-1)

    def march(
        self,
        planes: Tensor,
        origins: Tensor,
        directions: Tensor,
        samples: tuple[int, int] | None = None,
        jitter: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Composite the field along rays.

        Args:
            planes: [B, 4, C, h, h] or [1, ...].
            origins, directions: [B, N, 3], world frame, unit directions.
            samples: coarse and fine samples a ray.
            jitter: moves the samples at random; only while training.

        Returns:
            premultiplied features [B, N, F]; opacity [B, N, 1]; distance [B, N, 1].
        """
        options = self._options(samples)
        features, distance, opacity = render_rays(
            planes.float(), self.decoder, origins, directions, options, jitter
        )
        return features, opacity, distance

    def _options(self, samples: tuple[int, int] | None) -> RayOptions:
        coarse, fine = samples or self.card.arguments["samples"]
        return RayOptions(
            near="auto",  # outside the box one plane alone would draw its pattern
            far="auto",
            coarse=coarse,
            fine=fine,
            box=self.card.box,
            order=ORDER,
            warped=self.warp is not None,
            crop=self.card.arguments.get("crop", 0.0),
            crop_top=self.card.arguments.get("crop_top", 0.0),
            faint=FAINT,
            reach=None if self.offset is None else self.reach,
        )

    def limits(self, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Where rays [B, N, 3] enter and leave the box, [B, N, 1] each, world units."""
        return ray_limits(origins, directions, self._options(None))

    def march_at(
        self, planes: Tensor, origins: Tensor, directions: Tensor, distances: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Composite the field at given samples of rays; for training, where the surface is known.

        Args:
            planes: [B, 4, C, h, h].
            origins, directions: [B, N, 3], world frame, unit directions.
            distances: [B, N, S], ascending, world units.

        Returns:
            as `march`.
        """
        points = origins[:, :, None] + distances[..., None] * directions[:, :, None]
        features, sigma = self.field(planes, points.flatten(1, 2))
        features = features.unflatten(1, distances.shape[1:])
        with full_precision(points):
            composed, distance, weights = march(features, sigma.reshape(distances.shape), distances)
        return composed, weights.sum(-1, keepdim=True), distance

    def upsample(self, features: Tensor, opacity: Tensor, w_plus: Tensor) -> Tensor:
        """The final picture, premultiplied.

        Args:
            features: [B, F, h, h], premultiplied, from `march`.
            opacity: [B, 1, h, h].
            w_plus: [B, L, D] or [1, L, D].

        Returns:
            [B, 4, H, H]: colour in [-1, 1] times coverage, then coverage; neither clamped.
        """
        centred = 2 * features - opacity
        picture = torch.cat([centred[:, :3], opacity], 1)
        return self.upsampler(centred, picture, w_plus[:, -1].expand(len(features), -1))

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
        """Draw the planes as the cameras see them; see `hfinv.generators.base.Generator.render`."""
        size = size or self.card.arguments["ray_size"]
        background = 1.0 if background is None else background
        features, opacity, distance = (
            x.mT.unflatten(-1, (size, size))
            for x in self.march(planes, *camera.rays(size), samples)
        )
        raw = 2 * features[:, :3] - opacity + (1 - opacity) * background
        if not superresolve:
            return Rendering(raw, opacity, raw, opacity, distance)
        picture = self.upsample(features, opacity, w_plus)
        alpha = picture[:, 3:].clamp(0, 1)
        return Rendering(picture[:, :3] + (1 - alpha) * background, alpha, raw, opacity, distance)
