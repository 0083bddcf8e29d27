"""PanoHead (An et al., CVPR 2023), with the official names of all tensors: heads from all around.

What differs from EG3D: each plane is a stack of slices; the head stands before a background that a network of its own
paints; a part of the network tells how far the training cameras were off; the edges of the box are cut off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera
from hfinv.generators.backbone import Mapping, Synthesis, ToRGB
from hfinv.generators.base import Card, Rendering
from hfinv.generators.eg3d import EG3D, PLANE_SIDE, Architecture
from hfinv.generators.raymarch import RayOptions
from hfinv.generators.superresolution import FEATURES
from hfinv.generators.triplane import MARGIN, Decoder

CROP = 0.1
"""How far in from the sides of the box the official renderer cuts, world units."""


@dataclass(frozen=True)
class PanoHeadArchitecture(Architecture):
    """What `Card.arguments` may say."""

    plane_order: str = "trigrid"
    """A key of `PLANE_ORDERS`."""
    plane_depth: int = 3
    """Slices of each plane."""
    plane_side: int = PLANE_SIDE
    """Texels along a side of each slice."""
    activation: str = "none"
    """Of the decoder; see `Decoder`."""
    raw_torgb: bool = True
    """Whether a layer reads the colours off the features; else they are the first three."""
    background: bool = True
    """Whether there is a background network."""
    crop: float = CROP
    """See `RayOptions`."""


@dataclass(frozen=True)
class PanoHeadImages:
    """What the official `synthesis` returns."""

    image: Tensor
    """[B, 3, H, H], final, nominally in [-1, 1]."""
    image_raw: Tensor
    """[B, 3, h, h]; see `OfficialImages`."""
    image_depth: Tensor
    """[B, 1, h, h], along the unit ray, world units."""
    image_mask: Tensor
    """[B, 1, h, h], about [0, 1], 1 = head."""


class PanoHead(EG3D):
    """The generator; implements `hfinv.generators.base.Generator`.

    Args:
        card: `arguments` are the fields of `PanoHeadArchitecture`.
    """

    Architecture = PanoHeadArchitecture

    def __init__(self, card: Card) -> None:
        super().__init__(card)
        a = self.architecture
        self.decoder = Decoder(
            FEATURES, lr_multiplier=a.decoder_lr_multiplier, activation=a.activation
        )
        if a.raw_torgb:
            self.torgb = ToRGB(FEATURES, 3, card.w_dim)
        if a.background:
            side = self.superresolution.form.input
            base = a.channel_base // 2
            self.bcg_synthesis = Synthesis(card.w_dim, side, FEATURES, base, a.channel_max)
        self.t_mapping = offset_mapping(a.z_dim, a.c_dim)
        self.to(memory_format=torch.channels_last)

    def _plane_shape(self) -> tuple[int, int]:
        return self.architecture.plane_side, 3 * FEATURES * self.architecture.plane_depth

    def ray_options(self, samples: tuple[int, int] | None) -> RayOptions:
        return replace(super().ray_options(samples), crop=self.architecture.crop)

    def planes(
        self, w_plus: Tensor, noise_mode: str = "const", rng: torch.Generator | None = None
    ) -> Tensor:
        """[B, L, D] -> [B, 3 * depth, 32, h, h], the slices of a plane one after the other."""
        image = self.backbone.synthesis(w_plus, noise_mode, rng)
        slices = image.unflatten(1, (3, FEATURES, -1)).transpose(2, 3)  # [B, 3, depth, 32, h, h]
        return self.moved(slices.flatten(1, 2))

    def _centred(self, features: Tensor) -> Tensor:
        return super()._centred(features) if self.architecture.activation == "sigmoid" else features

    def background_features(self, w_plus: Tensor, size: int, noise_mode: str = "const") -> Tensor:
        """What stands behind the head.

        Args:
            w_plus: [B, L, D]; of fewer rows than the network reads the last one is repeated.
            size: side of the result.
            noise_mode: see `Synthesis`.

        Returns:
            [B, 32, size, size].
        """
        rows = self.bcg_synthesis.num_ws
        missing = max(0, rows - w_plus.shape[1])
        rows = torch.cat([w_plus, w_plus[:, -1:].expand(-1, missing, -1)], 1)[:, :rows]
        painted = self.bcg_synthesis(rows, noise_mode)
        return F.interpolate(
            painted,
            (size, size),
            mode="bilinear",
            align_corners=False,
            antialias=self.architecture.antialias,
        )

    def compose(
        self, features: Tensor, opacity: Tensor, w_plus: Tensor, behind: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The head before its background: colours [B, 3, h, h] and features [B, 32, h, h].

        Args:
            features: [B, 32, h, h], of `march`.
            opacity: [B, 1, h, h].
            w_plus: [B, L, D].
            behind: [B, 32, h, h]; that of `background_features` if None.
        """
        if self.architecture.background:
            if behind is None:
                behind = self.background_features(w_plus, features.shape[-1])
            features = features + (1 - opacity) * behind
        if self.architecture.raw_torgb:
            return self.torgb(features, w_plus[:, -1]), features
        return features[:, :3], features

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

        The head is drawn before its own background; a grey level then replaces what the opacity leaves. `alpha` is
        the opacity, enlarged.
        """
        features, distance, opacity = self.march(planes, camera, size, samples)
        ws = w_plus.expand(len(features), -1, -1)
        raw, features = self.compose(features, opacity, ws)
        small = over(raw, opacity, background)
        if not superresolve:
            return Rendering(small, opacity, small, opacity, distance)
        image = self.superresolution(raw, features, ws, self.architecture.superresolution_noise)
        alpha = F.interpolate(opacity, image.shape[-2:], mode="bilinear", align_corners=False)
        return Rendering(over(image, alpha, background), alpha, small, opacity, distance)

    def synthesis(
        self,
        w_plus: Tensor,
        camera: Camera,
        size: int | None = None,
        noise_mode: str = "const",
        background_w: Tensor | None = None,
    ) -> PanoHeadImages:
        """w to pictures in one go, as the official `synthesis` with its jitter at rest.

        Args:
            w_plus: [B, L, D].
            camera: B cameras.
            size: rays along one side; the checkpoint's own if None.
            noise_mode: of the backbone and the background.
            background_w: [B, any, D], of the background if it is not that of the head.
        """
        features, distance, opacity = self.march(self.planes(w_plus, noise_mode), camera, size)
        behind = None
        if self.architecture.background:
            rows = w_plus if background_w is None else background_w
            behind = self.background_features(rows, features.shape[-1], noise_mode)
        raw, features = self.compose(features, opacity, w_plus, behind)
        noise = self.architecture.superresolution_noise
        between, image = self.superresolution.steps(raw, features, w_plus, noise)
        in_place = self.superresolution.form.first_up == 1 and between.shape == raw.shape
        mask = opacity * (1 + 2 * MARGIN) - MARGIN
        return PanoHeadImages(image, between if in_place else raw, distance, mask)

    def camera_offset(
        self, z: Tensor, label: Tensor, truncation: float = 1.0, cutoff: int | None = None
    ) -> Tensor:
        """[B, 3], world units: how far off the camera of a training photo was, as the network has learned.

        Args:
            z: [B, Z].
            label: [B, 25].
            truncation: see `Mapping`.
            cutoff: see `Mapping`.
        """
        scaled = label * self.architecture.label_scale
        return self.t_mapping(z, scaled, truncation, cutoff)[:, 0]


def offset_mapping(z_dim: int, c_dim: int) -> Mapping:
    """The network from z [B, Z] and a label [B, c_dim] to a camera's offset [B, 1, 3]."""
    return Mapping(z_dim, c_dim, 3, 1, 2, lr_multiplier=1.0, last_activation="linear")


def over(image: Tensor, alpha: Tensor, background: float | None) -> Tensor:
    """[B, 3, h, h] before a grey level where alpha [B, 1, h, h] leaves it free; itself if None."""
    return image if background is None else alpha * image + (1 - alpha) * background
