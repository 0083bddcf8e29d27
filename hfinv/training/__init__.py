"""How the bundled generator is made: photograph synthetic heads, teach a small EG3D to draw them from their factors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from hfinv.camera import FFHQ_FOCAL, FFHQ_PIVOT, FFHQ_RADIUS
from hfinv.generators import checkpoint
from hfinv.generators.base import Card
from hfinv.generators.heads import Heads
from hfinv.progress import Step, ignore
from hfinv.training.dataset import DatasetConfig, HeadFolder, make_dataset
from hfinv.training.factors import FACTORS
from hfinv.training.loop import LoopConfig, State, load_checkpoint, run_loop
from hfinv.training.objective import ObjectiveConfig


@dataclass(frozen=True)
class NetworkConfig:
    """The size of the generator."""

    w_dim: int = 256
    """Length of w."""
    plane_resolution: int = 128
    """Side of a plane, in texels; a power of two."""
    plane_channels: int = 24
    """Channels of a plane; also of the rendered features."""
    channel_base: int = 8192
    """A backbone block of side r has channel_base / r channels,"""
    channel_max: int = 256
    """but never more than this."""
    hidden: int = 64
    """Width of the decoder."""
    upsampler_channels: tuple[int, int] = (64, 32)
    """Channels of the super-resolution's two blocks."""
    image_size: int = 256
    """Side of the final picture, in pixels; rays are cast at a quarter of it."""
    samples: tuple[int, int] = (32, 16)
    """Coarse and fine samples a ray."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that shapes the generator."""

    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)
    loop: LoopConfig = field(default_factory=LoopConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)


def train_generator(
    out: Path,
    config: TrainConfig,
    data: Path | None = None,
    progress: Callable[[Step], None] = ignore,
) -> Path:
    """Make the heads that are missing, train on from the newest checkpoint, export the averaged generator.

    Args:
        out: directory of checkpoints, metrics and the exported `heads.safetensors`.
        config: the settings.
        data: directory of the heads; `out / "heads"` if None.
        progress: called after each head and each step.

    Returns:
        The exported file.
    """
    data = data or out / "heads"

    # 1. Photograph synthetic heads; those already there are kept.
    make_dataset(
        data, config.dataset, report=lambda done, of: progress(Step("heads", done, of, {}))
    )

    # 2. Points, then rays, then pictures.
    state = begin(config)
    load_checkpoint(state, out)
    run_loop(state, HeadFolder(data), out, config.loop, config.objective, progress)

    # 3. Measure where w lies, and write the asset.
    return export(state, out / "heads.safetensors", made(state.step, config))


def begin(config: TrainConfig) -> State:
    """A generator with fresh weights, from the loop's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.loop.seed)
        generator = Heads(card(config.network))
    optimiser = torch.optim.Adam(
        generator.parameters(), lr=config.loop.learning_rate, betas=(0.9, 0.99)
    )
    return State(generator, copy.deepcopy(generator).requires_grad_(False), optimiser)


def export(state: State, path: Path, history: str) -> Path:
    """Write the averaged generator in half precision with its card."""
    generator = copy.deepcopy(state.average)
    generator.mapping.measure()
    generator.card = replace(generator.card, made=history)
    checkpoint.save(generator, path)
    return path


def made(step: int, config: TrainConfig) -> str:
    """One line of history for the card."""
    loop = config.loop
    return (
        f"{step} steps ({loop.point_steps} of points, {loop.ray_steps} of rays, {loop.picture_steps} of pictures; "
        f"batch {loop.batch}) on {config.dataset.heads} synthetic heads of {config.dataset.views} views, seed {loop.seed}"
    )


def card(network: NetworkConfig) -> Card:
    """The card of a new generator of that size."""
    ray_size = network.image_size // 4
    return Card(
        name="heads",
        family="heads",
        arguments={
            "plane_resolution": network.plane_resolution,
            "plane_channels": network.plane_channels,
            "channel_base": network.channel_base,
            "channel_max": network.channel_max,
            "hidden": network.hidden,
            "upsampler_channels": list(network.upsampler_channels),
            "ray_size": ray_size,
            "samples": list(network.samples),
        },
        image_size=network.image_size,
        box=1.0,
        radius=FFHQ_RADIUS,
        pivot=FFHQ_PIVOT,
        focal=FFHQ_FOCAL,
        num_ws=2 * (network.plane_resolution.bit_length() - 1) - 2,
        w_dim=network.w_dim,
        yaw_range=torch.pi,
        factors=FACTORS,
        licence="Apache-2.0; made from CC0 meshes, skins of CC0 portraits and procedural hair only",
    )
