"""Find the latent and the camera whose rendering comes nearest to the photo.

First W (one vector, stays on the prior), then W+ (one row a layer). The camera starts from the face's landmarks,
moves alone for a few steps, then together with the latent: a small misalignment ruins an inversion (Ko et al., WACV 2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from hfinv.anchors import find_anchors
from hfinv.camera import Camera, concatenate
from hfinv.encoders import Guess, guess, load_encoder
from hfinv.generators.base import Card, Generator, Rendering
from hfinv.intake import Face
from hfinv.losses import Target, mirror_target, photometric, prepare, psnr
from hfinv.perceptual import Perceptual
from hfinv.prior import Prior
from hfinv.progress import Step, ignore
from hfinv.symmetry.weights import YawConfig, yaw_of, yaw_weight

SETTLE_STEPS = 120
SETTLE_RATE = 0.05
"""Peak step of Adam while landmarks alone are fitted, standard deviations of w; the camera's is a tenth of it."""
INDEPENDENT = 120
"""How many of the 2 x 468 coordinates' errors, of a pixel of 256 each, are independent of each other, about."""
LOOSE = 0.01
"""Radians and world units, how far off the camera may be when landmarks are fitted."""


@dataclass(frozen=True)
class LatentConfig:
    """How the latent and the camera are found."""

    start: Literal["mean", "encoder"] = "encoder"
    """Where the search starts: at the mean head, or at the encoder's guess. A generator without labelled factors
    always starts at its mean."""
    camera_steps: int = 10
    """Steps in which only the camera moves; none where landmarks have moved it before."""
    w_steps: int = 40
    """Steps in W, one vector for all layers."""
    w_plus_steps: int = 10
    """Steps in W+, one vector a layer; more come nearer to the photo and give the back of the head odd colours."""
    learning_rate: float = 0.08
    """Peak step of the latent, in standard deviations of w."""
    camera_rate: float = 0.0015
    """Peak step of the camera: radians of turn, world units of shift. 0 keeps the camera."""
    backbone: Literal["alex", "vgg"] = "alex"
    """What LPIPS looks with while the latent is sought."""
    lpips: float = 1.0
    """Weight of LPIPS."""
    colour: float = 1.0
    """Weight of the mean absolute colour difference."""
    alpha: float = 1.0
    """Weight of the silhouette."""
    prior: float = 0.002
    """Weight of the squared distance of the latent from the mean, in standard deviations of w."""
    together: float = 40.0
    """Weight, as a multiple of `prior`, of how unlikely the colours that w names are together, for generators whose w does;
    without, the search tints the sides of the head that the photo does not show."""
    noise: float = 0.05
    """Random walk around the latent in the first three quarters, in standard deviations of w."""
    background: float | None = 0.0
    """Grey level behind the head while comparing, in [-1, 1]; none compares with the photo's own."""
    landmarks: float = 0.01
    """Weight of the landmarks' distances, in pixels of a crop of 256, where the generator can say where its own go; 0
    does without. Before anything is drawn the shape is fitted to them alone."""
    mirror: YawConfig = field(default_factory=lambda: YawConfig(rule="none"))
    """How much the photo in a mirror counts as a second view, as in SPI."""


@dataclass(frozen=True)
class Pivot:
    """The head as the untouched generator can best draw it."""

    w_plus: Tensor
    """[1, L, D]."""
    camera: Camera
    """The photo's camera, refined."""
    fit: Tensor
    """[1, 3, H, H] in [-1, 1], the rendering at that camera over the plain background."""
    psnr: float
    """Foreground PSNR of the fit against the photo, dB."""
    lpips: float
    """LPIPS of the fit against the photo."""


