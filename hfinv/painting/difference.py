"""What a person painted on a crop, told apart from what saving and scaling did to it.

JPEG and scaling change a picture everywhere and most where it is busy; paint changes it much, and in one place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
import torch
from torch import Tensor

from hfinv.errors import PhotoError
from hfinv.image import resize
from hfinv.shapes import check

HOW = "paint on `RUN/intake/crop.png`, keep all of the picture, and save it as PNG"


@dataclass(frozen=True)
class DifferenceConfig:
    """When a difference is paint."""

    blur: float = 1.2
    """Standard deviation of the blur before comparing, in pixels of the smaller picture, against JPEG's blocks."""
    least: float = 0.05
    """Smallest difference of colours in [-1, 1] that may be paint: 6 of 255."""
    noise: float = 4.0
    """How many times the difference that the unpainted part shows, given how busy it is there, is paint."""
    whole: float = 0.1
    """A median change of colours beyond this is another picture."""
    seed: float = 2.0
    """Paint must reach so many times that somewhere in each stroke."""
    speck: float = 0.00004
    """Strokes of a smaller share of the picture are noise."""
    ratio: float = 0.01
    """How much the sides may differ in ratio from the crop's."""
    most: float = 0.6
    """Beyond this share of the picture it is not the same picture."""


def find_paint(
    edited: Tensor, crop: Tensor, config: DifferenceConfig = DifferenceConfig()
) -> tuple[Tensor, Tensor]:
    """Colours of an edited picture and where they were painted.

    Args:
        edited: [1, 3, H, W] in [-1, 1]; any size of the crop's shape.
        crop: [1, 3, S, S] in [-1, 1], before.
        config: when a difference is paint.

    Returns:
        colour [1, 3, S, S] in [-1, 1] and paint [1, 1, S, S] in [0, 1], 1 where it was painted.

    Raises:
        PhotoError: another shape, nothing painted, or nearly everything.
    """
    size = check(crop=(crop, "1 3 S S"), edited=(edited, "1 3 H W"))["S"]
    height, width = edited.shape[-2:]
    if abs(width / height - 1) > config.ratio:
        raise PhotoError(f"the painted picture is {width} x {height}, the crop is square", HOW)
    # Both at the smaller size: what is finer than that the edited picture cannot show.
    small = min(size, height, width)
    before, after = resize(crop, small), resize(edited, small)
    step = step_between(after, before, config)
    if np.median(np.abs(step).max(0)) > config.whole:
        raise PhotoError("the picture differs from the crop as a whole, which is no paint", HOW)
    painted = strokes(strength(step, before, config), step, config)
    share = painted.mean()
    if share == 0:
        raise PhotoError("nothing is painted: the picture is the crop", HOW)
    if share > config.most:
        raise PhotoError(f"{100 * share:.0f} % of the crop is changed, which is no paint", HOW)
    mask = torch.from_numpy(painted)[None, None].to(crop)
    return resize(after, size), resize(mask, size)


def step_between(after: Tensor, before: Tensor, config: DifferenceConfig) -> np.ndarray:
    """[3, H, W], the change of colour, without a small one of the picture as a whole: another colour profile."""
    step = (after - before)[0].double().cpu().numpy()
    return step - np.median(step, axis=(1, 2), keepdims=True).clip(-config.least, config.least)


def strength(step: np.ndarray, before: Tensor, config: DifferenceConfig) -> np.ndarray:
    """[H, W], how many times more the colours changed than they may where nobody painted."""
    difference = np.stack(
        [scipy.ndimage.gaussian_filter(c, config.blur) for c in np.abs(step)]
    ).max(0)
    busy = busyness(before, config)
    # The unpainted part is most of the picture, so quantiles speak of it.
    quiet = np.median(difference)
    lively = busy >= np.median(busy)
    rate = np.quantile(difference[lively] / np.maximum(busy[lively], 1e-6), 0.75)
    allowed = np.maximum(config.least, config.noise * np.maximum(quiet, rate * busy))
    return difference / allowed


def busyness(picture: Tensor, config: DifferenceConfig) -> np.ndarray:
    """[H, W], how strong the edges around each pixel are, in colours a pixel."""
    grey = picture.mean(1)[0].double().cpu().numpy()
    edges = np.hypot(scipy.ndimage.sobel(grey, 0), scipy.ndimage.sobel(grey, 1)) / 8
    return scipy.ndimage.gaussian_filter(edges, 2 * config.blur)


def strokes(difference: np.ndarray, step: np.ndarray, config: DifferenceConfig) -> np.ndarray:
    """[H, W] float32 in [0, 1]: the connected parts that are paint, with soft edges.

    Args:
        difference: [H, W], from `strength`.
        step: [3, H, W], from `step_between`, not blurred.
        config: how large and how strong a stroke must be.
    """
    labels, count = scipy.ndimage.label(difference > 1, np.ones((3, 3)))
    if not count:
        return np.zeros(difference.shape, np.float32)
    each = np.arange(1, count + 1)
    large = scipy.ndimage.sum_labels(np.ones_like(difference), labels, each)
    strong = scipy.ndimage.maximum(difference, labels, each)
    kept = each[(large >= max(4, config.speck * difference.size)) & (strong >= config.seed)]
    near = np.isin(labels, kept)
    # The blur made the strokes wider: at their edges the colours themselves tell how much is paint.
    sharp = np.abs(step).max(0)
    share = sharp / np.maximum(scipy.ndimage.maximum_filter(sharp, 7), config.least)
    inner = scipy.ndimage.binary_erosion(near, iterations=3)
    return np.where(near, np.where(inner, 1.0, np.clip(1.4 * share - 0.2, 0, 1)), 0.0).astype(
        np.float32
    )
