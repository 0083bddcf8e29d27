"""What is painted where the photo saw nothing.

HFGI3D (section 3.3 there) compares the photo with what the untouched generator makes of it; where they differ by more than
theta the photo shows something that the generator does not know. A second latent z_o is fitted to the rest, so that
what it paints on the hidden side is not bent by an earring. The paper does not tell theta.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import Camera
from hfinv.generators.base import Generator, Rendering
from hfinv.image import shrink
from hfinv.intake import Face
from hfinv.latent import LatentConfig, Pivot, Search, draw
from hfinv.losses import photometric, prepare
from hfinv.perceptual import Perceptual
from hfinv.progress import Step, ignore


@dataclass(frozen=True)
class OccludedConfig:
    """How the hidden parts are painted."""

    source: Literal["latent", "tuned", "none"] = "latent"
    """`latent`: the untouched generator at z_o, as HFGI3D is published; `tuned`: the generator of the first tuning, as its
    code has it; `none`: hidden parts are neither painted nor compared."""
    theta: float | None = None
    """Colour difference, as a distance in [-1, 1] RGB, from which on the photo is not the generator's; none takes the median of
    the differences plus `deviations` times their spread."""
    deviations: float = 3.0
    """Of the median absolute deviation, for theta."""
    steps: int = 15
    """Of the search of z_o, from the pivot; 0 takes the pivot itself."""
    learning_rate: float = 0.02
    """Peak step, in standard deviations of w."""
    lpips: float = 1.0
    """Weight of LPIPS."""
    colour: float = 1.0
    """Weight of the colour difference, the paper's alpha."""
    squared: bool = False
    """Compare colours by mean square, as the paper does."""


def difference_map(
    face: Face, pivot: Pivot, background: float | None, config: OccludedConfig
) -> tuple[Tensor, float]:
    """Where the photo is within what the generator knows.

    Args:
        face: the photo.
        pivot: the latent's fit to it.
        background: grey level behind both, in [-1, 1].
        config: theta.

    Returns:
        [1, 1, H, H], 1 where the difference is at most theta and 0 where it is more; theta.
    """
    size = pivot.fit.shape[-1]
    photo, foreground, counted = (shrink(x, size) for x in (face.photo, face.foreground, face.seen))
    if background is not None:
        photo = foreground * photo + (1 - foreground) * background
    residual = (photo - pivot.fit).norm(dim=1, keepdim=True)  # [1, 1, H, H]
    theta = config.theta
    if theta is None:
        on_head = residual[(foreground > 0.5) & (counted > 0.5)]
        theta = robust_limit(on_head, config.deviations) if len(on_head) else float("inf")
    return (residual <= theta).to(residual), theta


def robust_limit(values: Tensor, deviations: float) -> float:
    """Median plus `deviations` times the spread, of which 1.4826 times the median absolute deviation is an estimate."""
    middle = values.median()
    return float(middle + deviations * 1.4826 * (values - middle).abs().median())


def find_hidden_latent(
    generator: Generator,
    perceptual: Perceptual,
    face: Face,
    pivot: Pivot,
    known: Tensor,
    latent: LatentConfig,
    config: OccludedConfig,
    seed: int = 0,
    progress: Callable[[Step], None] = ignore,
) -> Tensor:
    """z_o [1, L, D] in W+: the photo's latent, where it is compared only within what the generator knows.

    Args:
        generator: untouched.
        perceptual: LPIPS.
        face: the photo.
        pivot: where the search starts; its camera stays.
        known: [1, 1, H, H], from `difference_map`.
        latent: the search's weights of silhouette and prior, its noise and background.
        config: steps and the other weights.
        seed: of the random walk.
        progress: called after each step.
    """
    size = generator.card.image_size
    seen = face.seen * F.interpolate(known, size=face.seen.shape[-2:], mode="nearest")
    target = prepare(face.photo, face.foreground, seen, size, latent.background, perceptual)
    still = replace(latent, camera_steps=0, camera_rate=0.0, learning_rate=config.learning_rate)
    search = Search(generator, pivot.camera, still)
    search.enter_w_plus(pivot.w_plus)
    rng = torch.Generator().manual_seed(seed)
    for step in range(config.steps):
        search.schedule(step, config.steps)
        w_plus = search.latent(rng, step / config.steps)
        drawn = draw(generator, w_plus, pivot.camera, latent.background)
        terms = photometric(drawn.image, drawn.alpha, target, perceptual, config.squared)
        terms["prior"] = search.unlikely()
        loss = config.lpips * terms["lpips"] + config.colour * terms["colour"]
        search.step(loss + latent.alpha * terms["alpha"] + latent.prior * terms["prior"])
        losses = {name: value.item() for name, value in terms.items()}
        progress(Step("pseudoview", step + 1, config.steps, losses))
    return search.latent().detach()


@torch.no_grad()
def paint(
    generator: Any, planes: Tensor, w_plus: Tensor, camera: Camera, background: float | None
) -> Rendering:
    """A head seen from K cameras, one after the other to bound the memory."""
    drawn = [
        generator.render(planes, w_plus, camera[index], background=background)
        for index in range(len(camera))
    ]
    names = ("image", "alpha", "raw", "opacity", "distance")
    return Rendering(*(torch.cat([getattr(one, name) for one in drawn]) for name in names))
