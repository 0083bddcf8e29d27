"""Bend the generator around the pivot until it draws the photo (pivotal tuning).

Roich et al., "Pivotal Tuning for Latent-based Editing of Real Images", 2021. Left alone, tuning paints the photo onto
a billboard: `keep_views` therefore holds the head to what the untouched generator shows from all around.

PTI tunes all weights. By default an offset of the planes is tuned instead, with the small networks that draw them: in the
same 60 steps on the same photo and pseudo views that gave 28.2 dB instead of 24.5, in three quarters of the time, and an
edit's latent still moves planes that the untouched backbone made. An offset of all planes alike, and networks tuned as fast,
draw the photo no better and blur what it does not show: on four heads of the benchmark LPIPS at the back was 0.283 so, and
is 0.235 with `side_planes` and `keep_lpips`. What still printed through the side planes, `reach` keeps to the surface that
is seen: docs/benchmark.md has what that is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from hfinv.camera import Camera
from hfinv.generators.base import Generator
from hfinv.heldout import Judge, split
from hfinv.intake import Face
from hfinv.kept import KeptViews, Locality
from hfinv.latent import Pivot, draw, learning_ramp
from hfinv.losses import Target, photometric, prepare, psnr, silhouette
from hfinv.perceptual import Perceptual
from hfinv.progress import Step, ignore
from hfinv.pseudoview import PseudoViews
from hfinv.reach import find_reach
from hfinv.terms import Mirrored, OutlineTerm, PictureTerm, Term, mirror_term

COMMON = 0.25
"""Share of `plane_rate` where no plane is the front's alone."""


