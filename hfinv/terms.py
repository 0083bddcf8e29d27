"""What else is compared while the generator is tuned: pseudo views, outlines, the mirrored photo.

Each is a loss over the step's planes, which are made once a step and shared by all.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera, concatenate
from hfinv.losses import Target, photometric, prepare
from hfinv.perceptual import Perceptual
from hfinv.pseudoview import PseudoViews
from hfinv.shapes import check


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


class Weights(Protocol):
    """Of the parts of a comparison with a picture, as in `TuningConfig`."""

    lpips: float
    colour: float
    alpha: float
    squared: bool


class Mirrored(Protocol):
    """The photo in a mirror, as `hfinv.symmetry` gives it, and both photos from neighbouring cameras."""

    photo: Tensor
    """[1, 3, S, S] in [-1, 1]."""
    weight: Tensor
    """[1, 1, S, S] in [0, 1], how much each of its pixels counts."""
    camera: Camera
    images: Tensor
    """[K, 3, S, S] in [-1, 1]."""
    masks: Tensor
    """[K, 1, S, S] in [0, 1]."""
    cameras: Camera


class PictureTerm:
    """Pictures of the head from K cameras, of which each use compares a few."""

    def __init__(
        self,
        name: str,
        generator: Any,
        perceptual: Perceptual,
        w_plus: Tensor,
        images: Tensor,
        masks: Tensor,
        cameras: Camera,
        weights: Weights,
        *,
        foreground: Tensor | None = None,
        together: int = 1,
        weight: float = 1.0,
        every: int = 1,
        background: float | None = 0.0,
    ) -> None:
        """
        Args:
            name: of the term.
            generator: the one that is tuned.
            perceptual: LPIPS.
            w_plus: [1, L, D], the pivot.
            images: [K, 3, S, S] in [-1, 1], over the background.
            masks: [K, 1, S, S] in [0, 1], how much each pixel counts; they stay in every part of the loss.
            cameras: K cameras.
            weights: of LPIPS, colour and silhouette.
            foreground: [K, 1, S, S] in [0, 1], 1 on the head; None compares no silhouettes.
            together: cameras a use, drawn without replacement and rendered on shared planes.
            weight: of the term, at each use.
            every: steps between two uses.
            background: grey level behind the head.
        """
        check(images=(images, "K 3 S S"), masks=(masks, "K 1 S S"))
        self.name, self.weight, self.every = name, weight, every
        self.generator, self.perceptual, self.w_plus = generator, perceptual, w_plus
        self.weights, self.background, self.cameras = weights, background, cameras
        self.together = min(together, len(images))
        self.outlined = foreground is not None
        head = masks if foreground is None else foreground
        size = generator.card.image_size
        # The pictures lie over the background already; their features are made once for all steps.
        self.targets = [
            prepare(images[k : k + 1], head[k : k + 1], masks[k : k + 1], size, None, perceptual)
            for k in range(len(images))
        ]
        share = torch.stack([target.counted.mean() for target in self.targets])
        self.share = share / share.max().clamp(min=1e-6)

    def loss(self, planes: Tensor, rng: torch.Generator) -> Tensor:
        """Mean over the cameras drawn."""
        order = torch.randperm(len(self.targets), generator=rng)
        chosen = order[: self.together].to(planes.device)
        seen = self.generator.render(
            planes, self.w_plus, self.cameras[chosen], background=self.background
        )
        total = planes.new_zeros(())
        for row, index in enumerate(chosen.tolist()):
            image, alpha = seen.image[row : row + 1], seen.alpha[row : row + 1]
            total = total + self.share[index] * self._compare(image, alpha, self.targets[index])
        return total / self.together

    def _compare(self, image: Tensor, alpha: Tensor, target: Target) -> Tensor:
        parts = photometric(image, alpha, target, self.perceptual, self.weights.squared)
        loss = self.weights.lpips * parts["lpips"] + self.weights.colour * parts["colour"]
        return loss + self.weights.alpha * parts["alpha"] if self.outlined else loss


class OutlineTerm:
    """Silhouettes and distances from all around, one camera a use, without super-resolution."""

    def __init__(
        self, generator: Any, w_plus: Tensor, views: PseudoViews, weight: float, every: int
    ) -> None:
        """
        Args:
            generator: the one that is tuned.
            w_plus: [1, L, D], the pivot.
            views: hold the outlines.
            weight: of the term, at each use.
            every: steps between two uses.
        """
        self.name, self.weight, self.every = "outlines", weight, every
        self.generator, self.w_plus, self.views = generator, w_plus, views

    def loss(self, planes: Tensor, rng: torch.Generator) -> Tensor:
        """Mean difference of the opacities, and of the distances where there is a head."""
        chosen = int(torch.randint(len(self.views.opacity), (), generator=rng))
        opacity, distance = (
            x[chosen : chosen + 1] for x in (self.views.opacity, self.views.distance)
        )
        now = self.generator.render(
            planes,
            self.w_plus,
            self.views.outline_cameras[chosen],
            size=opacity.shape[-1],
            superresolve=False,
            background=0.0,
        )
        off = F.smooth_l1_loss(now.distance, distance, reduction="none", beta=0.01)
        on_head = opacity * now.opacity.detach()
        return (now.opacity - opacity).abs().mean() + 10 * (on_head * off).mean()


def mirror_term(
    mirror: Mirrored,
    generator: Any,
    perceptual: Perceptual,
    w_plus: Tensor,
    weights: Weights,
    **settings: Any,
) -> PictureTerm:
    """The mirrored photo and the neighbouring views as one set of pictures; see `PictureTerm`."""
    return PictureTerm(
        "mirror",
        generator,
        perceptual,
        w_plus,
        torch.cat([mirror.photo, mirror.images]),
        torch.cat([mirror.weight, mirror.masks]),
        concatenate([mirror.camera, mirror.cameras]),
        weights,
        **settings,
    )
