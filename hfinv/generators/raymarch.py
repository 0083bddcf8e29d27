"""Planes to pictures along rays: two passes of samples, then emission and absorption.

Distances run along unit rays, so they are no z-depths. Without a jitter nothing here is random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from hfinv.generators.ray_samples import (
    box_limits,
    coarse_offsets,
    fine_offsets,
    importance,
    stratified,
)
from hfinv.generators.triplane import sample_planes, texels_together
from hfinv.generators.warp import AXES, origins_of

CHUNK = 1024
"""Rays that are marched at once where no gradient is needed: few enough to stay in a CPU's cache."""
DENSITY_BIAS = -1.0
"""Added to the raw density before the softplus, so that untrained space is nearly empty."""

NUMBERS = 400
"""float32 values that the decoder and the compositing of one sample keep, roughly."""
SOLID = 1000.0
"""A raw density that nothing passes; with a minus, one that everything does."""
FEWEST = 4
"""Coarse samples that importance sampling needs, since it leaves out the intervals at both ends."""

Field = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Sampled planes [B, 3, N, C] to features [B, N, O] and raw sigma [B, N, 1], such as a `Decoder`."""


@dataclass(frozen=True)
class RayOptions:
    """Where along a ray the field is looked at."""

    near: float | str = 2.25
    """Distance of the first sample, world units; "auto" enters and leaves at the box."""
    far: float | str = 3.3
    """Distance of the last sample, before the jitter of up to one step outwards."""
    coarse: int = 48
    """Samples of the first pass, evenly spread."""
    fine: int = 48
    """Samples of the second pass, where the first found something; 0 for a single pass."""
    box: float = 1.0
    """Side of the cube that the planes span, world units."""
    order: str = "eg3d"
    """A key of `PLANE_ORDERS`."""
    white_back: bool = False
    """Add the transparency to every feature: empty space is 1 instead of 0."""
    disparity: bool = False
    """Spread the first pass evenly in 1 / distance."""
    crop: float = 0.0
    """Empty the box this far in from its sides in x and z, world units; PanoHead's training did."""
    crop_top: float = 0.0
    """Empty the box this far down from its top in y, world units."""
    cull: float | None = None
    """Empty all samples whose opacity at unit length is below this."""
    binarise: float | None = None
    """As `cull`, and make all others solid."""
    memory: int | None = None
    """Bytes that the samples of one chunk of rays may take. While gradients are recorded, a chunk is then
    marched again on the way back instead of being kept."""
    warped: bool = False
    """The planes' last channels move the points; see `hfinv.generators.warp`."""
    reach: Tensor | None = None
    """[1, 1, G, G, G], where the planes' second half of channels is added to the first; see `Tunable.reach`."""
    faint: float = 0.0
    """Samples that matter less than this, see `importance_of`, get no gradient: what is seen stays the same, and the
    way back is several times shorter. 0 for all."""

    def __post_init__(self) -> None:
        if (self.near == "auto") != (self.far == "auto"):
            raise ValueError("near and far must both be numbers or both be 'auto'")
        least = FEWEST if self.fine else 2
        if self.coarse < least:
            raise ValueError(f"coarse is {self.coarse}, expected at least {least}")


