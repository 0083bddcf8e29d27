"""Make clean drawings of heads look like what an intake hands on: badly cropped, blurred, covered, mis-measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.camera import FFHQ_FOCAL, Camera, pinhole
from hfinv.latent import cross_matrix, move


@dataclass(frozen=True)
class AugmentConfig:
    """How strongly; each spread is a standard deviation, each share a probability."""

    scale: float = 0.03
    """Spread of the crop's size, as a share."""
    shift: float = 0.015
    """Spread of the crop's place, in image sides."""
    roll_deg: float = 5.0
    """Spread of the head's tilt, in degrees."""
    turn_deg: float = 1.5
    """Spread of the error of the measured camera's direction, in degrees."""
    camera_shift: float = 0.01
    """Spread of the error of its place, in world units."""
    light: float = 0.06
    """Spread of brightness, contrast and gamma, each; more hides the tone of the skin."""
    tint: float = 0.04
    """Spread of each colour channel's gain."""
    covered: float = 0.3
    """Share of pictures with something in front of the head."""
    leaking: float = 0.3
    """Share whose matte takes in background."""
    eaten: float = 0.2
    """Share whose matte loses a rim."""
    cut: float = 0.15
    """Share whose lower or outer part lies outside the photo."""
    blurred: float = 0.5
    """Share that is blurred."""
    compressed: float = 0.5
    """Share that went through JPEG."""
    noise: float = 0.04
    """Most noise, of colours in [0, 1]."""


@dataclass(frozen=True)
class Example:
    """B pictures as the encoder is given them, and what it should say of their cameras."""

    crop: Tensor
    """[B, 4, S, S], colour in [-1, 1] times coverage, then coverage."""
    camera: Camera
    """B cameras, wrongly measured."""
    motion: Tensor
    """[B, 6], what `hfinv.latent.move` should be given to make them right."""