def estimate_latent(
    generator: Generator,
    perceptual: Perceptual,
    face: Face,
    config: LatentConfig,
    *,
    seed: int = 0,
    progress: Callable[[Step], None] = ignore,
) -> Pivot:
    """Optimise w, then w_plus, and the camera, to match the photo.

    Args:
        generator: frozen.
        perceptual: LPIPS.
        face: the photo, its matte and its first camera.
        config: the schedule.
        seed: of the random walk.
        progress: called after each step.
    """
    target = prepare(
        face.photo,
        face.foreground,
        face.seen,
        generator.card.image_size,
        config.background,
        perceptual,
    )
    anchors = find_anchors(generator, face) if config.landmarks else None
    if anchors:  # they move the camera before the first step
        config = replace(config, camera_steps=0)
    search = Search(generator, face.camera, config)
    if config.start == "encoder" and generator.card.factors:
        search.start_at(first_guess(generator, face))
    if anchors:
        search.settle(lambda w_plus, camera: anchors.loss(generator, w_plus, camera))
    mirror = yaw_weight(yaw_of(face.camera), config.mirror)
    mirrored = mirror_target(target, perceptual) if mirror else None
    rng = torch.Generator().manual_seed(seed)
    total = config.camera_steps + config.w_steps + config.w_plus_steps
    for step in range(total):
        if step == config.camera_steps + config.w_steps:
            search.enter_w_plus()
        search.schedule(step, total)
        w_plus = search.latent(rng, step / total)
        cameras = search.camera()
        if mirrored:  # where the photo was taken from is for the photo alone to say
            cameras = concatenate([cameras, cameras.detach().mirrored()])
        rendering = draw(generator, w_plus, cameras, config.background)
        image, alpha = rendering.image, rendering.alpha
        terms = photometric(image[:1], alpha[:1], target, perceptual)
        loss = weighed(terms, config)
        if mirrored:
            second = photometric(image[1:], alpha[1:], mirrored, perceptual)
            terms["mirror"] = weighed(second, config)
            loss = loss + mirror * terms["mirror"]
        if anchors:
            terms["landmarks"] = anchors.loss(generator, w_plus, cameras[:1])
            loss = loss + config.landmarks * terms["landmarks"]
        terms["prior"] = search.unlikely()
        loss = loss + config.prior * terms["prior"]
        search.step(loss)
        progress(Step("latent", step + 1, total, {k: v.item() for k, v in terms.items()}))
    return conclude(generator, perceptual, search, target, config)


def weighed(terms: dict[str, Tensor], config: LatentConfig) -> Tensor:
    """The photometric terms of one view, by the settings' weights."""
    return (
        config.lpips * terms["lpips"]
        + config.colour * terms["colour"]
        + config.alpha * terms["alpha"]
    )


@torch.no_grad()
def conclude(
    generator: Generator,
    perceptual: Perceptual,
    search: Search,
    target: Target,
    config: LatentConfig,
) -> Pivot:
    """The search's result, drawn and measured once more without its random walk."""
    w_plus, camera = search.latent().detach(), search.camera().detach()
    fit = draw(generator, w_plus, camera, config.background)
    lpips = photometric(fit.image, fit.alpha, target, perceptual)["lpips"]
    quality = psnr(fit.image, target.image, target.foreground * target.counted)
    return Pivot(w_plus, camera, fit.image.clamp(-1, 1), quality, float(lpips))


def first_guess(generator: Generator, face: Face) -> Guess:
    """What the bundled encoder takes the photo for."""
    encoder = load_encoder(device=face.photo.device)
    return guess(encoder, generator, face.photo, face.foreground, face.seen, face.camera)


def draw(
    generator: Generator, w_plus: Tensor, camera: Camera, background: float | None
) -> Rendering:
    """The head of a latent, seen from a camera."""
    return generator.render(generator.planes(w_plus), w_plus, camera, background=background)


