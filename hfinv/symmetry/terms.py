"""What symmetry says while the generator is tuned, as losses over the planes of each step.

    terms = tuning_terms(generator, perceptual, face, pivot.w_plus, pivot.camera, mirror, config.symmetry)
    ...
    for term in terms:
        if step % term.every == 0:
            loss = loss + term.weight * term.loss(planes, rng)

The planes are made once a step and shared; the super-resolution runs only where colours are compared.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera, look_at
from hfinv.contextual import Contextual
from hfinv.generators.base import Rendering
from hfinv.intake import Face
from hfinv.perceptual import Perceptual
from hfinv.symmetry import Mirror, SymmetryConfig
from hfinv.symmetry.mirror import Sight, sight_of
from hfinv.symmetry.neighbours import Views, carried, neighbour_cameras
from hfinv.symmetry.regions import boxes, crops, landmarks_on_head
from hfinv.symmetry.settings import DistanceConfig
from hfinv.symmetry.surface import Surface, look


class Term(Protocol):
    """One loss of the tuning."""

    name: str
    weight: float
    """At each use."""
    every: int
    """Steps between two uses."""

    def loss(self, planes: Tensor, rng: torch.Generator) -> Tensor:
        """The unweighted loss, a scalar.

        Args:
            planes: [1, P, C, h, w], of the tuned generator.
            rng: chooses the cameras.
        """


def tuning_terms(
    generator: Any,
    perceptual: Perceptual,
    face: Face,
    w_plus: Tensor,
    camera: Camera,
    mirror: Mirror,
    config: SymmetryConfig,
    *,
    seed: int = 0,
) -> list[Term]:
    """The terms whose weight is not 0. Call it before the generator is changed.

    Args:
        generator: the one that will be tuned.
        perceptual: LPIPS.
        face: the photo.
        w_plus: [1, L, D], the pivot.
        camera: the photo's camera, refined.
        mirror: from `mirror_view`.
        config: what to trust.
        seed: of the cameras that hold the surface.
    """
    terms: list[Term] = []
    if config.warp.weight:
        photo = sight_of(face, camera, generator.card.image_size)
        terms.append(NeighbourTerm(generator, perceptual, photo, w_plus, config))
    if mirror.strength and config.regions.weight:
        terms.append(RegionTerm(generator, perceptual, mirror, w_plus, config))
    if config.distance.weight:
        rng = torch.Generator().manual_seed(seed)
        terms.append(DistanceTerm(generator, w_plus, config.distance, rng))
    return terms


class Warper:
    """A sight drawn from random neighbours over the head as it is at that step."""

    def __init__(
        self, generator: Any, sight: Sight, weight: Tensor, w_plus: Tensor, config: SymmetryConfig
    ) -> None:
        self.generator, self.w_plus, self.config = generator, w_plus, config
        self.sight, self.weight = sight, weight
        self.size = sight.picture.shape[-1]

    def draw(
        self, planes: Tensor, batch: int, rng: torch.Generator
    ) -> tuple[Rendering, Views, Surface]:
        """The rendering from `batch` neighbours, the sight carried to them, and the head from the sight's camera."""
        card = self.generator.card
        cameras = neighbour_cameras(
            self.sight.camera, batch, card.pivot, self.config.neighbours, rng
        )
        now = self.generator.render(planes, self.w_plus, cameras, background=0.0)
        distance, opacity = now.distance.detach(), now.opacity.detach()
        target = Surface(distance, opacity, cameras).resized(self.size)
        with torch.no_grad():
            rays = distance.shape[-1]
            source = look(self.generator, planes, self.w_plus, self.sight.camera, rays)
            how = self.config.authenticity, self.config.visibility
            views = carried(self.sight, self.weight, source, target, *how)
        return now, views, source