@dataclass(frozen=True)
class TuningConfig:
    """How the generator is tuned."""

    steps: int = 80
    """Optimiser steps; 0 leaves the generator as it is."""
    variables: Literal["planes", "weights", "both"] = "planes"
    """What is tuned: an offset of this head's planes and the weights that draw them, all weights as in PTI, or both."""
    plane_rate: float = 0.06
    """Peak step of Adam on the offset, in standard deviations of the planes."""
    plane_epsilon: float = 0.3
    """Adam's epsilon for the offset, as a multiple of the root of the plane's mean squared gradient: texels that hardly
    anything is seen of would go as far as those of the face without it, and streak what the photo does not show."""
    side_planes: float = 0.1
    """Share of that step for the planes that front and back have in common, if there is one of the front alone: on those
    the photo runs on as streaks, along the sides and down the back. Where all planes are in common it is a quarter."""
    reach: float = 0.06
    """How far from the surface that the photo or its mirror image sees the offset counts, world units, fading over as much
    again; what neither sees stays as it is. 0 counts it everywhere. For generators with a plane of the front alone."""
    learning_rate: float = 0.0005
    """Peak step of Adam on the generator's weights; they draw what the photo does not show, too."""
    ramp: bool = True
    """Begin and end with small steps; if not, all steps are alike, as PTI's are."""
    backbone: Literal["alex", "vgg"] = "alex"
    """What LPIPS looks with; SPI has `vgg`, PTI and HFGI3D's code `alex`."""
    lpips: float = 1.0
    """Weight of LPIPS at the photo's camera."""
    colour: float = 16.0
    """Weight of the colour difference at the photo's camera."""
    squared: bool = False
    """Compare colours by mean square, as PTI does, instead of mean absolute difference."""
    alpha: float = 1.0
    """Weight of the silhouette at the photo's camera."""
    rays: float = 2.0
    """Weight, within the silhouette's, of the outline that the rays give before super-resolution: a mesh has that one."""
    stop_lpips: float = 0.0
    """Stop once LPIPS at the photo's camera falls to this; PTI has 0.06. 0 never stops early."""
    keep_views: float = 1.0
    """Weight of staying as the untouched generator was, seen from all around."""
    keep_colour: float = 2.0
    """Weight of colour there, from the sides and behind, beside the shape's."""
    keep_final: bool = True
    """Hold what the super-resolution makes of those views, too: it is tuned on the front, and draws the back as well."""
    keep_lpips: float = 2.0
    """Weight of LPIPS there, as `keep_colour`: colours alone are nearest when strands are blurred."""
    keep_smooth: float = 20.0
    """Weight of the slopes of the surface there, the front's too: pictures alone would let it become rough."""
    keep_every: int = 2
    """Steps between two looks at a held view."""
    keep_cameras: int = 16
    """How many cameras around the head hold it."""
    keep_size: int = 64
    """Rays along one side of a held view; as many as a picture has, or its super-resolution learns to draw others."""
    locality: float = 0.0
    """Weight of PTI's locality regulariser: latents near the pivot must go on drawing what they drew."""
    locality_step: float = 30.0
    """How far from the pivot those latents lie, in the units of w."""
    locality_every: int = 4
    """Steps between two uses of the locality regulariser."""
    free_latent: bool = False
    """Tune the latent with the weights, as HFGI3D's paper does; its code and PTI keep the pivot. An offset of the planes
    alone hides the backbone, so this needs `variables` to be weights or both."""
    views: float = 0.5
    """Weight of the pseudo views, with the same LPIPS, colour and silhouette weights as the photo."""
    views_together: int = 1
    """Pseudo views a step that uses any, on shared planes; HFGI3D has 1."""
    views_every: int = 2
    """Steps between two uses of pseudo views."""
    view_masks: bool = True
    """Weigh each pixel of a pseudo view by how far it is to be believed; HFGI3D's code compares whole pictures."""
    outlines: float = 1.0
    """Weight of the outlines from all around that come with the pseudo views."""
    outlines_every: int = 4
    """Steps between two looks at an outline."""
    mirror: float = 1.0
    """Weight of the mirrored photo and the neighbouring views, if there are any."""
    mirror_every: int = 2
    """Steps between two uses of them."""
    hold_patches: float = 0.0
    """Share of the photo's patches that is not fitted but judged by, for `check_every`."""
    hold_views: int = 2
    """Pseudo views that are not fitted but judged by, for `check_every`."""
    check_every: int = 0
    """Steps between two looks at what is held out; the best weights are kept. 0 holds nothing out."""
    patience: int = 3
    """Looks without an improvement after which tuning stops."""
    background: float | None = 0.0
    """Grey level behind the head while comparing, in [-1, 1]; none compares with the photo's own."""


@dataclass(frozen=True)
class Tuned:
    """The tuned generator's weights and what it draws at the photo's camera."""

    weights: dict[str, Tensor]
    """What was changed of the generator, by name; see `hfinv.generators.tunable`."""
    w_plus: Tensor
    """[1, L, D], the pivot."""
    camera: Camera
    """The photo's camera."""
    fit: Tensor
    """[1, 3, H, H] in [-1, 1], over the plain background."""
    psnr: float
    """Foreground PSNR of the fit against the photo, dB."""
    lpips: float
    """LPIPS of the fit against the photo, by what measures."""