def augment(
    colour: Tensor,
    camera: Camera,
    pivot: tuple[float, float, float],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> Example:
    """Spoil clean pictures.

    Args:
        colour: [B, 4, S, S] in [0, 1], colour times coverage, then coverage.
        camera: their cameras.
        pivot: the point about which cameras turn.
        config: how strongly.
        rng: draws everything.
    """
    colour, camera = jitter(colour, camera, pivot, config, rng)
    spoilt = []
    for picture in colour:
        picture = repaint(picture, config, rng)
        picture = cover(picture, config, rng)
        picture = mis_matte(picture, config, rng)
        spoilt.append(degrade(picture, config, rng))
    colour = torch.stack(spoilt)
    crop = torch.cat([2 * colour[:, :3] - colour[:, 3:], colour[:, 3:]], 1)
    wrong = torch.from_numpy(rng.standard_normal((len(crop), 6))).float()
    wrong = wrong * wrong.new_tensor(
        [math.radians(config.turn_deg)] * 3 + [config.camera_shift] * 3
    )
    return Example(crop, move(camera, wrong, pivot), inverse(wrong))


def inverse(motion: Tensor) -> Tensor:
    """The motion that undoes one, [B, 6]: x -> R (x - p) + p + s is undone by R' and -R' s."""
    turn = torch.linalg.matrix_exp(cross_matrix(motion[:, :3]))
    back = -(turn.mT @ motion[:, 3:, None])[..., 0]
    return torch.cat([-motion[:, :3], back], 1)


def jitter(
    colour: Tensor,
    camera: Camera,
    pivot: tuple[float, float, float],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> tuple[Tensor, Camera]:
    """Crop anew: tilted, larger or smaller, aside; the cameras follow exactly, with the usual intrinsics."""
    count = len(colour)
    angle = torch.from_numpy(rng.normal(0, math.radians(config.roll_deg), count)).float()
    scale = torch.from_numpy(np.exp(rng.normal(0, config.scale, count))).float()
    shift = torch.from_numpy(rng.normal(0, config.shift, (count, 2))).float()
    cos, sin = angle.cos(), angle.sin()
    # New pixel q sees the old pixel p with q = scale * R p + shift, about the middle, in image sides.
    old_from_new = torch.stack([cos, sin, -sin, cos], 1).reshape(-1, 2, 2) / scale[:, None, None]
    offset = -(old_from_new @ (2 * shift)[..., None])  # grid units are half image sides
    grid = F.affine_grid(torch.cat([old_from_new, offset], 2), colour.shape, align_corners=False)
    colour = F.grid_sample(colour, grid, padding_mode="border", align_corners=False)
    roll = torch.eye(4).repeat(count, 1, 1)
    roll[:, :2, :2] = torch.stack([cos, sin, -sin, cos], 1).reshape(-1, 2, 2)
    intrinsics = camera.intrinsics.clone()
    intrinsics[:, :2, :2] *= scale[:, None, None]
    intrinsics[:, :2, 2] = 0.5 + shift
    return colour, standardise(Camera(camera.cam2world @ roll, intrinsics), pivot)


def standardise(camera: Camera, pivot: tuple[float, float, float]) -> Camera:
    """Cameras of the usual intrinsics that see the pivot at the same place and at the same size.

    Args:
        camera: B cameras whose principal point and focal length may lie off the usual ones.
        pivot: world point.
    """
    point = camera.cam2world.new_tensor(pivot)
    turn = camera.cam2world[:, :3, :3]
    seen = ((point - camera.centre)[:, None] @ turn)[:, 0]  # [B, 3], camera frame
    image = (seen[:, None] @ camera.intrinsics.mT)[:, 0]
    depth = seen[:, 2:] * FFHQ_FOCAL / camera.intrinsics[:, :1, 0]
    wanted = torch.cat([(image[:, :2] / image[:, 2:] - 0.5) * depth / FFHQ_FOCAL, depth], 1)
    cam2world = camera.cam2world.clone()
    cam2world[:, :3, 3] = point - (turn @ wanted[..., None])[..., 0]
    return Camera(cam2world, pinhole().expand(len(cam2world), 3, 3))


def repaint(picture: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Another camera's colours: gamma, brightness, contrast and white balance of [4, S, S]."""
    alpha = picture[3:]
    plain = (picture[:3] / alpha.clamp(min=1e-3)).clamp(1e-3, 1)
    plain = plain ** math.exp(rng.normal(0, config.light))
    gain = math.exp(rng.normal(0, config.light)) * np.exp(rng.normal(0, config.tint, (3, 1, 1)))
    contrast = math.exp(rng.normal(0, config.light))
    plain = contrast * (plain * torch.from_numpy(gain).float() - 0.5) + 0.5
    return torch.cat([plain.clamp(0, 1) * alpha, alpha])


def cover(picture: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Ellipses and bars of noisy colour in front of the head, solid or missing from the matte."""
    if rng.uniform() >= config.covered:
        return picture
    size = picture.shape[-1]
    for _ in range(rng.integers(1, 3)):
        mask = np.zeros((size, size), np.float32)
        centre = tuple(int(v) for v in rng.uniform(0, size, 2))
        half = tuple(int(v) for v in rng.uniform(0.03, 0.2, 2) * size)
        turn = float(rng.uniform(0, 180))
        if rng.uniform() < 0.5:
            cv2.ellipse(mask, centre, half, turn, 0, 360, 1.0, -1)
        else:
            cv2.fillPoly(
                mask, [cv2.boxPoints((centre, (4 * half[0], half[1]), turn)).astype(int)], 1.0
            )
        mask = torch.from_numpy(cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.3, 2)))
        paint = patch(rng, size)
        solid = float(rng.uniform() < 0.8)
        thing = torch.cat([solid * paint, torch.full((1, size, size), solid)])
        picture = (1 - mask) * picture + mask * thing
    return picture


def patch(rng: np.random.Generator, size: int) -> Tensor:
    """[3, S, S] in [0, 1], clouds of two colours."""
    low = torch.from_numpy(rng.uniform(0, 1, (1, 1, 4, 4))).float()
    blend = F.interpolate(low, size=(size, size), mode="bilinear")[0]
    first, second = torch.from_numpy(rng.uniform(0, 1, (2, 3, 1, 1))).float()
    return blend * first + (1 - blend) * second


def mis_matte(picture: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """A matte that takes in background, or loses a rim, or ends where the photo does."""
    size, alpha = picture.shape[-1], picture[3:]
    if rng.uniform() < config.leaking:
        wide = F.max_pool2d(alpha[None], 2 * int(rng.integers(1, 5)) + 1, 1, 0)[0]
        wide = F.interpolate(wide[None], size=(size, size), mode="bilinear")[0].maximum(alpha)
        picture = picture + (wide - alpha) * torch.cat([patch(rng, size), torch.ones_like(alpha)])
    if rng.uniform() < config.eaten:
        reach = int(rng.integers(1, 4))
        kept = 1 - F.max_pool2d(1 - picture[None, 3:], 2 * reach + 1, 1, reach)[0]
        picture = picture * (kept / picture[3:].clamp(min=1e-3)).clamp(0, 1)
    if rng.uniform() < config.cut:
        picture = picture.clone()
        edge = int(rng.uniform(0.02, 0.2) * size)
        side = rng.integers(3)
        if side == 0:
            picture[:, -edge:] = 0
        elif side == 1:
            picture[:, :, :edge] = 0
        else:
            picture[:, :, -edge:] = 0
    return picture


def degrade(picture: Tensor, config: AugmentConfig, rng: np.random.Generator) -> Tensor:
    """Blur, noise and JPEG; the matte, made from the photo, stays as sharp as it is."""
    colour, alpha = picture[:3], picture[3:]
    plain = colour + (1 - alpha) * 0.5  # so that edges ring as they do over a background
    image = np.ascontiguousarray(plain.permute(1, 2, 0).numpy())
    if rng.uniform() < config.blurred:
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.3, 1.6)))
    image = image + rng.uniform(0, config.noise) * rng.standard_normal(image.shape, np.float32)
    if rng.uniform() < config.compressed:
        pixels = (image.clip(0, 1) * 255).astype(np.uint8)
        coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))])
        image = cv2.imdecode(coded[1], cv2.IMREAD_COLOR).astype(np.float32) / 255
    plain = torch.from_numpy(image).permute(2, 0, 1).float().clamp(0, 1)
    return torch.cat([plain * alpha, alpha])
