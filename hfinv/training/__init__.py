"""How the bundled generator is made: photograph synthetic heads, teach a small EG3D to draw them from their factors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from hfinv.camera import FFHQ_FOCAL, FFHQ_PIVOT, FFHQ_RADIUS
from hfinv.generators import checkpoint, load_generator
from hfinv.generators.base import Card
from hfinv.generators.heads import Heads
from hfinv.progress import Step, ignore
from hfinv.training import shapes, traits
from hfinv.training.dataset import DatasetConfig, HeadFolder, Pictures, make_dataset
from hfinv.training.discriminator import Discriminator
from hfinv.training.factors import FACTORS
from hfinv.training.loop import LoopConfig, run_loop
from hfinv.training.objective import ObjectiveConfig
from hfinv.training.posed_images import INDEX, PosedImages, absorb, new_codes, posed_card
from hfinv.training.state import State, adopt, load_checkpoint


@dataclass(frozen=True)
class NetworkConfig:
    """The size of the generator."""

    w_dim: int = 256
    """Length of the part of w that is learned from pictures."""
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
    upsampler_channels: tuple[int, int] = (96, 48)
    """Channels of the super-resolution's two blocks."""
    upsampler_refine: int = 96
    """Channels of a block before them, at the rays' size; 0 for none."""
    image_size: int = 256
    """Side of the final picture, in pixels; rays are cast at a quarter of it."""
    samples: tuple[int, int] = (32, 16)
    """Coarse and fine samples a ray."""
    z_dim: int = 64
    """Numbers of z where nothing is known of the pictures; with labels, z is the factors."""
    judge_base: int = 4096
    """Features of side r of the discriminator have judge_base / r channels,"""
    judge_max: int = 128
    """but never more than this."""
    warp: int = 48
    """Texels along a side of the fields that take each head to the mean one; 0 for none, and for no traits and gates."""
    warp_fine: int = 128
    """The same of those of expression, which part lips and shut lids."""
    palette: int = 32
    """Texels along a side of the maps that say which way places face; their colours come from the traits."""
    crop: float = 0.0
    """The box is empty this far in from its sides in x and z, world units; what few cameras see is else left as it came."""
    crop_top: float = 0.0
    """The same, down from its top in y."""
    box: float = 0.8
    """Side of the cube that the planes span, world units: what is smaller is drawn finer, what is outside is not drawn;
    0.8 holds all that frontal crops show."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that shapes the generator."""

    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    """The synthetic heads."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """The generator's size."""
    loop: LoopConfig = field(default_factory=LoopConfig)
    """The schedule."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """The lessons."""
    start: str | None = None
    """Generator to begin from, a bundled name or a file of the same size; fresh weights if none. Factors it does not
    know begin without effect."""


def train_generator(
    out: Path,
    config: TrainConfig,
    data: Path | None = None,
    progress: Callable[[Step], None] = ignore,
    device: torch.device | str = "cpu",
) -> Path:
    """Make the heads that are missing, train on from the newest checkpoint, export the averaged generator.

    Args:
        out: directory of checkpoints, metrics, sheets and the exported `heads.safetensors`.
        config: the settings.
        data: directory of the heads, `out / "heads"` if None; or of posed pictures with EG3D's `dataset.json`, which
            are then learned from instead.
        progress: called after each head and each step.
        device: what trains.

    Returns:
        The exported file.
    """
    data = data or out / "heads"
    if (data / INDEX).is_file():
        config = replace(config, network=replace(config.network, warp=0))
        # 1. Pictures of the user's own.
        pictures: Pictures = PosedImages(data, config.network.image_size)
        source = f"{len(pictures)} posed pictures"
    else:
        # 1. Photograph synthetic heads; those already there are kept.
        make_dataset(
            data, config.dataset, report=lambda done, of: progress(Step("heads", done, of, {}))
        )
        pictures = HeadFolder(data)
        source = f"{len(pictures)} synthetic heads of {config.dataset.views} views"

    if not config.network.warp:
        config = replace(config, loop=replace(config.loop, shape_steps=0))

    # 2. Shapes, points, then rays, then pictures, then a discriminator.
    state = begin(config, pictures, device)
    load_checkpoint(state, out)
    run_loop(state, pictures, out, config.loop, config.objective, progress)

    # 3. Measure where w lies, and write the asset.
    return export(state, out / "heads.safetensors", made(state.step, config, source))


def begin(
    config: TrainConfig, pictures: Pictures | None = None, device: torch.device | str = "cpu"
) -> State:
    """The networks with fresh weights, drawn from the loop's seed, and their optimisers.

    Args:
        config: the settings.
        pictures: what will be learned from; posed pictures need codes.
        device: where to put the networks.
    """
    identity = card(config.network)
    posed = isinstance(pictures, PosedImages)
    if posed:
        identity = posed_card(identity, pictures.camera, config.network.z_dim)
    loop = config.loop
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(loop.seed)
        generator = Heads(identity)
        if generator.warp is not None:
            shapes.fit_warp(generator.warp, config.network.box)
            traits.fit_palette(generator.palette)
        discriminator = Discriminator(
            config.network.image_size, config.network.judge_base, config.network.judge_max
        )
    if config.start is not None:
        adopt(generator, load_generator(config.start))
    generator.to(device)
    optimiser = torch.optim.Adam(generator.parameters(), lr=loop.learning_rate, betas=(0.9, 0.99))
    state = State(generator, copy.deepcopy(generator).requires_grad_(False), optimiser)
    if loop.adversarial_steps:
        discriminator.to(device)
        judge = torch.optim.Adam(discriminator.parameters(), lr=loop.judge_rate, betas=(0.0, 0.99))
        state.extras["discriminator"] = (discriminator, judge)
    if posed:
        codes = new_codes(len(pictures), config.network.z_dim, loop.seed).to(device)
        state.extras["codes"] = (
            codes,
            torch.optim.SparseAdam(list(codes.parameters()), lr=loop.code_rate, betas=(0.9, 0.99)),
        )
    return state


def export(state: State, path: Path, history: str) -> Path:
    """Write the averaged generator in half precision with its card."""
    generator = copy.deepcopy(state.average)
    if "codes" in state.extras:
        absorb(generator, state.extras["codes"][0].weight)
    generator.cpu().mapping.measure()
    generator.card = replace(generator.card, made=history)
    checkpoint.save(generator, path)
    return path


def made(step: int, config: TrainConfig, source: str) -> str:
    """One line of history for the card.

    Args:
        step: steps done.
        config: the settings.
        source: what was learned from.
    """
    loop = config.loop
    return (
        f"{step} of {loop.steps} steps ({loop.point_steps} of points, {loop.ray_steps} of rays, "
        f"{loop.picture_steps} of pictures, {loop.adversarial_steps} adversarial; "
        f"batch {loop.batch}, {loop.picture_batch} in pictures) on {source}, seed {loop.seed}"
    )


def card(network: NetworkConfig) -> Card:
    """The card of a new generator of that size."""
    ray_size = network.image_size // 4
    fields = shapes.count() if network.warp else 0
    looks = traits.count() if fields else 0
    known: dict[str, object] = {}
    if fields:
        known = {
            "warp": [fields, network.warp],
            "warp_fine": [shapes.fine(), network.warp_fine],
            "traits": looks,
            "gates": traits.GATES,
            "palette": [traits.PARTS, len(traits.SIDES), network.palette],
        }
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
            "upsampler_refine": network.upsampler_refine,
            **known,
            "crop": network.crop,
            "crop_top": network.crop_top,
            "ray_size": ray_size,
            "samples": list(network.samples),
        },
        image_size=network.image_size,
        box=network.box,
        radius=FFHQ_RADIUS,
        pivot=FFHQ_PIVOT,
        focal=FFHQ_FOCAL,
        num_ws=2 * (network.plane_resolution.bit_length() - 1) - 2,
        w_dim=network.w_dim + looks + fields,
        yaw_range=torch.pi,
        factors=FACTORS,
        licence="Apache-2.0; made from CC0 meshes, skins of CC0 portraits and procedural hair only",
    )
