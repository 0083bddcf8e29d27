"""How far a rendering is from a photo."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hfinv.image import shrink
from hfinv.perceptual import Perceptual


@dataclass(frozen=True)
class Target:
    """A photo made ready to be compared with, once for all steps."""

    image: Tensor
    """[B, 3, H, H] in [-1, 1], the photo over the plain background."""
    foreground: Tensor
    """[B, 1, H, H] in [0, 1], 1 on the head."""
    counted: Tensor
    """[B, 1, H, H] in [0, 1], 0 where the photo says nothing (its reflected border)."""
    features: list[Tensor]
    """LPIPS features of `image`."""


def prepare(
    photo: Tensor,
    foreground: Tensor,
    counted: Tensor,
    size: int,
    background: float | None,
    perceptual: Perceptual,
) -> Target:
    """Shrink a photo to the size it is compared at, and put its head before a plain background.

    Args:
        photo: [B, 3, S, S] in [-1, 1].
        foreground: [B, 1, S, S] in [0, 1], 1 on the head.
        counted: [B, 1, S, S] in [0, 1], where the photo may be believed.
        size: side of the comparison, in pixels.
        background: grey level in [-1, 1]; None keeps the photo's own.
        perceptual: makes the features.
    """
    photo, foreground, counted = (shrink(x, size) for x in (photo, foreground, counted))
    image = photo
    if background is not None:
        image = foreground * photo + (1 - foreground) * background
    with torch.no_grad():
        features = perceptual.features(image)
    return Target(image, foreground, counted, features)


@torch.no_grad()
def mirror_target(target: Target, perceptual: Perceptual) -> Target:
    """The target in a mirror."""
    image = target.image.flip(-1)
    return Target(
        image, target.foreground.flip(-1), target.counted.flip(-1), perceptual.features(image)
    )


def photometric(
    image: Tensor, alpha: Tensor, target: Target, perceptual: Perceptual, squared: bool = False
) -> dict[str, Tensor]:
    """The terms of the distance between a rendering and a target, unweighted scalars.

    Args:
        image: [B, 3, H, H] in [-1, 1], over the target's background.
        alpha: [B, 1, H, H] in [0, 1].
        target: what is wanted.
        perceptual: LPIPS.
        squared: mean square, as PTI has it, instead of mean absolute colour difference.
    """
    difference = image - target.image
    difference = difference.square() if squared else difference.abs()
    weight = _mean_one(target.counted)
    return {
        "lpips": perceptual.compare(
            perceptual.features(image), target.features, target.counted
        ).mean(),
        "colour": (weight * difference).mean(),
        "alpha": silhouette(alpha, target),
    }


def silhouette(alpha: Tensor, target: Target) -> Tensor:
    """Mean absolute difference of an outline and a target's, at the outline's own size; a scalar.

    Args:
        alpha: [B, 1, h, h] in [0, 1], h at most the target's side.
        target: what is wanted.
    """
    counted, foreground = (shrink(x, alpha.shape[-1]) for x in (target.counted, target.foreground))
    return (_mean_one(counted) * (alpha - foreground).abs()).mean()


def _mean_one(counted: Tensor) -> Tensor:
    """The weights of pixels, scaled to a mean of 1."""
    return counted / counted.mean().clamp(min=1e-3)


def psnr(image: Tensor, target: Tensor, weight: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio in dB of images in [-1, 1].

    Args:
        image, target: [B, 3, H, W] in [-1, 1]; `image` is clamped to it.
        weight: [B, 1, H, W] in [0, 1], where to look; everywhere if None.
    """
    error = (image.clamp(-1, 1) - target).square() / 4
    if weight is None:
        return float(-10 * error.mean().log10())
    return float(-10 * ((weight * error).sum() / (3 * weight.sum())).log10())
