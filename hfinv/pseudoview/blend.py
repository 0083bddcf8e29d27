"""Join what the photo shows of a view with what the generator paints there.

HFGI3D's paper prefers Poisson's blending and names a feathered mask, which is what its code has. The third way, several
bands of frequencies (Burt and Adelson 1983) after matching the colours around the seam, neither drags colours across large
areas nor shows a seam.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy
import torch
import torch.nn.functional as F
from torch import Tensor

from hfinv.shapes import check

REFERENCE = 512
"""Lengths in `BlendConfig` are pixels of a view of this side."""
FADE_OUT, FADE_FULL = 0.05, 0.3
"""Shares of the ring's greatest nearness at which matched colours end and are whole."""


@dataclass(frozen=True)
class BlendConfig:
    """How the two sources meet. Lengths are in pixels of a 512 px view."""

    method: Literal["bands", "feather", "poisson"] = "bands"
    """Several bands with matched colours; a soft border; or Poisson's equation."""
    erosion: float = 1.0
    """How far the photo's part is drawn back from its border."""
    rim: float = 0.0
    """How far it is drawn back from the head's outline; HFGI3D's code has 25."""
    feather: float = 10.0
    """Radius of the blur that softens the border."""
    bands: int = 4
    """Of frequencies, from fine to coarse."""
    ring: float = 12.0
    """Width of the ring around the seam in which colours are matched; 0 does not match them."""
    reach: float = 60.0
    """How far from the seam the painted part takes on the photo's colours."""


def trim(visible: Tensor, outline: Tensor, config: BlendConfig) -> Tensor:
    """The photo's part of a view, drawn back from its border and softened inwards, never outside of what was visible.

    Args:
        visible: [K, 1, H, H] in [0, 1], 1 where the photo saw the point.
        outline: [K, 1, H, H] in [0, 1], 1 where the view shows the head.
        config: the widths.
    """
    size = visible.shape[-1]
    part = erode(visible, pixels(config.erosion, size))
    if config.rim:
        part = part * erode((outline > 0.5).to(part), pixels(config.rim, size))
    return visible * soften(part, config.feather * size / REFERENCE)


def blend(
    seen: Tensor, painted: Tensor, outline: Tensor, weight: Tensor, config: BlendConfig
) -> Tensor:
    """The photo's part and the painted part as one picture.

    Args:
        seen: [K, 3, H, H] in [-1, 1], the photo carried to the views; meaningless where `weight` is 0.
        painted: [K, 3, H, H] in [-1, 1], the generator's pictures of the views.
        outline: [K, 1, H, H] in [0, 1], 1 where the view shows the head; colours are matched on it only.
        weight: [K, 1, H, H] in [0, 1], the photo's part, from `trim`.
        config: the method.

    Returns:
        [K, 3, H, H] in [-1, 1]; the painted picture, exactly, where nothing of the photo is near.

    Raises:
        ValueError: a shape does not fit.
    """
    check(
        seen=(seen, "K 3 H W"),
        painted=(painted, "K 3 H W"),
        outline=(outline, "K 1 H W"),
        weight=(weight, "K 1 H W"),
    )
    if config.method == "poisson":
        return poisson(seen, painted, weight > 0.5).clamp(-1, 1)
    if config.method == "feather":
        return weight * seen + (1 - weight) * painted
    if config.ring:
        painted = match_colours(seen, painted, outline, weight, config)
    seen = torch.where(weight > 0, weight * seen + (1 - weight) * painted, painted)
    return join_bands(seen, painted, weight, config.bands).clamp(-1, 1)


def match_colours(
    seen: Tensor, painted: Tensor, outline: Tensor, weight: Tensor, config: BlendConfig
) -> Tensor:
    """The painted pictures, shifted towards the photo's colours near the seam; the shift fades with the distance from it.

    Args: as for `blend`.
    """
    size = weight.shape[-1]
    scale = size / REFERENCE
    outside = soften(1 - weight, config.ring * scale)
    ring = weight * outside * outline  # of the photo's pixels, those near the other part
    shift = soften(ring * (seen - painted), config.reach * scale)
    near = soften(ring, config.reach * scale)
    # The mean difference of the ring's pixels around; it fades to nothing before the blur's reach ends.
    most = near.amax((1, 2, 3), keepdim=True).clamp(min=1e-6)
    fade = ((near / most - FADE_OUT) / (FADE_FULL - FADE_OUT)).clamp(0, 1)
    return painted + outline * fade * shift / near.clamp(min=1e-6)


