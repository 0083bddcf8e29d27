"""How long a generator of official size will take here, measured on a small piece of it before anybody waits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from hfinv.camera import look_at
from hfinv.config import InvertConfig
from hfinv.generators import family
from hfinv.generators.base import Card
from hfinv.generators.raymarch import CHUNK, render_rays

WORTH_TELLING = 5.0
"""Minutes: a shorter inversion needs no warning."""
BACKWARD = 2.8
"""A step with gradients over a picture without; 40 to 42 against 14 to 15 s of processor time for EG3D at 512 px."""
AROUND = 1.3
"""What lies around the convolutions (activations, noise, filters), over the convolutions alone."""
BENCH_CHANNELS, BENCH_SIDE = 128, 128
REPEATS = 2


@dataclass(frozen=True)
class Cost:
    """Seconds on this machine, now."""

    picture: float
    """One picture at the generator's own size, planes included."""
    step: float
    """One step of an inversion."""


@torch.no_grad()
def measure(card: Card, low: bool = False) -> Cost | None:
    """What a generator costs on the processor; takes about a second. None for families that are small anyway.

    Convolutions are counted without being run, and their speed is that of one of them; rays are measured.

    Args:
        card: of the generator.
        low: without super-resolution, as `InvertConfig.resolution` "low".
    """
    with torch.device("meta"):
        generator = family(card.family)(card).requires_grad_(False)
    if not hasattr(generator, "ray_options"):
        return None
    w_plus = torch.empty(1, card.num_ws, card.w_dim, device="meta")
    side = generator.architecture.ray_size
    with FlopCounterMode(display=False) as counter:
        planes = generator.planes(w_plus)
        if not low:
            features = torch.empty(1, 32, side, side, device="meta")
            generator.superresolution(features[:, :3], features, w_plus)
    convolutions = AROUND * counter.get_total_flops() / _flops_a_second()
    rays = _seconds_of_rays(generator, tuple(planes.shape)) * side**2 / CHUNK
    return Cost(convolutions + rays, BACKWARD * (convolutions + rays))


def _flops_a_second() -> float:
    x = torch.randn(1, BENCH_CHANNELS, BENCH_SIDE, BENCH_SIDE).to(memory_format=torch.channels_last)
    weight = torch.randn(BENCH_CHANNELS, BENCH_CHANNELS, 3, 3)
    flops = 2 * 9 * BENCH_CHANNELS**2 * BENCH_SIDE**2
    return flops / _shortest(lambda: torch.nn.functional.conv2d(x, weight, padding=1))


def _seconds_of_rays(generator: Any, shape: tuple[int, ...]) -> float:
    """Of `CHUNK` rays through empty planes."""
    card = generator.card
    decoder = generator.decoder.to_empty(device="cpu")
    for weight in decoder.parameters():
        weight.zero_()
    origins, directions = look_at(0.0, 0.0, card.radius, card.pivot, card.focal).rays(
        math.isqrt(CHUNK)
    )
    rays = (torch.zeros(shape), decoder, origins, directions, generator.ray_options(None))
    return _shortest(lambda: render_rays(*rays))


def _shortest(run: Callable[[], Any]) -> float:
    times = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times[1:])


def steps_of(config: InvertConfig) -> int:
    """Pictures that an inversion draws with gradients, of the photo and of pseudo views."""
    latent = config.latent.camera_steps + config.latent.w_steps + config.latent.w_plus_steps
    views = config.pseudoview.use
    early = config.early.steps if views or config.symmetry.use else 0
    hidden = config.pseudoview.occluded.steps if views else 0
    seen = (
        config.tuning.steps // config.tuning.views_every if views else 0
    )  # pseudo views are drawn, too
    return latent + early + hidden + config.tuning.steps + seen


def warning(card: Card, config: InvertConfig) -> str | None:
    """What to tell a person before an inversion on a processor; None if it is short."""
    cost = measure(card, config.resolution == "low")
    if cost is None:
        return None
    minutes = steps_of(config) * cost.step / 60
    if minutes < WORTH_TELLING:
        return None
    ways = "a GPU, `--preset fast`" + (
        ", `--resolution low`" if config.resolution == "full" else ""
    )
    return (
        f"on this processor the inversion will take about {minutes:.0f} minutes ({steps_of(config)} steps of"
        f" {cost.step:.0f} s; a picture takes {cost.picture:.0f} s); quicker are {ways}"
    )
