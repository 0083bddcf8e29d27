"""What tuning is not shown, so that it can tell when more of it stops helping.

A rule such as PTI's and SPI's, to stop at some LPIPS, looks at the photo that is being fitted; that falls as long as one goes
on, while the head seen from elsewhere has long begun to suffer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera, concatenate
from hfinv.losses import Target
from hfinv.perceptual import Perceptual
from hfinv.pseudoview import PseudoViews
from hfinv.terms import PictureTerm, Weights

GRID = 16
"""Held-out patches are squares of this fraction of the photo's side."""


@dataclass(frozen=True)
class Split:
    """Photo and pseudo views in two parts, one to tune on and one to judge by."""

    target: Target
    """The photo without its held-out patches."""
    views: PseudoViews | None
    """The other pseudo views."""
    images: Tensor
    """[N, 3, H, H], the photo and the held-out views."""
    masks: Tensor
    """[N, 1, H, H], the photo's held-out patches, and the masks of the views."""
    foreground: Tensor
    """[N, 1, H, H]."""
    cameras: Camera
    """N cameras."""


def split(
    target: Target,
    camera: Camera,
    views: PseudoViews | None,
    patches: float,
    held_views: int,
    rng: torch.Generator,
) -> Split:
    """Hold out a share of the photo's patches and some pseudo views, always leaving one to tune on.

    Args:
        target: the photo.
        camera: its camera.
        views: pseudo views, if there are any.
        patches: share of the photo's patches, in [0, 1].
        held_views: how many.
        rng: draws both.
    """
    drawn = (torch.rand(1, 1, GRID, GRID, generator=rng) < patches).to(target.image)
    drawn = F.interpolate(drawn, size=target.image.shape[-2:], mode="nearest")
    images, masks = [target.image], [target.counted * drawn]
    foreground, cameras = [target.foreground], [camera]
    if views is not None and len(views.images) > 1:
        order = torch.randperm(len(views.images), generator=rng).to(target.image.device)
        count = min(held_views, len(order) - 1)
        held, rest = order[:count], order[count:]
        images.append(views.images[held])
        masks.append(views.masks[held])
        foreground.append(views.foreground[held])
        cameras.append(views.cameras[held])
        names = ("images", "masks", "cameras", "foreground", "visible", "seen", "painted")
        views = replace(views, **{name: getattr(views, name)[rest] for name in names})
    return Split(
        replace(target, counted=target.counted * (1 - drawn)),
        views,
        torch.cat(images),
        torch.cat(masks),
        torch.cat(foreground),
        concatenate(cameras),
    )


class Judge:
    """Watches the held-out part, and keeps the weights that drew it best."""

    def __init__(
        self,
        generator: Any,
        perceptual: Perceptual,
        w_plus: Tensor,
        parts: Split,
        weights: Weights,
        patience: int,
        background: float | None,
    ) -> None:
        """
        Args:
            generator: the one that is tuned.
            perceptual: LPIPS.
            w_plus: [1, L, D], the pivot.
            parts: what was held out.
            weights: of LPIPS, colour and silhouette.
            patience: looks without an improvement after which tuning should stop.
            background: grey level behind the head.
        """
        self.generator, self.w_plus, self.patience = generator, w_plus, patience
        self.term = PictureTerm(
            "held",
            generator,
            perceptual,
            w_plus,
            parts.images,
            parts.masks,
            parts.cameras,
            weights,
            foreground=parts.foreground,
            together=len(parts.images),
            background=background,
        )
        self.term.share = torch.ones_like(
            self.term.share
        )  # a few patches of the photo count as much as a view
        self.scores: list[float] = []
        self.best: dict[str, Tensor] = {}

    @torch.no_grad()
    def has_seen_enough(self, planes: Tensor) -> bool:
        """Look once, with the planes of the present weights; True if tuning should stop."""
        score = float(self.term.loss(planes, torch.Generator().manual_seed(0)))
        if not self.scores or score < min(self.scores):
            self.best = {
                name: value.detach().clone() for name, value in self.generator.state_dict().items()
            }
            self.best_w = self.w_plus.detach().clone()
        self.scores.append(score)
        since = len(self.scores) - 1 - self.scores.index(min(self.scores))
        return since >= self.patience

    @torch.no_grad()
    def restore(self) -> None:
        """Look a last time, then give the generator and the pivot the best weights back."""
        self.has_seen_enough(self.generator.planes(self.w_plus))
        self.generator.load_state_dict(self.best)
        self.w_plus.copy_(self.best_w)