def render_rays(
    planes: Tensor,
    decoder: Field,
    origins: Tensor,
    directions: Tensor,
    options: RayOptions,
    jitter: torch.Generator | None = None,
    chunk: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Composite what the decoder sees along each ray.

    Args:
        planes: [B, 3, C, h, w], or [1, 3, C, h, w] shared by all B cameras without a copy.
        decoder: reads the planes.
        origins: [B, N, 3], world frame.
        directions: [B, N, 3], of unit length.
        options: where to look.
        jitter: moves the samples at random, as in training, from a generator on the rays' device; None puts
            them in the middle of their strata.
        chunk: rays of one batch item at a time; the result is the same. If None, all at once while gradients
            are recorded, else `CHUNK`.

    Returns:
        features [B, N, O], weighted sums of the decoder's; distance [B, N, 1], weighted mean, clamped to the
        range of all samples of the call; weights_sum [B, N, 1] in [0, 1], the opacity.
    """
    batch, rays = origins.shape[:2]
    near, far = ray_limits(origins, directions, options)
    u = coarse_offsets((batch, rays, options.coarse), jitter, origins.device)
    coarse = stratified(near, far, u, options.disparity)  # [B, N, S]
    u = fine_offsets((batch, rays, options.fine), jitter, origins.device)
    chunk = chunk or _chunk(planes, batch, rays, options)
    planes = texels_together(planes)
    again = torch.is_grad_enabled() and options.memory is not None and chunk < rays
    parts = []
    for start in range(0, rays, chunk):
        some = slice(start, start + chunk)
        inputs = (origins[:, some], directions[:, some], coarse[:, some], u[:, some])
        part = (_march_two_passes, planes, decoder, *inputs, options)
        parts.append(checkpoint(*part, use_reentrant=False) if again else part[0](*part[1:]))
    features, distance, total, nearest, farthest = zip(*parts)
    distance = clamp_distance(
        torch.cat(distance, 1), torch.stack(nearest).min(), torch.stack(farthest).max()
    )
    return torch.cat(features, 1), distance, torch.cat(total, 1)


def _chunk(planes: Tensor, batch: int, rays: int, options: RayOptions) -> int:
    """How many rays of each batch item to march at once."""
    most = at_once(batch, rays)
    if options.memory is None:
        return most
    numbers = NUMBERS + 2 * planes.shape[1] * planes.shape[2]  # planes as sampled, and their sum
    samples = batch * (options.coarse + options.fine)
    return min(most, max(1, options.memory // (4 * numbers * samples)))


def at_once(batch: int, rays: int) -> int:
    """How many rays of each batch item fit a CPU's cache; all of them while gradients are recorded."""
    return rays if torch.is_grad_enabled() else max(1, CHUNK // batch)


def _march_two_passes(
    planes: Tensor,
    decoder: Field,
    origins: Tensor,
    directions: Tensor,
    distances: Tensor,
    u: Tensor,
    options: RayOptions,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """`render_rays` of some rays: features, distance before clamping, opacity, nearest and farthest sample."""

    def look(distances: Tensor) -> tuple[Tensor, Tensor]:
        """What the decoder sees at samples of the rays; of a few rays at once where nothing need be kept."""
        few = at_once(*distances.shape[:2])
        rays = zip(*(x.split(few, 1) for x in (origins, directions, distances)))
        parts = zip(*(look_at(planes, decoder, *some, options) for some in rays))
        return tuple(part[0] if len(part) == 1 else torch.cat(part, 1) for part in parts)

    sparse = options.faint > 0 and has_gradient(planes, origins, directions, decoder)
    with torch.set_grad_enabled(torch.is_grad_enabled() and not sparse):
        seen, sigma = look(distances)  # [B, n, S, O], [B, n, S]
        parts = [seen]
        if options.fine:
            with torch.no_grad():
                fine = importance(distances, interval_weights(sigma, distances), u)
            seen, sigma_fine = look(fine)
            parts.append(seen)
            distances, sigma = torch.cat([distances, fine], -1), torch.cat([sigma, sigma_fine], -1)
    in_turn, order = distances.sort(-1)
    if sparse:
        matters = importance_of(sigma.gather(-1, order), in_turn) > options.faint
        chosen = torch.zeros_like(matters).scatter(-1, order, matters).nonzero(as_tuple=True)
        seen, there = look_again(planes, decoder, origins, directions, distances, chosen, options)
        sigma = sigma.index_put(chosen, there)
    weights = interval_weights(sigma.gather(-1, order), in_turn)
    # The shares go back to the order of the samples, which is cheaper than sorting all features.
    shares = sample_shares(weights)
    shares = torch.zeros_like(shares).scatter(-1, order, shares)
    if sparse:
        features = _sparse_sum(shares, parts, seen, chosen)
    else:
        features = _weighted_sum(shares, parts)
    total = weights.sum(-1, keepdim=True)
    if options.white_back:
        features = features + (1 - total)
    return features, mean_distance(weights, in_turn), total, *in_turn.aminmax()


def look_at(
    planes: Tensor,
    decoder: Field,
    origins: Tensor,
    directions: Tensor,
    distances: Tensor,
    options: RayOptions,
) -> tuple[Tensor, Tensor]:
    """What the decoder sees at samples [B, n, S] of rays [B, n, 3]: features [B, n, S, O], raw sigma [B, n, S]."""
    points = origins[:, :, None] + distances[..., None] * directions[:, :, None]  # [B, n, S, 3]
    features, sigma = decoder(read_planes(planes, points.flatten(1, 2), options))
    sigma = trimmed(sigma.reshape(distances.shape), points, options)
    return features.unflatten(1, distances.shape[1:]), sigma


def has_gradient(*sources: Tensor | Field) -> bool:
    """Whether anything computed from these tensors and networks will be asked for gradients."""
    tensors = [
        x for one in sources for x in (one.parameters() if isinstance(one, nn.Module) else (one,))
    ]
    return torch.is_grad_enabled() and any(getattr(x, "requires_grad", False) for x in tensors)


def look_again(
    planes: Tensor,
    decoder: Field,
    origins: Tensor,
    directions: Tensor,
    distances: Tensor,
    chosen: tuple[Tensor, Tensor, Tensor],
    options: RayOptions,
) -> tuple[Tensor, Tensor]:
    """What the decoder sees at M of the samples of the rays.

    Args:
        planes: [B, P, C, h, w] or [1, ...].
        decoder, options: as for `render_rays`.
        origins, directions: [B, N, 3].
        distances: [B, N, S].
        chosen: batch items, rays and samples, [M] each, by batch item.

    Returns:
        features [M, O]; raw sigma [M].
    """
    item, ray, _ = chosen
    points = origins[item, ray] + distances[chosen][:, None] * directions[item, ray]
    each = item.bincount(minlength=len(origins)).tolist() if len(planes) > 1 else [len(points)]
    seen = [
        decoder(read_planes(planes[b : b + 1], some[None], options))
        for b, some in enumerate(points.split(each))
    ]
    features, sigma = (torch.cat(part, 1)[0] for part in zip(*seen))
    return features, trimmed(sigma[:, 0], points, options)


def importance_of(sigma: Tensor, distances: Tensor) -> Tensor:
    """How much a sample matters to its ray, in sizes of the light that reaches the eye.

    Args:
        sigma: raw, [..., S].
        distances: [..., S], ascending.

    Returns:
        [..., S]: the share of the sample's colour, or what a change of its raw sigma by 1 could do, if that is more.
    """
    weights = interval_weights(sigma, distances)
    before = 1 - F.pad(weights, (1, 0)).cumsum(-1)[..., :-1]  # the light that reaches each interval
    slope = torch.sigmoid((sigma[..., :-1] + sigma[..., 1:]) / 2 + DENSITY_BIAS)
    change = (before - weights).clamp(min=0) * slope * distances.diff(dim=-1)
    return torch.maximum(sample_shares(weights), sample_shares(change))


def read_planes(planes: Tensor, points: Tensor, options: RayOptions) -> Tensor:
    """`sample_planes` at points [B, N, 3], moved first where the planes say so, and with an offset where it counts."""
    if options.warped:
        points = origins_of(planes[:, :, -AXES:], points, options.box, options.order)
        planes = planes[:, :, :-AXES]
    sampled = sample_planes(planes, points, options.box, options.order)
    if options.reach is None:
        return sampled
    own, offset = sampled.chunk(2, -1)
    return torch.addcmul(own, counted(options.reach, points, options.box), offset)


def counted(reach: Tensor, points: Tensor, box: float) -> Tensor:
    """[1, 1, G, G, G] over a box of that side -> its values at points [B, N, 3], linearly, [B, 1, N, 1]; 0 outside."""
    grid = (points * (2 / box)).reshape(1, -1, 1, 1, 3)
    return F.grid_sample(reach, grid, align_corners=False).reshape(len(points), 1, -1, 1)


def trimmed(sigma: Tensor, points: Tensor, options: RayOptions) -> Tensor:
    """Raw sigma [...] at points [..., 3], with what the options cut off emptied."""
    if options.crop:
        sigma = torch.where(cropped(points, options.box, options.crop), -SOLID, sigma)
    if options.crop_top:
        sigma = torch.where(points[..., 1] > options.box / 2 - options.crop_top, -SOLID, sigma)
    threshold = options.cull if options.binarise is None else options.binarise
    if threshold is not None:
        thin = 1 - torch.exp(-F.softplus(sigma + DENSITY_BIAS)) < threshold
        sigma = torch.where(thin, -SOLID, sigma if options.binarise is None else SOLID)
    return sigma


def cropped(points: Tensor, box: float, crop: float) -> Tensor:
    """Whether points [..., 3] lie outside of the square column that is left of the box; [...] of bool."""
    return (points[..., [0, 2]].abs() > box / 2 - crop).any(-1)


def _weighted_sum(weights: Tensor, parts: Sequence[Tensor]) -> Tensor:
    """[B, N, S], and [B, N, S_i, O] of some of the S samples each -> [B, N, O]."""
    each = weights.split([part.shape[2] for part in parts], -1)
    # As a product of matrices this is no faster, and far slower on the way back.
    return sum((some[..., None] * part).sum(-2) for some, part in zip(each, parts))


def _sparse_sum(
    weights: Tensor, parts: Sequence[Tensor], seen: Tensor, chosen: tuple[Tensor, Tensor, Tensor]
) -> Tensor:
    """`_weighted_sum`, with gradients of the chosen samples only, what they look like being `seen` [M, O]."""
    with torch.no_grad():
        rest = _weighted_sum(weights.index_put(chosen, weights.new_zeros(())), parts)
    row = chosen[0] * weights.shape[1] + chosen[1]
    found = rest.flatten(0, 1).index_add(0, row, weights[chosen][:, None] * seen)
    return found.view_as(rest)


def march(
    features: Tensor, sigma: Tensor, distances: Tensor, white_back: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Composite sorted samples; `render_rays` does the same without sorting the features.

    Args:
        features: [B, N, S, O].
        sigma: raw, [B, N, S].
        distances: [B, N, S], ascending.
        white_back: see `RayOptions`.

    Returns:
        features [B, N, O]; distance [B, N, 1]; the weight of each interval [B, N, S - 1].
    """
    weights = interval_weights(sigma, distances)
    composed = _weighted_sum(sample_shares(weights), [features])
    if white_back:
        composed = composed + (1 - weights.sum(-1, keepdim=True))
    return (
        composed,
        clamp_distance(mean_distance(weights, distances), *distances.aminmax()),
        weights,
    )


def interval_weights(sigma: Tensor, distances: Tensor) -> Tensor:
    """How much of a ray's light each interval between neighbouring samples stops and sends on.

    Args:
        sigma: raw, [..., S]. The two ends are averaged before the softplus, not after.
        distances: [..., S], ascending.

    Returns:
        [..., S - 1] in [0, 1]; the sum is the opacity. Nothing lies behind the last sample.
    """
    density = F.softplus((sigma[..., :-1] + sigma[..., 1:]) / 2 + DENSITY_BIAS)
    alpha = 1 - torch.exp(-density * distances.diff(dim=-1))
    passed = torch.cumprod(1 - alpha[..., :-1] + 1e-10, -1)
    return alpha * F.pad(passed, (1, 0), value=1.0)


def sample_shares(weights: Tensor) -> Tensor:
    """[..., S - 1] interval weights -> [..., S] sample weights: an interval shows the mean of its two ends."""
    half = weights / 2
    return F.pad(half, (0, 1)) + F.pad(half, (1, 0))


def mean_distance(weights: Tensor, distances: Tensor) -> Tensor:
    """[..., S - 1] and [..., S] -> [..., 1], the weighted mean over the intervals; infinite if all weights are 0."""
    middle = (distances[..., :-1] + distances[..., 1:]) / 2
    total = weights.sum(-1, keepdim=True)
    seen = total > 0
    # Dividing by 0 and hiding the result would still send NaN backwards.
    mean = (weights * middle).sum(-1, keepdim=True) / torch.where(seen, total, 1.0)
    return torch.where(seen, mean, torch.inf)


def clamp_distance(distance: Tensor, nearest: Tensor, farthest: Tensor) -> Tensor:
    """Between the nearest and farthest sample of the whole call, as EG3D: empty rays depend on their batch."""
    return torch.clamp(distance, nearest, farthest)


def ray_limits(origins: Tensor, directions: Tensor, options: RayOptions) -> tuple[Tensor, Tensor]:
    """Where each ray begins and ends to be sampled, [B, N, 1] each, or [1, 1, 1] if the options say numbers."""
    if options.near != "auto":
        return tuple(
            origins.new_tensor(float(x)).reshape(1, 1, 1) for x in (options.near, options.far)
        )
    near, far = box_limits(origins.detach(), directions.detach(), options.box)
    hit = far > near
    if not hit.any():
        return near, far
    # EG3D gives rays that miss the box a span that ends at the latest entry, not at the latest exit.
    return torch.where(hit, near, near[hit].min()), torch.where(hit, far, near[hit].max())