def tune(
    generator: Generator,
    perceptual: Perceptual,
    face: Face,
    pivot: Pivot,
    config: TuningConfig,
    *,
    views: PseudoViews | None = None,
    mirror: Mirrored | None = None,
    terms: Sequence[Term] = (),
    measure: Perceptual | None = None,
    seed: int = 0,
    stage: str = "tuning",
    progress: Callable[[Step], None] = ignore,
) -> Tuned:
    """Tune the generator on the photo and what goes with it; the camera stays, and so does the pivot unless it is
    freed.

    HFGI3D's last stage (section 3.4 there) is this with pseudo views.

    Args:
        generator: changed in place.
        perceptual: LPIPS that the losses look with.
        face: the photo.
        pivot: where to tune.
        config: the schedule.
        views: photographs that were never taken, of the same head.
        mirror: the photo in a mirror, and neighbouring views.
        terms: further losses over the planes.
        measure: LPIPS that the result is measured with; `perceptual` if None.
        seed: of the views and latents drawn.
        stage: what the progress is called.
        progress: called after each step.
    """
    size = generator.card.image_size
    target = prepare(face.photo, face.foreground, face.seen, size, config.background, perceptual)
    rng = torch.Generator().manual_seed(seed)
    pivot = replace(pivot, w_plus=pivot.w_plus.detach().clone())  # every loss below holds this one
    whole, judge = target, None
    if config.check_every:
        held = config.hold_patches, config.hold_views
        parts = split(target, pivot.camera, views, *held, rng)
        target, views = parts.target, parts.views
        settings = (config, config.patience, config.background)
        judge = Judge(generator, perceptual, pivot.w_plus, parts, *settings)
    limit(generator, pivot, config)
    more = [
        *held_terms(generator, perceptual, pivot, config),
        *view_terms(generator, perceptual, pivot, config, views, mirror),
        *terms,
    ]
    make_planes, optimiser = begin(generator, pivot.w_plus, config)
    for step in range(config.steps):
        for group in optimiser.param_groups:
            ramp = learning_ramp(step / config.steps) if config.ramp else 1.0
            group["lr"] = group["peak"] * ramp
        planes = make_planes()
        if judge and step % config.check_every == 0 and judge.has_seen_enough(planes):
            break
        fit = generator.render(planes, pivot.w_plus, pivot.camera, background=config.background)
        parts = photometric(fit.image, fit.alpha, target, perceptual, config.squared)
        if parts["lpips"].item() <= config.stop_lpips:
            break
        loss = config.lpips * parts["lpips"] + config.colour * parts["colour"]
        parts["rays"] = silhouette(fit.opacity, target)
        loss = loss + config.alpha * (parts["alpha"] + config.rays * parts["rays"])
        for term in more:
            if step % term.every == 0:
                parts[term.name] = term.loss(planes, rng)
                loss = loss + term.weight * parts[term.name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        progress(Step(stage, step + 1, config.steps, {k: v.item() for k, v in parts.items()}))
    if judge:
        judge.restore()
    generator.requires_grad_(False)
    pivot.w_plus.requires_grad_(False)
    return conclude(generator, measure or perceptual, pivot, whole, config)


def limit(generator: Any, pivot: Pivot, config: TuningConfig) -> None:
    """Let the offset that is about to begin count only near what the photo sees, if it is to."""
    begins = config.variables != "weights" and generator.offset is None
    if begins and config.reach and generator.HALVES:
        generator.limit(find_reach(generator, pivot.w_plus, pivot.camera, config.reach))


def begin(
    generator: Any, w_plus: Tensor, config: TuningConfig
) -> tuple[Callable[[], Tensor], torch.optim.Optimizer]:
    """What makes the planes of each step, and the optimiser of the chosen variables; `peak` is a group's peak step."""
    weights = generator.choose(config.variables, w_plus)
    if config.free_latent:
        weights.append(w_plus.requires_grad_())
    if config.variables == "weights":
        groups = [{"params": weights, "peak": config.learning_rate}]
        return lambda: generator.planes(w_plus), torch.optim.Adam(groups, lr=0.0)
    with torch.no_grad():
        planes = generator.planes(w_plus)
    scale = float(planes[:, :, : generator.offset.shape[2]].std())
    groups = [
        {"params": [generator.offset], "peak": config.plane_rate * scale},
        {"params": [x for x in weights if x is not generator.offset], "peak": config.learning_rate},
    ]
    optimiser = torch.optim.Adam(groups, lr=0.0)
    shares = plane_shares(generator, config.side_planes)
    hold_back(optimiser, generator.offset, shares, config.plane_epsilon)
    if config.variables == "both":
        return lambda: generator.planes(w_plus), optimiser
    still = generator.unmoved(planes).detach()  # the backbone does not change, so it runs once
    return lambda: generator.moved(still), optimiser


def plane_shares(generator: Any, side_planes: float) -> Tensor:
    """How far each plane of the offset goes with each step, [1, P, 1, 1, 1]; see `TuningConfig.side_planes`."""
    shares = torch.full(generator.offset.shape[1:2], COMMON, device=generator.offset.device)
    if generator.HALVES:
        front, back = generator.HALVES
        shares[:] = side_planes
        shares[front], shares[back] = 1.0, 0.0
    return shares[None, :, None, None, None]


def hold_back(optimiser: torch.optim.Adam, planes: Tensor, shares: Tensor, epsilon: float) -> None:
    """Let each plane go only its share of each of Adam's steps, and each texel only as far as its gradient counts there.

    Adam's steps do not depend on the size of the gradient; with an epsilon in the gradients' own units they do.

    Args:
        optimiser: of the planes, among others.
        planes: [1, P, C, h, w].
        shares: [1, P, 1, 1, 1].
        epsilon: see `TuningConfig.plane_epsilon`.
    """
    last = planes.detach().clone()

    @torch.no_grad()
    def shorten(*_: Any) -> None:
        """After each step: take back the rest of it."""
        squares = optimiser.state[planes]["exp_avg_sq"]
        root, typical = squares.sqrt(), squares.mean((2, 3, 4), keepdim=True).sqrt()
        counted = root / (root + epsilon * typical).clamp_min(
            1e-30
        )  # 0 where nothing is seen at all
        planes.copy_(torch.lerp(last, planes, shares * counted))
        last.copy_(planes)

    optimiser.register_step_post_hook(shorten)


def held_terms(
    generator: Any, perceptual: Perceptual, pivot: Pivot, config: TuningConfig
) -> list[Term]:
    """The losses that hold the generator to what it drew before, where they count."""
    found: list[Term] = []
    if config.keep_views:
        found.append(KeptViews(generator, perceptual, pivot.w_plus, config))
    if config.locality:
        found.append(Locality(generator, perceptual, pivot, config))
    return found


def view_terms(
    generator: Any,
    perceptual: Perceptual,
    pivot: Pivot,
    config: TuningConfig,
    views: PseudoViews | None,
    mirror: Mirrored | None,
) -> list[Term]:
    """The losses that compare pictures other than the photo, where there are any and they count."""
    common = (generator, perceptual, pivot.w_plus)
    found: list[Term] = []
    if views is not None and config.views and len(views.images):
        masks = views.masks if config.view_masks else torch.ones_like(views.masks)
        found.append(
            PictureTerm(
                "views",
                *common,
                views.images,
                masks,
                views.cameras,
                config,
                foreground=views.foreground,
                together=config.views_together,
                weight=config.views_every * config.views,
                every=config.views_every,
                background=config.background,
            )
        )
    if views is not None and config.outlines and len(views.opacity):
        every = config.outlines_every
        found.append(OutlineTerm(generator, pivot.w_plus, views, every * config.outlines, every))
    if mirror is not None and config.mirror:
        weight, every = config.mirror_every * config.mirror, config.mirror_every
        settings = {"weight": weight, "every": every, "background": config.background}
        found.append(mirror_term(mirror, *common, config, **settings))
    return found


@torch.no_grad()
def conclude(
    generator: Any, measure: Perceptual, pivot: Pivot, target: Target, config: TuningConfig
) -> Tuned:
    """What was tuned, in half precision as it is stored, and what it draws."""
    weights = generator.changes()
    generator.change(weights)
    fit = draw(generator, pivot.w_plus, pivot.camera, config.background)
    lpips = measure(fit.image, target.image, target.counted)
    quality = psnr(fit.image, target.image, target.foreground * target.counted)
    return Tuned(weights, pivot.w_plus, pivot.camera, fit.image.clamp(-1, 1), quality, float(lpips))