def join_bands(seen: Tensor, painted: Tensor, weight: Tensor, bands: int) -> Tensor:
    """Blend each band of frequencies over a border of its own width."""
    steps = min(bands - 1, int(math.log2(min(seen.shape[-2:]))) - 1)
    result = []
    for _ in range(steps):
        low_seen, low_painted, low_weight = (halve(x) for x in (seen, painted, weight))
        fine = [
            x - double(low, x.shape[-2:]) for x, low in ((seen, low_seen), (painted, low_painted))
        ]
        result.append(weight * fine[0] + (1 - weight) * fine[1])
        seen, painted, weight = low_seen, low_painted, low_weight
    joined = weight * seen + (1 - weight) * painted
    for fine in reversed(result):
        joined = double(joined, fine.shape[-2:]) + fine
    return joined


def halve(image: Tensor) -> Tensor:
    """[K, C, H, W] at half the size."""
    size = [max(1, side // 2) for side in image.shape[-2:]]
    return F.interpolate(image, size=size, mode="bilinear", antialias=True, align_corners=False)


def double(image: Tensor, size: tuple[int, int]) -> Tensor:
    """[K, C, h, w] at the given size, smoothly."""
    return F.interpolate(image, size=tuple(size), mode="bilinear", align_corners=False)


def poisson(seen: Tensor, painted: Tensor, inside: Tensor) -> Tensor:
    """The picture whose gradients are the photo's inside and whose border is the painted picture's (Perez et al. 2003).

    Solved in floating point: OpenCV's `seamlessClone` works on bytes.

    Args:
        seen, painted: [K, 3, H, W].
        inside: [K, 1, H, W], bool. Pixels on the picture's border count as outside.
    """
    result = painted.clone()
    for index in range(len(seen)):
        region = inside[index, 0].cpu().numpy().copy()
        region[[0, -1]], region[:, [0, -1]] = False, False
        if region.any():
            pair = (x[index].permute(1, 2, 0).double().cpu().numpy() for x in (seen, painted))
            solved = solve_region(*pair, region)
            result[index] = torch.from_numpy(solved).permute(2, 0, 1).to(painted)
    return result


def solve_region(source: np.ndarray, target: np.ndarray, region: np.ndarray) -> np.ndarray:
    """One picture [H, W, 3]: the source's gradients inside the region [H, W], the target outside."""
    y, x = np.nonzero(region)
    count = len(y)
    number = np.full(region.shape, -1)
    number[y, x] = np.arange(count)
    right = np.zeros((count, source.shape[-1]))
    rows, columns = [np.arange(count)], [np.arange(count)]
    values = [np.full(count, 4.0)]
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        to = (y + dy, x + dx)
        within = region[to]
        # Beyond the region the photo's values mean nothing; no gradient is wanted across its border.
        right += np.where(within[:, None], source[y, x] - source[to], 0.0)
        right[~within] += target[to][~within]
        rows.append(np.flatnonzero(within))
        columns.append(number[to][within])
        values.append(np.full(within.sum(), -1.0))
    matrix = scipy.sparse.csc_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
    )
    result = target.copy()
    result[y, x] = scipy.sparse.linalg.splu(matrix).solve(right)
    return result


def pixels(length: float, size: int) -> int:
    """A length of the reference view in whole pixels of one of another size, at least 1 if it is anything."""
    return math.ceil(length * size / REFERENCE) if length > 0 else 0


def erode(mask: Tensor, radius: int) -> Tensor:
    """[K, 1, H, W], the least value within `radius` pixels in x and y."""
    if radius == 0:
        return mask
    return -F.max_pool2d(-mask, 2 * radius + 1, 1, radius)


def soften(image: Tensor, radius: float) -> Tensor:
    """[K, C, H, W] under a Gaussian that reaches `radius` pixels (2.5 standard deviations); 0 leaves it as it is."""
    reach = math.ceil(radius)
    if reach < 1:
        return image
    step = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (step * 2.5 / radius) ** 2)
    kernel = (kernel / kernel.sum()).expand(image.shape[1], 1, -1)
    groups = image.shape[1]
    padded = F.pad(image, (reach,) * 4, mode="replicate")
    padded = F.conv2d(padded, kernel[:, :, None], groups=groups)
    return F.conv2d(padded, kernel[..., None], groups=groups)
