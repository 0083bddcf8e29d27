"""Where along a ray a field is looked at: evenly at first, then where the first look found something.

Distances run along unit rays. Without a jitter nothing here is random.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SPREAD = 0.01
"""Weight that every coarse interval gets on top of its own, so that fine samples also look elsewhere."""
EPSILON = 1e-5
"""Smallest probability of an interval that importance sampling divides by."""


def box_limits(origins: Tensor, directions: Tensor, box: float) -> tuple[Tensor, Tensor]:
    """Where rays enter and leave the cube about the world origin.

    Args:
        origins: [..., 3], world frame.
        directions: [..., 3].
        box: side of the cube.

    Returns:
        distances [..., 1] of entry and exit; -1 and -2 for a ray that misses.
    """
    inverse = 1 / directions
    first, second = (-box / 2 - origins) * inverse, (box / 2 - origins) * inverse
    near = torch.minimum(first, second).amax(-1, keepdim=True)
    far = torch.maximum(first, second).amin(-1, keepdim=True)
    hit = near <= far
    return torch.where(hit, near, -1.0), torch.where(hit, far, -2.0)


def coarse_offsets(
    shape: tuple[int, int, int], jitter: torch.Generator | None, device: torch.device
) -> Tensor:
    """[B, N, S] in [0, 1): where in its step each coarse sample lies; the middle without jitter."""
    if jitter is None:
        return torch.full((1, 1, 1), 0.5, device=device).expand(shape)
    return torch.rand(shape, generator=jitter, device=device)


def fine_offsets(
    shape: tuple[int, int, int], jitter: torch.Generator | None, device: torch.device
) -> Tensor:
    """[B, N, S] in [0, 1): the quantile of each fine sample; the middles of equal strata without jitter."""
    if jitter is None:
        return ((torch.arange(shape[-1], device=device) + 0.5) / max(shape[-1], 1)).expand(shape)
    return torch.rand(shape, generator=jitter, device=device)


def stratified(near: Tensor, far: Tensor, u: Tensor, disparity: bool = False) -> Tensor:
    """Distances of the coarse samples.

    Args:
        near: [B, N, 1] or broadcastable.
        far: [B, N, 1] or broadcastable.
        u: [B, N, S] in [0, 1). Sample k lies between steps k and k + 1 of S - 1 steps, so the last one may
            lie beyond `far`.
        disparity: even steps in 1 / distance.

    Returns:
        [B, N, S], ascending.
    """
    steps = u.shape[-1] - 1
    grid = torch.arange(steps + 1, device=u.device) / steps
    if disparity:
        along = grid + u / steps
        return 1 / ((1 - along) / near + along / far)
    # Rounded as EG3D rounds: rough planes turn a last bit of distance into a visible difference.
    return near + grid * (far - near) + u * ((far - near) / steps)


def importance(distances: Tensor, weights: Tensor, u: Tensor) -> Tensor:
    """Distances of the fine samples, where the coarse weights are.

    The weight of the interval between samples j and j + 1 is spent half a step nearer to the camera, and the
    last interval on nothing: an off-by-one of EG3D that all its weights were trained with.

    Args:
        distances: [B, N, S], ascending; S is at least 4.
        weights: [B, N, S - 1], of the intervals.
        u: [B, N, F] in [0, 1), quantiles.

    Returns:
        [B, N, F].
    """
    peaks = torch.maximum(weights[..., :-1], weights[..., 1:])
    smooth = (peaks[..., :-1] + peaks[..., 1:]) / 2 + SPREAD  # [B, N, S - 3]
    return sample_pdf((distances[..., :-1] + distances[..., 1:]) / 2, smooth, u)


def sample_pdf(edges: Tensor, weights: Tensor, u: Tensor) -> Tensor:
    """Invert the cumulative distribution of a histogram.

    Args:
        edges: [..., M + 2]; the last one is never reached (see `importance`).
        weights: [..., M], of the first M intervals.
        u: [..., F] in [0, 1).

    Returns:
        [..., F], between the edges.
    """
    weights = weights + EPSILON
    cumulative = F.pad((weights / weights.sum(-1, keepdim=True)).cumsum(-1), (1, 0))  # [..., M + 1]
    upper = torch.searchsorted(cumulative, u.contiguous(), right=True)
    lower = (upper - 1).clamp(min=0)
    upper = upper.clamp(max=cumulative.shape[-1] - 1)
    low, high = cumulative.gather(-1, lower), cumulative.gather(-1, upper)
    span = torch.where(high - low < EPSILON, 1.0, high - low)
    start = edges.gather(-1, lower)
    return start + (u - low) / span * (edges.gather(-1, upper) - start)