class Search:
    """The variables of the search: a latent in units of w's spread, and a small motion of the camera."""

    def __init__(self, generator: Generator, camera: Camera, config: LatentConfig) -> None:
        self.config = config
        self.mean, self.scale = generator.mean_latent().detach(), generator.latent_scale().detach()
        self.prior = Prior(generator, config.together if config.prior else 0.0)
        self.card: Card = generator.card
        self.first_camera = camera
        self.offset = torch.zeros_like(self.mean[:, :1]).requires_grad_()  # [1, 1, D]
        self.motion = camera.cam2world.new_zeros(1, 6).requires_grad_()
        self._optimise()

    def _optimise(self) -> None:
        groups = [
            {"params": [self.offset], "name": "latent"},
            {"params": [self.motion], "name": "camera"},
        ]
        self.optimiser = torch.optim.Adam(groups, lr=0.0)

    def start_at(self, guess: Guess) -> None:
        """From a guess instead of the mean head and the measured camera."""
        offset = (guess.w_plus[:, :1] - self.mean[:, :1]) / self.scale
        self.offset = offset.detach().clone().requires_grad_()
        if self.config.camera_rate:
            self.motion = guess.motion.detach().clone().requires_grad_()
        self._optimise()

    def settle(self, distance: Callable[[Tensor, Camera], Tensor]) -> None:
        """Fit shape and camera to landmarks alone, near to where they are: maximum a posteriori.

        Args:
            distance: `Anchors.loss` of a latent and a camera.
        """
        variables = [self.offset] + ([self.motion] if self.config.camera_rate else [])
        first = [variable.detach().clone() for variable in variables]
        rates = (SETTLE_RATE, 0.1 * SETTLE_RATE)
        optimiser = torch.optim.Adam(
            [{"params": [v], "peak": rate} for v, rate in zip(variables, rates)], lr=0.0
        )
        for step in range(SETTLE_STEPS):
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * learning_ramp(step / SETTLE_STEPS)
            likely = sum(
                ((now - then) / spread).square().sum()
                for now, then, spread in zip(variables, first, (1.0, LOOSE))
            )
            optimiser.zero_grad(set_to_none=True)
            (distance(self.latent(), self.camera()) + likely / INDEPENDENT).backward()
            optimiser.step()
        self._optimise()

    def enter_w_plus(self, w_plus: Tensor | None = None) -> None:
        """From one row for all layers to one row a layer; from the given one [1, L, D], if any."""
        offset = self.offset if w_plus is None else (w_plus - self.mean) / self.scale
        self.offset = offset.detach().expand_as(self.mean).clone().requires_grad_()
        self._optimise()

    def schedule(self, step: int, total: int) -> None:
        """The StyleGAN projector's ramps, in both phases; the camera moves alone at first, and slower."""
        ramp = learning_ramp(step / total)
        alone = step < self.config.camera_steps
        for group in self.optimiser.param_groups:
            if group["name"] == "camera":
                group["lr"] = self.config.camera_rate * ramp
            else:
                group["lr"] = 0.0 if alone else self.config.learning_rate * ramp

    def latent(self, rng: torch.Generator | None = None, time: float = 1.0) -> Tensor:
        """w_plus [1, L, D], with the random walk of that time if `rng` is given."""
        offset = self.offset
        if rng is not None:
            spread = self.config.noise * max(0.0, 1 - time / 0.75) ** 2
            walk = torch.randn(offset.shape, generator=rng)  # on the CPU: the same on all devices
            offset = offset + spread * walk.to(offset)
        return (self.mean + self.scale * offset).expand_as(self.mean)

    def unlikely(self) -> Tensor:
        """How far the latent is from those of the prior, see `Prior`; a scalar."""
        return self.prior.unlikely(self.offset)

    def camera(self) -> Camera:
        """The first camera, moved."""
        return move(self.first_camera, self.motion, self.card.pivot)

    def step(self, loss: Tensor) -> None:
        """One step of Adam down the loss."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()


def learning_ramp(time: float) -> float:
    """Up over the first twentieth, down on a cosine over the last quarter; `time` runs from 0 to 1."""
    return (
        min(1.0, (time + 1e-3) / 0.05) * 0.5 * (1 - math.cos(math.pi * min(1.0, (1 - time) / 0.25)))
    )


def move(camera: Camera, motion: Tensor, pivot: tuple[float, float, float]) -> Camera:
    """Turn the camera about the pivot, then shift it.

    Args:
        camera: B cameras.
        motion: [B, 6]: a rotation vector in radians, then a shift in world units; differentiable at 0.
        pivot: the world point that stays in place.
    """
    turn = torch.linalg.matrix_exp(cross_matrix(motion[:, :3]))  # [B, 3, 3]
    centre = motion.new_tensor(pivot)
    shift = centre - (turn @ centre) + motion[:, 3:]
    top = torch.cat([turn, shift[..., None]], -1)
    bottom = motion.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(motion), 1, 4)
    return Camera(torch.cat([top, bottom], 1) @ camera.cam2world, camera.intrinsics)


def cross_matrix(vector: Tensor) -> Tensor:
    """[B, 3] -> [B, 3, 3], the matrix whose product with x is the cross product of the vector and x."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(-1, 3, 3)