class NeighbourTerm:
    """LPIPS between the head and the photo carried to neighbours of its camera (SPI's depth-guided warp)."""

    name = "warp"

    def __init__(
        self,
        generator: Any,
        perceptual: Perceptual,
        photo: Sight,
        w_plus: Tensor,
        config: SymmetryConfig,
    ) -> None:
        self.weight, self.every = config.warp.weight, config.warp.every
        self.batch, self.perceptual = config.warp.batch, perceptual
        self.warper = Warper(generator, photo, photo.counted, w_plus, config)

    def loss(self, planes: Tensor, rng: torch.Generator) -> Tensor:
        """How far the head is from the photo, where the photo may be believed; see `Term`."""
        now, views, _ = self.warper.draw(planes, self.batch, rng)
        return self.perceptual(now.image * views.masks, views.images * views.masks).mean()


class RegionTerm:
    """Eyes and mouth against the mirrored photo's, at neighbours of its camera."""

    name = "regions"

    def __init__(
        self,
        generator: Any,
        perceptual: Perceptual,
        mirror: Mirror,
        w_plus: Tensor,
        config: SymmetryConfig,
    ) -> None:
        self.config = config.regions
        by_yaw = mirror.strength if self.config.by_yaw else 1.0
        self.weight, self.every = by_yaw * self.config.weight, self.config.every
        self.perceptual = perceptual
        vgg = perceptual if perceptual.net == "vgg" else None
        self.contextual = (
            Contextual(self.config.bandwidth, vgg).to(w_plus.device)
            if self.config.compare == "contextual"
            else None
        )
        sight = Sight(mirror.photo, mirror.counted, mirror.landmarks, mirror.camera)
        believed = mirror.counted * mirror.unseen * mirror.symmetric
        self.warper = Warper(generator, sight, believed, w_plus, config)

    def loss(self, planes: Tensor, rng: torch.Generator) -> Tensor:
        """The sum over the boxes that may be believed, the mean over views; see `Term`."""
        now, views, source = self.warper.draw(planes, self.config.batch, rng)
        points = landmarks_on_head(self.warper.sight, source)
        box = boxes(points, views.cameras, self.config)
        believed = crops(views.masks, box, self.config.crop)
        chosen = believed.mean((1, 2, 3)) >= self.config.least
        if not chosen.any():
            return now.image.sum() * 0.0
        # Where the warp says nothing, the head is compared with itself.
        wanted = views.masks * views.images + (1 - views.masks) * now.image.detach()
        found, wanted = (crops(x, box, self.config.crop)[chosen] for x in (now.image, wanted))
        return self.config.scale * self._compare(found, wanted).sum() / len(views.cameras)

    def _compare(self, found: Tensor, wanted: Tensor) -> Tensor:
        if self.contextual is not None:
            return self.contextual(found, wanted)
        return (found - wanted).abs().mean((1, 2, 3)) + self.perceptual(found, wanted)


class DistanceTerm:
    """Mean square difference of distances from the untouched generator's, at random cameras on both sides."""

    name = "distance"

    def __init__(
        self, generator: Any, w_plus: Tensor, config: DistanceConfig, rng: torch.Generator
    ) -> None:
        self.generator, self.w_plus, self.config = generator, w_plus, config
        self.weight, self.every = config.weight, config.every
        yaw, pitch = 2 * torch.rand(2, config.cameras, generator=rng) - 1
        card = generator.card
        self.cameras = look_at(
            config.yaw * yaw, config.pitch * pitch, card.radius, card.pivot, card.focal
        ).to(w_plus.device)
        with torch.no_grad():
            planes = generator.planes(w_plus)
            self.held = [self._draw(planes, index) for index in range(config.cameras)]

    def _draw(self, planes: Tensor, camera: int) -> tuple[Tensor, Tensor]:
        drawn = self.generator.render(planes, self.w_plus, self.cameras[camera], superresolve=False)
        return drawn.distance, drawn.opacity

    def loss(self, planes: Tensor, rng: torch.Generator) -> Tensor:
        """The mean over the cameras drawn; see `Term`."""
        chosen = torch.randint(self.config.cameras, (self.config.batch,), generator=rng).tolist()
        losses = []
        for camera in chosen:
            held, opacity = self.held[camera]
            now, solid = self._draw(planes, camera)
            weight = opacity * solid.detach() if self.config.on_head else torch.ones_like(opacity)
            losses.append((weight * F.mse_loss(now, held, reduction="none")).mean())
        return torch.stack(losses).mean()
